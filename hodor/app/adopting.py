"""What a terminal did in a folder becomes what the page shows: runs of `hodor track`, also in a session of the page."""

import contextlib
import shutil
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError

from hodor.app.records import FOUND, MAX_ID, MAX_NAME, RECORD, Record, Settings, new_record, write_record
from hodor.app.sessions import PAINTED, Session
from hodor.checkpoints.weights import DEFAULT
from hodor.errors import HodorError
from hodor.files import folder_written_aside
from hodor.formats.label_maps import present_ids, read_label_map
from hodor.media.camera_source import CAMERA
from hodor.tracking.folder import GIVEN, INPUTS, PAGE, TrackingFolder
from hodor.tracking.inputs import as_arguments, parsed, source_of

_SETTINGS = set(Settings(checkpoint=DEFAULT).model_dump(by_alias=True))  # options that become settings
Id = Annotated[int, Field(ge=1, le=MAX_ID)]


class _Inputs(BaseModel):
    """What `inputs_of` makes."""

    source: str
    names: dict[Id, str]
    options: dict[str, Any]


def is_session(folder: Path) -> bool:
    """Whether a folder is a session of the page, or a run of `hodor track` that can become one."""
    return (folder / PAGE / RECORD).is_file() or (folder / INPUTS).is_file()


def opened_session(folder: Path) -> Session:
    """The session in a folder; a run that a terminal began there becomes one.

    Raises:
        HodorError: it is broken, or can't be gone on with in a page.
    """
    if (folder / PAGE / RECORD).is_file():
        session = Session(folder)
        if session.record.camera:
            session.keep_pictures()
        shutil.rmtree(folder / PAGE / FOUND, ignore_errors=True)  # of a recording that was killed
        with contextlib.suppress(HodorError):  # what is there already can be shown
            notice(session)
        return session
    record = _record(folder)
    _take_given(folder)
    write_record(folder, record)
    session = Session(folder)
    session.change(followed_with=session.basis())
    return session


def notice(session: Session) -> None:
    """Takes over masks, names and settings that a terminal has given since the page followed last.

    Raises:
        HodorError: they are broken, or can't be gone on with in a page.
    """
    with session.lock:
        before = session.record
        if session.tracking.told() in {"", before.told}:
            return
        record = _record(session.folder)
        kept = {"title": before.title, "made": before.made}
        if Path(record.source) == session.folder / before.source:
            kept["source"] = before.source  # a video within the folder, which may be moved as a whole
        _take_given(session.folder)
        session.change(**dict(record) | kept)
        session.change(followed_with=session.basis())
        session.close_video()


def _take_given(folder: Path) -> None:
    with folder_written_aside(folder / PAGE / PAINTED) as aside:
        for path in (folder / GIVEN).glob("[!.]*.png"):
            shutil.copyfile(path, aside / path.name)


def _record(folder: Path) -> Record:
    """The record of what a terminal began; errors are those of `opened_session`."""
    path, told = folder / INPUTS, TrackingFolder(folder).told()
    try:
        inputs = _Inputs.model_validate_json(path.read_bytes())
        parsed([inputs.source, *as_arguments(inputs.options)])
        told_settings = {name: value for name, value in inputs.options.items() if name in _SETTINGS}
        settings = Settings.model_validate({"checkpoint": DEFAULT} | told_settings)
    except (ValidationError, HodorError, UnicodeDecodeError):
        raise HodorError(f"{path}: broken, or the page doesn't know what it asks for; go on with hodor track") from None
    if inputs.source.startswith(CAMERA):
        raise HodorError(f"{folder}: holds what a camera showed; open its recording: hodor app {folder / 'camera.mp4'}")
    options = {name: value for name, value in inputs.options.items() if name not in _SETTINGS}
    masks = (folder / GIVEN).glob("[!.]*.png")
    ids = {each for mask in masks for each in present_ids(read_label_map(mask))} | set(inputs.names)
    names = {each: inputs.names.get(each, f"Object {each}")[:MAX_NAME] for each in sorted(ids)}
    video = source_of(inputs.source, options)
    return new_record(Path(inputs.source).name, inputs.source, video, settings, names=names, options=options, told=told)

"""What a session is as a command line of `hodor track`."""

from collections.abc import Sequence
from typing import Any

from hodor.app.records import Settings
from hodor.app.sessions import Session
from hodor.checkpoints.weights import DEFAULT
from hodor.tracking.inputs import as_arguments


def command_of(session: Session) -> list[str]:
    """The command line that does the same, and may go on in the same folder."""
    masks = [f"{_frame(session, index)}={session.painted_folder / f'{index}.png'}" for index in session.painted_frames()]
    return ["hodor", "track", *arguments_of(session, session.record.settings, masks)]


def _frame(session: Session, index: int) -> str:
    """A frame's name; its index where a command line would take the name for something else."""
    name = session.name_of(index)
    return str(index) if name.startswith("-") or "=" in name else name


def arguments_of(session: Session, settings: Settings, masks: Sequence[str] = ()) -> list[str]:
    """The arguments of `hodor track` for some settings, with masks or, where they are given otherwise, without."""
    record = session.record
    known = session.painted_ids() | {int(each.partition("=")[0]) for each in record.options.get("objects", [])}
    names = [f"{object_id}={name}" for object_id, name in record.names.items() if object_id in known]
    options: dict[str, Any] = {
        **record.options,
        "min_image_dim": settings.min_dim,
        "backwards": settings.backwards,
        "corrections_replace": settings.corrections_replace,
    }
    if settings.checkpoint != DEFAULT:
        options["checkpoint"] = settings.checkpoint
    given = ["--out", str(session.folder), *(["--masks", *masks] if masks else []), *(["--names", *names] if names else [])]
    return [session.source, *given, *as_arguments(options)]

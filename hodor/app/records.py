"""What the page keeps of a session besides masks: `page/session.json`."""

import time
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError, field_validator

from hodor.app.frames import FrameReader
from hodor.checkpoints.hub import is_hub_name
from hodor.checkpoints.weights import locate_existing
from hodor.errors import HodorError
from hodor.files import written_aside
from hodor.media.sources import FrameSource, Selection
from hodor.tracking.folder import PAGE
from hodor.tracking.inputs import selection_of
from hodor.workspace import checkpoints_folder

MAX_ID = 254
MAX_NAME = 80
RECORD = "session.json"
FOUND = "found"
_MIN_DIM = "min_image_dim"


class Settings(BaseModel):
    """How objects are followed, as options of `hodor track`, whose names are the aliases."""

    model_config = ConfigDict(extra="forbid")
    checkpoint: str = Field(min_length=1, max_length=4096)  # a file, hf://owner/name, or the name of shipped weights
    min_dim: int | None = Field(  # None takes what the checkpoint is meant for
        default=None, ge=32, le=4096, validation_alias=AliasChoices("min_dim", _MIN_DIM), serialization_alias=_MIN_DIM
    )
    backwards: bool = False  # also from where an object is given first back to the first frame
    corrections_replace: bool = True  # a mask given anew replaces all that was remembered of its object

    @field_validator("checkpoint")
    @classmethod
    def _is_no_option(cls, text: str) -> str:
        if text.startswith("-") or not text.isprintable():
            raise ValueError("the name of a checkpoint is one printable line and begins with no dash")
        return text

    def weights(self) -> Path:
        """The file of the checkpoint; one on a hub is downloaded. A HodorError says that there is none."""
        return locate_existing(self.checkpoint, checkpoints_folder())

    def weights_written(self) -> int | None:
        """When that file was written, in nanoseconds; None where there is none here, or where the name can't be a file's."""
        try:
            return None if is_hub_name(self.checkpoint) else self.weights().stat().st_mtime_ns
        except (HodorError, OSError):  # a run says it
            return None


class Record(BaseModel):
    """What stands in page/session.json."""

    title: str  # for people
    source: str  # the video as `hodor track` is given it: an absolute path, or one relative to the session's folder
    frames: int  # how many it has; containers may err
    height: int
    width: int
    rate: float  # frames per second
    made: float  # seconds since 1970
    names: dict[int, str] = {}  # of the objects, by id
    settings: Settings  # for the next run
    options: dict[str, Any] = {}  # others of `hodor track` that a terminal has begun the run with, {name: value}
    followed_with: dict[str, Any] = {}  # what the last run was begun with; {} before the first one
    told: str = ""  # tells that run's inputs from those of a later one in a terminal, see `TrackingFolder.told`
    camera: bool = False  # whether it is a camera's first picture, which no others have followed yet

    @property
    def selection(self) -> Selection:
        """Which frames of the source are those of the session; they count as in the source."""
        return selection_of(self.options)

    @property
    def last(self) -> int:
        """Index of the last frame."""
        return self.selection.start + (self.frames - 1) * self.selection.stride


def new_record(title: str, source: str, video: FrameSource, settings: Settings, **more: Any) -> Record:
    """The record of a session that begins, whose frames are those of `video`; `more` are fields of it.

    Raises:
        HodorError: the video is broken.
    """
    reader = FrameReader(video)
    height, width = reader.pixels(video.selection.start).shape[:2]
    return Record(**{
        "title": title[:MAX_NAME], "source": source, "frames": reader.count(), "height": height, "width": width,
        "rate": video.rate, "made": time.time(), "settings": settings, "names": {1: "Object 1"}, **more,
    })  # fmt: skip


def write_record(folder: Path, record: Record) -> None:
    """Writes the record of a session; complete or absent."""
    with written_aside(folder / PAGE / RECORD) as aside:
        aside.write_text(record.model_dump_json(indent=1), encoding="utf-8")


def read_record(folder: Path) -> Record:
    """Reads what `write_record` wrote.

    Raises:
        HodorError: it is broken.
    """
    path = folder / PAGE / RECORD
    try:
        return Record.model_validate_json(path.read_bytes())
    except ValidationError:
        raise HodorError(f"{path}: broken; remove the session's folder") from None

"""Sessions: a folder of `hodor track` for each video that was opened, with what the page keeps of its own below `page/`.

page/session.json          title, source, names of objects, settings, other options of `hodor track`
page/painted/<frame>.png   masks as they are painted; they become `given/` when the network follows them
page/video.*               the video, if it was uploaded; any other stays where it is
page/frames/, page/found/  a camera's pictures, and what is found in them until the recording is over
"""

import functools
import hashlib
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from hodor.app.frames import FrameReader
from hodor.app.records import MAX_ID, RECORD, Record, Settings, write_record
from hodor.app.refusals import RefusalError
from hodor.checkpoints.hub import is_hub_name
from hodor.checkpoints.weights import locate_existing
from hodor.errors import HodorError
from hodor.formats.label_maps import present_ids, read_label_map, write_label_map
from hodor.media.drawing import object_palette
from hodor.media.sources import FrameSource
from hodor.tracking.confidences import Row
from hodor.tracking.folder import GIVEN, PAGE, TrackingFolder
from hodor.tracking.inputs import source_of
from hodor.workspace import checkpoints_folder

PAINTED = "painted"
_NOTHING = "none"


class Session:
    """One video, what was painted in it, and what was found. May be used by several threads.

    Attributes:
        folder: of the session.
        record: what the page keeps.
        tracking: what a run keeps.
        is_busy: whether a run of this server is under way.
    """

    def __init__(self, folder: Path) -> None:
        """Reads what the page kept.

        Raises:
            HodorError: that is broken.
        """
        self.folder = folder
        self.tracking = TrackingFolder(folder)
        self.lock = threading.RLock()
        self.is_busy = False
        self.painted_folder = folder / PAGE / PAINTED
        path = folder / PAGE / RECORD
        try:
            self.record = Record.model_validate_json(path.read_bytes())
        except ValidationError:
            raise HodorError(f"{path}: broken; remove the session's folder") from None
        self._reader: FrameReader | None = None

    @property
    def source(self) -> str:
        """The video as `hodor track` is given it."""
        return str(self.folder / self.record.source)

    @property
    def reader(self) -> FrameReader:
        """Its frames.

        Raises:
            HodorError: the video is gone, or broken.
        """
        with self.lock:
            if self._reader is None:
                self._reader = FrameReader(self.open())
            return self._reader

    def open(self) -> FrameSource:
        """Its video once more.

        Raises:
            HodorError: the video is gone, or broken.
        """
        return source_of(self.source, self.record.options)

    def close_video(self) -> None:
        """Lets the reader go; the next one who needs it opens the video again."""
        with self.lock:
            self._reader = None

    def change(self, **changes: Any) -> None:
        """Changes fields of the record, on the disk too."""
        with self.lock:
            self._check_there()
            record = self.record.model_copy(update=changes)
            write_record(self.folder, record)
            self.record = record

    def add_object(self, name: str) -> int:
        """Makes an object with the first free id under which nothing was found, as of an object that was removed.

        Raises:
            RefusalError: there are 254 already.
        """
        with self.lock:
            free = [each for each in range(1, MAX_ID + 1) if each not in self.record.names]
            if not free:
                raise RefusalError(422, f"there are {MAX_ID} objects, which are the most; remove one first")
            found = {row.object_id for row in self.rows()}
            object_id = min(free, key=lambda each: (each in found, each))
            self.change(names={**self.record.names, object_id: name or f"Object {object_id}"})
            return object_id

    def know_object(self, object_id: int) -> None:
        """Makes an object with this id, unless it is there."""
        with self.lock:
            if 1 <= object_id <= MAX_ID and object_id not in self.record.names:
                self.change(names={**self.record.names, object_id: f"Object {object_id}"})

    def rename_object(self, object_id: int, name: str) -> None:
        """Gives an object another name."""
        with self.lock:
            self._check_known([object_id])
            self.change(names={**self.record.names, object_id: name})

    def remove_object(self, object_id: int) -> None:
        """Removes an object and all that was painted of it."""
        with self.lock:
            self._check_known([object_id])
            for index in self.painted_frames():
                labels = self.painted(index)
                if labels is not None and (labels == object_id).any():
                    self._write_painted(index, np.where(labels == object_id, np.uint8(0), labels))
            self.change(names={each: name for each, name in self.record.names.items() if each != object_id})

    def painted_frames(self) -> dict[int, str]:
        """{index of a frame with painted masks: what tells this version of them from others}."""
        with self.lock:
            paths = sorted(self.painted_folder.glob("[!.]*.png"), key=lambda path: int(path.stem))
            return {int(path.stem): _version(path) for path in paths}

    def painted_ids(self) -> set[int]:
        """Ids of the objects that are painted in some frame."""
        with self.lock:
            versions = self.painted_frames()
            return {each for index, version in versions.items() for each in _ids(self._painted_path(index), version)}

    def painted(self, index: int) -> np.ndarray | None:
        """The label map [H, W] uint8 that is painted in a frame; None where there is none."""
        with self.lock:
            path = self._painted_path(index)
            return read_label_map(path) if path.is_file() else None

    def version(self, index: int) -> str:
        """What tells a version of a frame's painted masks from others."""
        with self.lock:
            return _version(self._painted_path(index))

    def paint(self, index: int, labels: np.ndarray, before: str) -> str:
        """Keeps what is painted in a frame; a frame without any object is one without masks.

        Args:
            index: of the frame.
            labels: [H, W] uint8.
            before: the version that was changed.

        Returns:
            The version that is kept now.

        Raises:
            RefusalError: another page has changed the frame meanwhile; or the labels don't fit.
        """
        with self.lock:
            self.check_frame(index)
            if labels.shape != (self.record.height, self.record.width):
                raise RefusalError(422, f"the mask has {labels.shape[1]}x{labels.shape[0]} pixels, but the frames have "
                                        f"{self.record.width}x{self.record.height}")  # fmt: skip
            self._check_known(present_ids(labels))
            if before != self.version(index):
                raise RefusalError(409, f"frame {index} was painted in another tab meanwhile; this one shows it now")
            self._write_painted(index, labels)
            return self.version(index)

    def name_of(self, index: int) -> str:
        """What `hodor track` calls a frame; its index where the video is gone."""
        try:
            return self.reader.source.name_of(index)
        except (HodorError, IndexError):
            return str(index)

    def check_frame(self, index: int) -> None:
        """Raises a RefusalError if there is no such frame."""
        if not self.record.selection.holds(index) or index > self.record.last:
            raise RefusalError(404, f"the video has no frame {index}; its last is {self.record.last}")

    def is_changed(self) -> bool:
        """Whether masks or settings are no longer those that were followed last."""
        with self.lock:
            given = {path.stem: path.read_bytes() for path in (self.folder / GIVEN).glob("[!.]*.png")}
            painted = {path.stem: path.read_bytes() for path in self.painted_folder.glob("[!.]*.png")}
            return given != painted or self.record.followed_with != self.basis()

    def keep_pictures(self, rate: float | None = None) -> None:
        """Where more than a camera's first picture came, they become a video like any other.

        Args:
            rate: at which they came, in pictures per second; None, as after a killed server, takes it from their files.
        """
        written = [path.stat().st_mtime for path in sorted(Path(self.source).glob("*.jpg"))]
        if len(written) < 2:
            return
        if rate is None:  # the first picture was painted for long before the second came
            rate = max(len(written) - 2, 1) / max(written[-1] - written[1], 1)
        rate = round(max(rate, 0.1), 3)
        self.change(frames=len(written), rate=rate, options={**self.record.options, "rate": rate}, camera=False)
        self.close_video()

    def basis(self, settings: Settings | None = None) -> Mapping[str, Any]:
        """What a run is begun with, by the settings of the next one or by others; results of another can't be gone on from."""
        settings, options = settings or self.record.settings, self.record.options
        others = {"options": options} if options else {}
        return {"source": self.source, "weights_written": _written(settings.checkpoint), **settings.model_dump(), **others}

    def found(self, index: int) -> np.ndarray | None:
        """The label map [H, W] uint8 that was found in a frame; None where there is none."""
        self.check_frame(index)
        return self.tracking.forwards.mask(self.name_of(index))

    def rows(self) -> list[Row]:
        """How sure the network was, in the frames whose masks are there."""
        there = {path.stem for path in self.tracking.forwards.masks.glob("*.png")}
        return [row for row in self.tracking.forwards.rows() if row.name in there]

    def _check_known(self, ids: list[int]) -> None:
        unknown = [each for each in ids if each not in self.record.names]
        if unknown:
            raise RefusalError(422, f"there is no object {unknown[0]}; it may have been removed in another tab")

    def _painted_path(self, index: int) -> Path:
        return self.painted_folder / f"{index:d}.png"

    def _check_there(self) -> None:
        if not self.folder.is_dir():
            raise RefusalError(404, "the session was removed")

    def _write_painted(self, index: int, labels: np.ndarray) -> None:
        self._check_there()
        if labels.any():
            write_label_map(self._painted_path(index), labels, object_palette())
        else:
            self._painted_path(index).unlink(missing_ok=True)


def _written(checkpoint: str) -> int | None:
    """When a checkpoint was written, in nanoseconds; None where there is none here, or where its name can't be a file's."""
    if is_hub_name(checkpoint):
        return None
    try:
        return locate_existing(checkpoint, checkpoints_folder()).stat().st_mtime_ns
    except (HodorError, OSError):  # a run says it
        return None


@functools.lru_cache(maxsize=4096)
def _ids(path: Path, version: str) -> list[int]:
    return present_ids(read_label_map(path))


def _version(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.is_file() else _NOTHING

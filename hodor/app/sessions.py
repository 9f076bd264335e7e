"""Sessions: a folder of `hodor track` for each video that was opened, with what the page keeps of its own below `page/`.

page/session.json          title, source, names of objects, settings, other options of `hodor track`
page/painted/<frame>.png   masks as they are painted; they become `given/` when the network follows them
page/video.*               the video, if it was uploaded; any other stays where it is
page/frames/, page/found/  a camera's pictures, and what is found in them until the recording is over
"""

import functools
import hashlib
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from hodor.app.frames import FrameReader
from hodor.app.progress import Progress
from hodor.app.records import MAX_ID, Settings, read_record, write_record
from hodor.app.refusals import RefusalError
from hodor.errors import HodorError
from hodor.formats.label_maps import present_ids, read_label_map, write_label_map
from hodor.media.drawing import object_palette
from hodor.media.sources import FrameSource
from hodor.tracking.confidences import Row
from hodor.tracking.folder import GIVEN, PAGE, TrackingFolder
from hodor.tracking.inputs import source_of

PAINTED = "painted"


class Session:
    """One video, what was painted in it, and what was found. May be used by several threads.

    What a page can't have is a RefusalError; a video or a mask that is gone or broken is a HodorError.
    """

    def __init__(self, folder: Path) -> None:
        """Reads what the page kept."""
        self.folder = folder
        self.record = read_record(folder)  # what the page keeps
        self.tracking = TrackingFolder(folder)  # what a run keeps
        self.painted_folder = folder / PAGE / PAINTED
        self.progress: Progress | None = None  # of the last run since the server began
        self.lock = threading.RLock()  # held while files of the page are looked at or written
        self._reader: FrameReader | None = None

    @property
    def source(self) -> str:
        """The video as `hodor track` is given it."""
        return str(self.folder / self.record.source)

    def open(self) -> FrameSource:
        """Its video once more."""
        return source_of(self.source, self.record.options)

    @property
    def reader(self) -> FrameReader:
        """Its frames."""
        with self.lock:
            reader = self._reader = self._reader or FrameReader(self.open())
            return reader

    def close_video(self) -> None:
        """Lets the reader go; the next one who needs it opens the video again."""
        self._reader = None  # without the lock, for which all other sessions would have to wait

    def change(self, **changes: Any) -> None:
        """Changes fields of the record, on the disk too."""
        with self.lock:
            self._check_there()
            record = self.record.model_copy(update=changes)
            write_record(self.folder, record)
            self.record = record

    def cancel(self) -> None:
        """Stops its run, if there is one, after the frame it is at. What was found is kept."""
        if self.progress is not None:
            self.progress.is_cancelled = True

    def add_object(self, name: str) -> int:
        """Makes an object with the first free id under which nothing was found, as of an object that was removed."""
        with self.lock:
            free = [each for each in range(1, MAX_ID + 1) if each not in self.record.names]
            if not free:
                raise RefusalError(422, f"there are {MAX_ID} objects, which are the most; remove one first")
            found = {row.object_id for row in self.rows()}
            object_id = min(free, key=lambda each: (each in found, each))
            self._name({object_id: name})
            return object_id

    def know_objects(self, ids: Iterable[int]) -> None:
        """Makes objects with these ids, where they aren't there."""
        with self.lock:
            if new := [each for each in ids if each <= MAX_ID and each not in self.record.names]:
                self._name(dict.fromkeys(new, ""))

    def rename_object(self, object_id: int, name: str) -> None:
        """Gives an object another name, that of its number if it is empty."""
        with self.lock:
            self._check_known([object_id])
            self._name({object_id: name})

    def remove_object(self, object_id: int) -> None:
        """Removes an object and all that was painted of it."""
        with self.lock:
            self._check_known([object_id])
            for index in self.painted_files():
                labels = self.painted(index)
                if labels is not None and (labels == object_id).any():
                    self._write_painted(index, np.where(labels == object_id, np.uint8(0), labels))
            self.change(names={each: name for each, name in self.record.names.items() if each != object_id})

    def painted_files(self) -> dict[int, bytes]:
        """{index of a frame: PNG of the masks that are painted in it}, ascending."""
        with self.lock:
            return mask_files(self.painted_folder)

    def painted_ids(self) -> set[int]:
        """Ids of the objects that are painted in some frame."""
        with self.lock:
            files = self.painted_files().items()
            return {each for index, content in files for each in _ids(self._painted_path(index), version_of(content))}

    def painted(self, index: int) -> np.ndarray | None:
        """The label map [H, W] uint8 that is painted in a frame; None where there is none."""
        with self.lock:
            path = self._painted_path(index)
            return read_label_map(path) if path.is_file() else None

    def version(self, index: int) -> str:
        """What tells a version of a frame's painted masks from others."""
        with self.lock:
            path = self._painted_path(index)
            return version_of(path.read_bytes() if path.is_file() else None)

    def paint(self, index: int, labels: np.ndarray, before: str) -> str:
        """Keeps the label map [H, W] uint8 that is painted in a frame now; one without any object is none.

        It was made from the version `before`; if another page has painted meanwhile it is refused. Returns its own version.
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
        """Refuses a frame that is not there."""
        if not self.record.selection.holds(index) or index > self.record.last:
            raise RefusalError(404, f"the video has no frame {index}; its last is {self.record.last}")

    def is_changed(self) -> bool:
        """Whether masks or settings are no longer those that were followed last."""
        with self.lock:
            return mask_files(self.folder / GIVEN) != self.painted_files() or self.record.followed_with != self.basis()

    def basis(self, settings: Settings | None = None) -> dict[str, Any]:
        """What a run is begun with, by the settings of the next one or by others; results of another can't be gone on from."""
        settings, options = settings or self.record.settings, self.record.options
        others = {"options": options} if options else {}
        return {"source": self.source, "weights_written": settings.weights_written(), **settings.model_dump(), **others}

    def keep_pictures(self, rate: float | None = None) -> None:
        """Where more than a camera's first picture came, they become a video like any other.

        `rate` is that at which they came, per second; None, as after a killed server, takes it from their files.
        """
        written = [path.stat().st_mtime for path in sorted(Path(self.source).glob("*.jpg"))]
        if len(written) < 2:
            return
        if rate is None:  # the first picture was painted for long before the second came
            rate = max(len(written) - 2, 1) / max(written[-1] - written[1], 1)
        rate = round(max(rate, 0.1), 3)
        self.change(frames=len(written), rate=rate, options={**self.record.options, "rate": rate}, camera=False)
        self.close_video()

    def found(self, index: int) -> np.ndarray | None:
        """The label map [H, W] uint8 that was found in a frame; None where there is none."""
        self.check_frame(index)
        return self.tracking.forwards.mask(self.name_of(index))

    def rows(self) -> list[Row]:
        """How sure the network was, in the frames whose masks are there."""
        there = {path.stem for path in self.tracking.forwards.masks.glob("*.png")}
        return [row for row in self.tracking.forwards.rows() if row.name in there]

    def _name(self, names: dict[int, str]) -> None:
        given = {object_id: name or f"Object {object_id}" for object_id, name in names.items()}
        self.change(names=self.record.names | given)

    def _check_known(self, ids: list[int]) -> None:
        unknown = [each for each in ids if each not in self.record.names]
        if unknown:
            raise RefusalError(422, f"there is no object {unknown[0]}; it may have been removed in another tab")

    def _check_there(self) -> None:
        if not self.folder.is_dir():
            raise RefusalError(404, "the session was removed")

    def _painted_path(self, index: int) -> Path:
        return self.painted_folder / f"{index:d}.png"

    def _write_painted(self, index: int, labels: np.ndarray) -> None:
        self._check_there()
        if labels.any():
            write_label_map(self._painted_path(index), labels, object_palette())
        else:
            self._painted_path(index).unlink(missing_ok=True)


def mask_files(folder: Path) -> dict[int, bytes]:
    """{index of a frame: content of <index>.png} of a folder, ascending; hidden files of a system are passed over."""
    return {int(path.stem): path.read_bytes() for path in sorted(folder.glob("[!.]*.png"), key=lambda path: int(path.stem))}


def version_of(mask: bytes | None) -> str:
    """What tells a version of a file from others; None, as there is no file, has one too."""
    return "none" if mask is None else hashlib.sha256(mask).hexdigest()[:16]


@functools.lru_cache(maxsize=4096)
def _ids(path: Path, version: str) -> list[int]:
    return present_ids(read_label_map(path))

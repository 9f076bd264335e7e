"""Where the masks to compare come from: folders of mask files, or a JSON of run-length strings.

Either gives one object per sequence, small enough to be sent to another process, that reads one frame at a time.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from hodor.errors import HodorError
from hodor.files import inside, natural_order
from hodor.formats import run_length
from hodor.formats.label_maps import read_label_map

_WHITE = {"1": 1, "L": 255, "LA": 255, "P": 255, "RGB": 9, "RGBA": 9}  # what `read_label_map` makes of white, by image mode
_SUFFIX = ".png"


class SequenceMasks(Protocol):
    """The label maps of one sequence.

    Attributes:
        sequence: its name.
        frames: names of its annotated frames in order, without suffix.
    """

    @property
    def sequence(self) -> str: ...

    @property
    def frames(self) -> tuple[str, ...]: ...

    def place(self, frame: str) -> str:
        """Where a frame's masks stand, for messages."""

    def read(self, frame: str, *, binary: bool = False) -> np.ndarray:
        """A frame's label map `[H, W]` uint8.

        Args:
            frame: its name.
            binary: whatever is not black belongs to object 1.

        Raises:
            HodorError: the frame is missing or broken.
        """

    def is_white_only(self, frame: str, labels: np.ndarray) -> bool:
        """Whether `labels`, read from this frame, came from a file that shows white on black: something, but no ids."""


@dataclass(frozen=True)
class FolderMasks:
    """Masks as files `<folder>/<frame>.png`, which are opened when they are read."""

    sequence: str
    folder: Path
    frames: tuple[str, ...]

    def place(self, frame: str) -> str:
        """The file of a frame's masks, for messages."""
        return str(self.folder / f"{frame}{_SUFFIX}")

    def read(self, frame: str, *, binary: bool = False) -> np.ndarray:
        """A frame's label map `[H, W]` uint8; with `binary` whatever is not black is 1, otherwise values are object ids.

        Raises:
            HodorError: the file is missing or broken.
        """
        path = Path(self.place(frame))
        if not path.is_file():
            raise HodorError(f"{path}: no such file; sequence {self.sequence!r} needs a mask of frame {frame}")
        return read_label_map(path, binary=binary)

    def is_white_only(self, frame: str, labels: np.ndarray) -> bool:
        """Whether `labels`, read from this frame, came from a file that shows white on black: something, but no ids."""
        present = present_ids(labels)
        with Image.open(self.place(frame)) as picture:
            return present == [_WHITE.get(picture.mode)]


@dataclass(frozen=True)
class RunLengthMasks:
    """Masks as run-length strings.

    Attributes:
        file: the JSON they come from.
        height, width: size of every frame.
        tracks: per frame {object id (1..254): run-length string}; where objects overlap the later one wins.
        categories: {object id: category}; empty if unknown.
    """

    sequence: str
    file: Path
    frames: tuple[str, ...]
    height: int
    width: int
    tracks: tuple[dict[int, str], ...]
    categories: dict[int, str]

    def place(self, frame: str) -> str:
        """File, sequence and frame, for messages."""
        return f"{self.file}: sequence {self.sequence!r}, frame {frame}"

    def read(self, frame: str, *, binary: bool = False) -> np.ndarray:
        """A frame's label map `[height, width]` uint8 of object ids; with `binary` every object is 1.

        Raises:
            HodorError: there is no such frame, or a string is no mask of this size.
        """
        if frame not in self.frames:
            raise HodorError(f"{self.file}: sequence {self.sequence!r} needs masks of frame {frame}, which it lacks")
        labels = np.zeros((self.height, self.width), dtype=np.uint8)
        for object_id, text in self.tracks[self.frames.index(frame)].items():
            try:
                mask = run_length.decode(text, self.height, self.width)
            except ValueError as error:
                raise HodorError(f"{self.place(frame)}, object {object_id}, key 'seg': {error}") from None
            labels[mask] = 1 if binary else object_id
        return labels

    def is_white_only(self, frame: str, labels: np.ndarray) -> bool:
        """Always False: run-length strings belong to ids."""
        return False


def present_ids(labels: np.ndarray) -> list[int]:
    """All values of a label map `[H, W]` uint8 except 0, in order."""
    ids: list[int] = np.flatnonzero(np.bincount(labels.ravel(), minlength=256)).tolist()
    return [value for value in ids if value]


def folder_sequences(folder: Path) -> dict[str, FolderMasks]:
    """All sequences of a folder `<sequence>/<frame>.png`, in natural order. Anything else in it is passed over.

    Raises:
        HodorError: it is no folder.
    """
    if not folder.is_dir():
        raise HodorError(f"{folder}: no such folder; it must hold <sequence>/<frame>{_SUFFIX}")
    names = [entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")]
    sequences = {}
    for name in sorted(names, key=natural_order):
        frames = [path.stem for path in (folder / name).glob(f"*{_SUFFIX}") if not path.name.startswith(".") and path.is_file()]
        if frames:
            sequences[name] = FolderMasks(name, folder / name, tuple(sorted(frames, key=natural_order)))
    return sequences


def folder_sequence(folder: Path, name: str) -> FolderMasks | None:
    """The sequence of this name in a folder of results, without looking at its files; None if it isn't there."""
    place = inside(folder, name, "the name of a sequence")
    return FolderMasks(name, place, ()) if place.is_dir() else None

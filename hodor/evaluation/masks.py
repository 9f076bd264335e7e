"""Where the masks to compare come from: folders of mask files, or the JSON of videos whose every frame is annotated.

Either gives one object per sequence, small enough to be sent to another process, that reads one frame at a time.

    {"meta"?: {"category_labels"?: {"1": "person", ...}},
     "sequences": [{"id", "height", "width", "image_paths": [...], "categories"?: {"<object>": category},
                    "tracks": [per frame {"<object>": {"seg": run-length string, ...}}]}]}

Further keys of the JSON are ignored.
"""

import logging
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from hodor.errors import HodorError
from hodor.files import inside, natural_order
from hodor.formats import run_length
from hodor.formats.json_files import JsonValue, read_json
from hodor.formats.label_maps import is_white_only, present_ids, read_label_map
from hodor.media.images import MAX_PIXELS

_SUFFIX = ".png"
_NO_TEXT = re.compile("[\ud800-\udfff]")  # what Python makes of bytes in the name of a file that are no UTF-8
_MAX_OBJECT_ID = 254  # 255 is void in label maps
_MAX_DIGITS = 9


@dataclass(frozen=True)
class SequenceMasks(ABC):
    """The label maps of one sequence.

    Attributes:
        sequence: its name.
        frames: names of its annotated frames in order, without suffix.
    """

    sequence: str
    frames: tuple[str, ...]

    @abstractmethod
    def place(self, frame: str) -> str:
        """Where a frame's masks stand, for messages."""

    @abstractmethod
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
        return False


@dataclass(frozen=True)
class FolderMasks(SequenceMasks):
    """Masks as files `<folder>/<frame>.png`, which are opened when they are read."""

    folder: Path

    def place(self, frame: str) -> str:
        """See `SequenceMasks.place`."""
        return str(self.folder / f"{frame}{_SUFFIX}")

    def read(self, frame: str, *, binary: bool = False) -> np.ndarray:
        """See `SequenceMasks.read`."""
        path = Path(self.place(frame))
        if not path.is_file():
            raise HodorError(f"{path}: no such file; sequence {self.sequence!r} needs a mask of frame {frame}")
        return read_label_map(path, binary=binary)

    def is_white_only(self, frame: str, labels: np.ndarray) -> bool:
        """See `SequenceMasks.is_white_only`."""
        return is_white_only(present_ids(labels), Path(self.place(frame)))


@dataclass(frozen=True)
class RunLengthMasks(SequenceMasks):
    """Masks as run-length strings, which belong to object ids.

    Attributes:
        file: the JSON they come from.
        height, width: size of every frame.
        tracks: per frame {object id (1..254): run-length string}; where objects overlap the later one wins.
        categories: {object id: category}; empty if unknown.
    """

    file: Path
    height: int
    width: int
    tracks: tuple[dict[int, str], ...]
    categories: dict[int, str]

    def place(self, frame: str) -> str:
        """See `SequenceMasks.place`."""
        return f"{self.file}: sequence {self.sequence!r}, frame {frame}"

    def read(self, frame: str, *, binary: bool = False) -> np.ndarray:
        """See `SequenceMasks.read`."""
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


def folder_sequences(folder: Path) -> dict[str, FolderMasks]:
    """All sequences of a folder `<sequence>/<frame>.png`, in natural order. Anything else in it is passed over.

    A sequence that couldn't be named in a report, because a name in it is no UTF-8, is left out with a warning.

    Raises:
        HodorError: it is no folder.
    """
    if not folder.is_dir():
        raise HodorError(f"{folder}: no such folder; it must hold <sequence>/<frame>{_SUFFIX}")
    names = [entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")]
    sequences = {}
    for name in sorted(names, key=natural_order):
        frames = [path.stem for path in (folder / name).glob(f"*{_SUFFIX}") if not path.name.startswith(".") and path.is_file()]
        unreadable = next((each for each in (name, *frames) if _NO_TEXT.search(each)), None)
        if unreadable is not None and frames:
            logging.warning("%s: %a is no name in UTF-8: sequence %a is left out; rename it", folder, unreadable, name)
        elif frames:
            sequences[name] = FolderMasks(name, tuple(sorted(frames, key=natural_order)), folder / name)
    return sequences


def folder_sequence(folder: Path, name: str) -> FolderMasks | None:
    """The sequence of this name in a folder of results, without looking at its files; None if it isn't there."""
    place = inside(folder, name, "the name of a sequence")
    return FolderMasks(name, (), place) if place.is_dir() else None


def read_run_length_file(path: Path) -> dict[str, RunLengthMasks]:
    """Reads a file of annotated videos: {name: sequence}, in the file's order.

    Raises:
        HodorError: the file is missing, is no JSON, or lacks something; the message names sequence and key.
    """
    content = read_json(path, broken="write it again")
    meta = content.optional("meta")
    labels = None if meta is None else meta.optional("category_labels")
    names = {} if labels is None else {key: str(label.content) for key, label in labels.entries().items()}
    sequences: dict[str, RunLengthMasks] = {}
    for index, value in enumerate(content.get("sequences").items()):
        name = JsonValue(value.content, f"{path}: sequence number {index + 1}").get("id").text()
        if name in sequences:
            raise HodorError(f"{path}: sequence {name!r} stands in it twice")
        sequences[name] = _run_length_masks(name, JsonValue(value.content, f"{path}: sequence {name!r}"), path, names)
    return sequences


def _run_length_masks(name: str, value: JsonValue, path: Path, labels: Mapping[str, str]) -> RunLengthMasks:
    where = value.where
    inside(Path(), name, f"{where}, key 'id'")
    if not name.isprintable():
        raise HodorError(f"{where}, key 'id': {name!r} holds characters that can't be printed; rename it")
    height, width = (_whole_number(value, key) for key in ("height", "width"))
    if height < 1 or width < 1 or height * width > MAX_PIXELS:
        raise HodorError(f"{where}: key 'height' or 'width': {height} x {width} is no size of a frame")
    frames = tuple(PurePosixPath(image_path).stem for image_path in value.get("image_paths").texts())
    if not frames:
        raise HodorError(f"{where}: key 'image_paths': the sequence has no frames")
    if len(set(frames)) != len(frames):
        raise HodorError(f"{where}: key 'image_paths': two frames have the same name")
    tracks = value.get("tracks").items()
    if len(tracks) != len(frames):
        raise HodorError(f"{where}: key 'tracks' has {len(tracks)} frames, but 'image_paths' has {len(frames)}")
    masks = []
    for frame, track in zip(frames, tracks, strict=True):
        entries = _by_object(JsonValue(track.content, f"{where}: key 'tracks', frame {frame}"))
        masks.append({object_id: entry.get("seg").text() for object_id, entry in entries.items()})
    given = value.optional("categories")
    numbers = {} if given is None else _by_object(given)
    categories = {object_id: labels.get(str(number.content), str(number.content)) for object_id, number in numbers.items()}
    return RunLengthMasks(name, frames, path, height, width, tuple(masks), categories)


def _whole_number(value: JsonValue, key: str) -> int:
    number = value.get(key).content
    if not isinstance(number, int) or isinstance(number, bool):
        raise HodorError(f"{value.where}: key {key!r}: expected a whole number, found {type(number).__name__}")
    return number


def _by_object(value: JsonValue) -> dict[int, JsonValue]:
    """The entries of a JSON object whose keys are object ids."""
    entries: dict[int, JsonValue] = {}
    for key, entry in value.entries().items():
        if not (key.isascii() and key.isdigit() and len(key) <= _MAX_DIGITS and 1 <= int(key) <= _MAX_OBJECT_ID):
            raise HodorError(f"{value.where}: {key[:_MAX_DIGITS]!r} is no object id (1..{_MAX_OBJECT_ID})")
        entries[int(key)] = JsonValue(entry.content, f"{value.where}, object {key!r}")
    return entries

"""The JSON of training data: images, or the frames of videos, with the masks of the objects in them.

    {"meta"?: {...},
     "images": [{"image_path": "000000000009.jpg",             relative to the data set's image folder
                 "height": 480, "width": 640,
                 "segmentations": ["run-length string", ...],  one for each object
                 "areas"?: [n, ...], "bboxes"?: [[x, y, w, h], ...],
                 "iscrowd"?: [0, ...], "ignore"?: [0, ...]}]}

    {"meta"?: {...},
     "sequences": [{"id": "bear", "height": 480, "width": 854,
                    "image_paths": ["bear/00000.jpg", ...],      relative to the data set's image folder
                    "tracks": [{"1": {"seg": "run-length string", "box"?: [x, y, w, h], "area"?: n}}, ...]}]}   one per frame

Further keys are ignored. Files are read record by record: their size doesn't matter. Images stay files and masks stay text
until a sample is made; what is known of all of them is kept in a few arrays.
"""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, TypeAlias

import numpy as np

from hodor.errors import HodorError
from hodor.files import inside
from hodor.formats import run_length
from hodor.formats.json_files import JsonValue, walk
from hodor.media.boxes import bounding_box
from hodor.media.images import MAX_PIXELS

_MAX_OBJECT_ID = 999_999_999
_UNPAIRED = "surrogatepass"  # what to do with halves of surrogate pairs, which JSON can spell
_REFUSALS = {
    "images": "holds images, not videos; train on it with TRAINING.MODE static_image",
    "sequences": "holds videos, not images; train on it with TRAINING.MODE dense_video or sparse_video",
}


class TextTable:
    """A list of strings that is two objects to Python, so that forked processes share its memory."""

    def __init__(self) -> None:
        self._content = bytearray()
        self._ends = array("q")  # the offset behind each string's last byte

    def append(self, text: str) -> None:
        """Adds a string."""
        self._content += text.encode("utf-8", _UNPAIRED)
        self._ends.append(len(self._content))

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: int) -> str:
        start = self._ends[index - 1] if index else 0
        return self._content[start : self._ends[index]].decode("utf-8", _UNPAIRED)


@dataclass(frozen=True, eq=False)
class MaskTable:
    """M masks in F frames, which loading processes share."""

    starts: np.ndarray  # [F + 1] int64; frame f has the rows starts[f] .. starts[f + 1] - 1
    object_ids: np.ndarray  # [M] int32, ascending in a frame
    texts: TextTable  # M run-length strings
    areas: np.ndarray  # [M] float64, in pixels
    boxes: np.ndarray  # [M, 4] float32, x, y, width, height in pixels

    def rows(self, frame: int) -> np.ndarray:
        """The rows of one frame."""
        return np.arange(self.starts[frame], self.starts[frame + 1])

    def count(self, chosen: np.ndarray) -> np.ndarray:
        """How many of the chosen rows (`[M]` bool) each frame has, `[F]` int64."""
        before = np.concatenate([[0], np.cumsum(chosen, dtype=np.int64)])
        return before[self.starts[1:]] - before[self.starts[:-1]]

    def larger_than(self, area: float, side: float, *, or_equal: bool = False) -> np.ndarray:
        """Which objects have more pixels than `area` and a box whose shorter side is longer than `side` pixels, `[M]` bool.

        With `or_equal` exactly as many will do as well; empty masks never do.
        """
        sides = self.boxes[:, 2:].min(axis=1)
        if or_equal:
            return (self.areas >= area) & (sides >= side) & (self.areas > 0)
        return (self.areas > area) & (sides > side)

    def decode(self, row: int, height: int, width: int, where: str) -> np.ndarray:
        """A mask as `[height, width]` bool.

        Raises:
            HodorError: its string is broken or has another size; `where` names file and image.
        """
        return run_length.decode_at(f"{where}, object {self.object_ids[row]}", self.texts[row], height, width)


@dataclass(frozen=True, eq=False)
class AnnotatedSequences:
    """S sequences in a few arrays, where images are sequences of one frame; their F frames are numbered through all of them."""

    source: Path  # the JSON file, for messages
    folder: Path  # what the paths are relative to
    names: TextTable  # of images, their paths
    starts: np.ndarray  # [S + 1] int32; sequence s has the frames starts[s] .. starts[s + 1] - 1
    heights: np.ndarray  # [S] int32, in pixels
    widths: np.ndarray  # [S] int32, in pixels
    paths: TextTable  # F image files, relative, with forward slashes
    masks: MaskTable  # of the objects in each frame, without crowds and those to ignore

    def __len__(self) -> int:
        return len(self.names)

    def where(self, sequence: int, frame: int) -> str:
        """File and image; or, of a video, file, sequence and frame (numbered through all sequences), for messages."""
        if self.names is self.paths:
            return f"{self.source}: image {self.names[sequence]!r}"
        return f"{self.source}: sequence {self.names[sequence]!r}, frame {PurePosixPath(self.paths[frame]).name}"


_Object: TypeAlias = tuple[int, str, float, Sequence[float]]
"""Id, run-length string, area and box (x, y, width, height) of an object."""
_Frames: TypeAlias = list[tuple[JsonValue, list[_Object]]]
"""Paths of images, with the objects in each."""


def read_training_json(path: Path, folder: Path, key: Literal["images", "sequences"]) -> AnnotatedSequences:
    """Reads a file of training images or of training videos, whose frames lie in a folder.

    Images without objects are left out, and sequences without frames.

    Raises:
        HodorError: the file is missing, is no JSON, holds the other kind, has a value that can't be, or nothing to learn from;
            the message names image or sequence, frame and key.
    """
    names, paths, texts = TextTable(), TextTable(), TextTable()
    sizes, object_ids, areas, boxes = array("i"), array("i"), array("d"), array("f")
    frame_starts, row_starts = array("i", [0]), array("q", [0])
    for name, record in _records(path, key):
        size = read_size(record)
        frames = _image(record, size) if key == "images" else _frames(record, size)
        for image_path, objects in frames:
            inside(folder, image_path.text(), image_path.where)
            paths.append(image_path.text())
            for object_id, text, area, box in objects:
                object_ids.append(object_id)
                texts.append(text)
                areas.append(area)
                boxes.extend(box)
            row_starts.append(len(areas))
        if frames:
            names.append(name)
            sizes.extend(size)
            frame_starts.append(len(paths))
    if not len(names):
        lacking = "image in it has an object" if key == "images" else "sequence in it has a frame"
        raise HodorError(f"{path}: no {lacking} to learn from (key {key!r}); convert the data set again")
    heights, widths = np.array(sizes).reshape(-1, 2).T
    masks = MaskTable(np.array(row_starts), np.array(object_ids), texts, np.array(areas), np.array(boxes).reshape(-1, 4))
    names = paths if key == "images" else names
    return AnnotatedSequences(path, folder, names, np.array(frame_starts), heights, widths, paths, masks)


def read_size(record: JsonValue) -> tuple[int, int]:
    """(height, width) of a record in pixels.

    Raises:
        HodorError: they are no size of an image that can be read.
    """
    height, width = record.get("height").whole_number(), record.get("width").whole_number()
    if height * width > MAX_PIXELS:
        raise HodorError(f"{record.where}, keys 'height' and 'width': no image may have {width}x{height} pixels")
    return height, width


def read_tracks(record: JsonValue, lowest_id: int, highest_id: int) -> list[tuple[JsonValue, dict[int, JsonValue]]]:
    """The image path of each frame of a sequence, and {object id: its mask and what else is said of it} in the file's order.

    Raises:
        HodorError: an id is out of range, a value is of another kind, or one of the frames has no path or no masks.
    """
    paths, tracks = record.get("image_paths").items(), record.get("tracks")
    frames = [frame.numbered(lowest_id, highest_id, "an object id") for frame in tracks.items()]
    if len(frames) != len(paths):
        raise HodorError(f"{tracks.where} has {len(frames)} frames, but 'image_paths' has {len(paths)}")
    return list(zip(paths, frames, strict=True))


def _extent(
    where: str, text: str, area: JsonValue | None, box: JsonValue | None, size: tuple[int, int]
) -> tuple[float, Sequence[float]]:
    """Area and box of an object in an image of a size (height, width), measured where the file doesn't tell them."""
    if area is not None and box is not None:
        return area.number(), box.box()
    mask = run_length.decode_at(where, text, *size)
    pixels = int(np.count_nonzero(mask)) if area is None else area.number()
    return pixels, (bounding_box(mask) or (0, 0, 0, 0)) if box is None else box.box()


def _image(record: JsonValue, size: tuple[int, int]) -> _Frames:
    """An image with its objects; nothing where there are none."""
    segmentations = record.get("segmentations")
    texts = segmentations.texts()
    areas, boxes = (_parallel(record, key, len(texts)) for key in ("areas", "bboxes"))
    crowds, ignored = (_parallel(record, key, len(texts), shared=True) for key in ("iscrowd", "ignore"))
    objects = []
    for index, text in enumerate(texts):
        if not any(mark is not None and mark.content for mark in (crowds[index], ignored[index])):
            where = f"{segmentations.where}[{index}]"
            objects.append((index + 1, text, *_extent(where, text, areas[index], boxes[index], size)))
    return [(record.get("image_path"), objects)] if objects else []


def _parallel(record: JsonValue, key: str, count: int, *, shared: bool = False) -> Sequence[JsonValue | None]:
    """The values under a key, one for each object; the file gives a list, nothing, or one value for all where that may be."""
    given = record.optional(key)
    if given is None or (shared and not isinstance(given.content, list)):
        return [given] * count
    items = given.items()
    if len(items) != count:
        raise HodorError(f"{given.where} has {len(items)} entries, but 'segmentations' has {count}")
    return items


def _frames(record: JsonValue, size: tuple[int, int]) -> _Frames:
    """The frames of a sequence with the objects in each, by their ids."""
    frames = []
    for image_path, tracks in read_tracks(record, 0, _MAX_OBJECT_ID):
        objects = []
        for object_id, track in sorted(tracks.items()):
            mask, area, box = track.get("seg"), track.optional("area"), track.optional("box")
            objects.append((object_id, mask.text(), *_extent(mask.where, mask.text(), area, box, size)))
        frames.append((image_path, objects))
    return frames


def _records(path: Path, key: str) -> Iterator[tuple[str, JsonValue]]:
    """Iterates over the list `key` of a file: (name, record)."""
    if not path.exists():
        raise HodorError(f"{path}: no such file; make it with hodor convert --help")
    what, name_key = ("image", "image_path") if key == "images" else ("sequence", "id")
    for entry in walk(path):
        if entry.key in _REFUSALS and entry.key != key:
            raise HodorError(f"{path}: {_REFUSALS[entry.key]}")
        if entry.key == key:
            if entry.position is None:
                JsonValue(entry.value, f"{path}: key {key!r}").items()  # which complains: it is no list
            yield JsonValue.record(entry.value, path, what, entry.position or 0, name_key)

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
until a sample is made.
"""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

import numpy as np

from hodor.errors import HodorError
from hodor.files import inside
from hodor.formats import run_length
from hodor.formats.json_files import JsonValue, walk
from hodor.formats.mask_table import MaskTable, TextTable
from hodor.media.boxes import bounding_box
from hodor.media.images import MAX_PIXELS

_MAX_OBJECT_ID = 999_999_999
_REFUSALS = {
    "images": "holds images, not videos; train on it with TRAINING.MODE static_image",
    "sequences": "holds videos, not images; train on it with TRAINING.MODE dense_video or sparse_video",
}


@dataclass(frozen=True, eq=False)
class AnnotatedSequences:
    """Sequences in a few arrays, where images are sequences of one frame; frames are numbered through all of them.

    Attributes:
        source: the JSON file, for messages.
        folder: what the paths are relative to.
        names: S sequences; of images, their paths.
        starts: `[S + 1]` int32; sequence s has the frames starts[s] .. starts[s + 1] - 1.
        heights: `[S]` int32, in pixels.
        widths: `[S]` int32, in pixels.
        paths: F image files, relative, with forward slashes.
        masks: group f holds the objects of frame f, without crowds and those to ignore.
    """

    source: Path
    folder: Path
    names: TextTable
    starts: np.ndarray
    heights: np.ndarray
    widths: np.ndarray
    paths: TextTable
    masks: MaskTable

    def __len__(self) -> int:
        return len(self.names)

    def where(self, sequence: int, frame: int) -> str:
        """File and image; or, of a video, file, sequence and frame (numbered through all sequences), for messages."""
        if self.names is self.paths:
            return f"{self.source}: image {self.names[sequence]!r}"
        return f"{self.source}: sequence {self.names[sequence]!r}, frame {PurePosixPath(self.paths[frame]).name}"


class _Object(NamedTuple):
    """A mask as a file gives it; `where` names its place."""

    object_id: int
    text: str
    where: str
    area: JsonValue | None
    box: JsonValue | None


_Frames = Sequence[tuple[JsonValue, list[_Object]]]
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
        frames = _image(record) if key == "images" else _frames(record)
        for image_path, objects in frames:
            inside(folder, image_path.text(), image_path.where)
            paths.append(image_path.text())
            for each in objects:
                area, box = _extent(each, size)
                object_ids.append(each.object_id)
                texts.append(each.text)
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


def _extent(each: _Object, size: tuple[int, int]) -> tuple[float, Sequence[float]]:
    """Area and box (x, y, width, height) in pixels, measured where the file doesn't tell them; `size` is (height, width)."""
    if each.area is not None and each.box is not None:
        return each.area.number(), each.box.box()
    mask = run_length.decode_at(each.where, each.text, *size)
    area = int(np.count_nonzero(mask)) if each.area is None else each.area.number()
    return area, (bounding_box(mask) or (0, 0, 0, 0)) if each.box is None else each.box.box()


def _image(record: JsonValue) -> _Frames:
    """An image with its objects; nothing where there are none."""
    segmentations = record.get("segmentations").items()
    areas, boxes = (_parallel(record, key, len(segmentations)) for key in ("areas", "bboxes"))
    crowds, ignored = (_parallel(record, key, len(segmentations), shared=True) for key in ("iscrowd", "ignore"))
    objects = []
    for index, each in enumerate(segmentations):
        if not any(mark is not None and mark.content for mark in (crowds[index], ignored[index])):
            objects.append(_Object(index + 1, each.text(), each.where, areas[index], boxes[index]))
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


def _frames(record: JsonValue) -> _Frames:
    """The frames of a sequence with the objects in each, by their ids."""
    frames = []
    for image_path, tracks in read_tracks(record, 0, _MAX_OBJECT_ID):
        objects = []
        for object_id, track in sorted(tracks.items()):
            segmentation = track.get("seg")
            text, where = segmentation.text(), segmentation.where
            objects.append(_Object(object_id, text, where, track.optional("area"), track.optional("box")))
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

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

import numpy as np

from hodor.errors import HodorError
from hodor.files import inside
from hodor.formats.json_files import JsonValue, walk
from hodor.formats.mask_table import MaskTable, MaskTableBuilder, TextTable
from hodor.media.images import MAX_PIXELS

_MAX_OBJECT_ID = 999_999_999
_REFUSALS = {
    "images": "holds images, not videos; train on it with TRAINING.MODE static_image",
    "sequences": "holds videos, not images; train on it with TRAINING.MODE dense_video or sparse_video",
}


@dataclass(frozen=True, eq=False)
class _Annotated:
    source: Path
    folder: Path
    paths: TextTable
    heights: np.ndarray
    widths: np.ndarray
    masks: MaskTable


@dataclass(frozen=True, eq=False)
class AnnotatedImages(_Annotated):
    """Images that have at least one object, in a few arrays.

    Attributes:
        source: the JSON file, for messages.
        folder: what the paths are relative to.
        paths: N image files, relative, with forward slashes.
        heights: `[N]` int32, in pixels.
        widths: `[N]` int32, in pixels.
        masks: group i holds the objects of image i, without crowds and those to ignore.
    """

    def __len__(self) -> int:
        return len(self.paths)

    def where(self, index: int) -> str:
        """File and image, for messages."""
        return f"{self.source}: image {self.paths[index]!r}"


@dataclass(frozen=True, eq=False)
class AnnotatedVideos(_Annotated):
    """Sequences in a few arrays; their frames are numbered through all of them. Attributes as of images, and

    Attributes:
        paths: F frames.
        heights: `[S]` int32, in pixels, as are the widths.
        masks: group f holds the objects of frame f.
        names: S sequences.
        starts: `[S + 1]` int64; sequence s has the frames starts[s] .. starts[s + 1] - 1.
    """

    names: TextTable
    starts: np.ndarray

    def __len__(self) -> int:
        return len(self.names)

    @property
    def lengths(self) -> np.ndarray:
        """The number of frames of each sequence, `[S]` int64."""
        return np.diff(self.starts)

    def where(self, sequence: int, frame: int) -> str:
        """File, sequence and frame (numbered through all sequences), for messages."""
        return f"{self.source}: sequence {self.names[sequence]!r}, frame {PurePosixPath(self.paths[frame]).name}"


def read_annotated_images(path: Path, folder: Path) -> AnnotatedImages:
    """Reads a file of training images, which lie in a folder. Images without objects are left out.

    Raises:
        HodorError: the file is missing, is no JSON, has a value that can't be, or no object at all; the message names image
            and key.
    """
    paths, sizes = TextTable(), array("i")
    masks = MaskTableBuilder("image")
    for image_path, value in _records(path, "images", "image", "image_path"):
        inside(folder, image_path, f"{value.where}, key 'image_path'")
        size = _size(value)
        if _add_objects(value, size, masks):
            paths.append(image_path)
            sizes.extend(size)
    if not len(paths):
        raise HodorError(f"{path}: no image in it has an object to learn from (key 'images'); convert the data set again")
    return AnnotatedImages(path, folder, paths, *_sides(sizes), masks.finish())


def _add_objects(value: JsonValue, size: tuple[int, int], masks: MaskTableBuilder) -> int:
    """Adds the objects of an image as a group, unless there is none; returns how many there are."""
    texts = value.get("segmentations").texts()
    areas = [None if area is None else area.number() for area in _parallel(value, "areas", len(texts))]
    boxes = [None if box is None else box.box() for box in _parallel(value, "bboxes", len(texts))]
    marks = [_parallel(value, key, len(texts), shared=True) for key in ("iscrowd", "ignore")]
    kept = [not any(mark is not None and mark.content for mark in each) for each in zip(*marks, strict=True)]
    if not any(kept):
        return 0
    for index, text in enumerate(texts):
        if kept[index]:
            where = f"{value.where}, key 'segmentations'[{index}]"
            masks.add(index + 1, text, areas[index], boxes[index], size, where=where)
    return masks.end_group()


def _parallel(value: JsonValue, key: str, count: int, *, shared: bool = False) -> Sequence[JsonValue | None]:
    """The values under a key, one for each object; the file gives a list, nothing, or one value for all where that may be."""
    given = value.optional(key)
    if given is None or (shared and not isinstance(given.content, list)):
        return [given] * count
    items = given.items()
    if len(items) != count:
        raise HodorError(f"{given.where} has {len(items)} entries, but 'segmentations' has {count}")
    return items


def read_annotated_videos(path: Path, folder: Path) -> AnnotatedVideos:
    """Reads a file of training videos, whose frames lie in a folder.

    Raises:
        HodorError: the file is missing, is no JSON, has a value that can't be, or no sequence at all; the message names
            sequence, frame and key.
    """
    names, paths, sizes, starts = TextTable(), TextTable(), array("i"), array("q", [0])
    masks = MaskTableBuilder("frame")
    for name, value in _records(path, "sequences", "sequence", "id"):
        size = _size(value)
        _add_frames(value, folder, size, paths, masks)
        names.append(name)
        sizes.extend(size)
        starts.append(len(paths))
    if not len(names):
        raise HodorError(f"{path}: no sequence in it (key 'sequences'); convert the data set again")
    return AnnotatedVideos(path, folder, paths, *_sides(sizes), masks.finish(), names, np.array(starts, dtype=np.int64))


def _add_frames(value: JsonValue, folder: Path, size: tuple[int, int], paths: TextTable, masks: MaskTableBuilder) -> None:
    """Adds the frames of a sequence, and the objects of each as a group."""
    image_paths, tracks = value.get("image_paths").texts(), value.get("tracks")
    for image_path in image_paths:
        inside(folder, image_path, f"{value.where}, key 'image_paths'")
        paths.append(image_path)
    frames = tracks.items()
    if len(frames) != len(image_paths):
        raise HodorError(f"{tracks.where} has {len(frames)} frames, but 'image_paths' has {len(image_paths)}")
    for frame in frames:
        for object_id, track in sorted(frame.numbered(0, _MAX_OBJECT_ID, "an object id").items()):
            text, area, box = track.get("seg").text(), track.optional("area"), track.optional("box")
            pixels, sides = None if area is None else area.number(), None if box is None else box.box()
            masks.add(object_id, text, pixels, sides, size, where=f"{track.where}, key 'seg'")
        masks.end_group()


def _records(path: Path, key: str, what: str, name_key: str) -> Iterator[tuple[str, JsonValue]]:
    """Iterates over the list `key` of a file: (name, record); `what` is what messages call a record.

    Raises:
        HodorError: the file is missing, is no JSON, holds the other kind, or a record has no name.
    """
    if not path.exists():
        raise HodorError(f"{path}: no such file; make it with hodor convert --help")
    for found, index, _, _, content in walk(path):
        if found not in _REFUSALS:
            continue
        if found != key:
            raise HodorError(f"{path}: {_REFUSALS[found]}")
        if index is None:
            JsonValue(content, f"{path}: key {key!r}").items()
        name = JsonValue(content, f"{path}: {what} number {(index or 0) + 1}").get(name_key).text()
        yield name, JsonValue(content, f"{path}: {what} {name!r}")


def _size(value: JsonValue) -> tuple[int, int]:
    """(height, width) of a record, as large as images that can be read."""
    height, width = value.get("height").whole_number(), value.get("width").whole_number()
    if height * width > MAX_PIXELS:
        raise HodorError(f"{value.where}, keys 'height' and 'width': no image may have {width}x{height} pixels")
    return height, width


def _sides(sizes: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Heights and widths, `[N]` int32 each, of sizes one after the other."""
    sides = np.array(sizes, dtype=np.int32).reshape(-1, 2)
    return sides[:, 0], sides[:, 1]

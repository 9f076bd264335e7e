"""COCO's instances_*.json as an index: where in the file each image's entry and its objects' entries lie.

The index takes about 50 bytes for each entry, the entries themselves (500 MB for COCO 2017) stay on disk.
"""

import logging
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from tqdm import tqdm

from hodor.errors import HodorError
from hodor.files import inside
from hodor.formats.json_stream import Entry, read_entry, walk

_log = logging.getLogger(__name__)
_LARGEST_ID = 2**62


class ImageEntry(NamedTuple):
    """An image as the file describes it: `file_name` relative to the folder of images, height and width in pixels."""

    id: int
    file_name: str
    height: int
    width: int


@dataclass(frozen=True)
class CocoIndex:
    """Where the entries of a COCO file lie. Images keep the file's order, and so do the objects of one image.

    Attributes:
        path: the file.
        images: [N, 2] int64, start and end of each image's entry.
        objects: [M, 2] int64, start and end of each object's entry, those of one image after the other.
        first: [N + 1] int64; the objects of image i are `objects[first[i]:first[i + 1]]`.
        labels: names of the categories by their numbers.
        crowds: how many annotations were left out because they are crowds or to be ignored.
    """

    path: Path
    images: np.ndarray
    objects: np.ndarray
    first: np.ndarray
    labels: dict[str, str]
    crowds: int

    def image(self, file: BinaryIO, index: int) -> ImageEntry:
        """Reads the entry of an image.

        Raises:
            HodorError: a key is missing or of the wrong type.
        """
        entry = read_entry(file, *self.images[index].tolist())
        where = f"{self.path}: image {entry['id']}"
        name, height, width = entry.get("file_name"), entry.get("height"), entry.get("width")
        if not isinstance(name, str):
            raise HodorError(f"{where}: key 'file_name' is missing or is no string")
        if not all(is_integer(size) and 0 < size < 1 << 16 for size in (height, width)):
            raise HodorError(f"{where}: 'height' and 'width' must be numbers of pixels, not {height!r} and {width!r}")
        inside(Path(), name, f"{where}, key 'file_name'")
        return ImageEntry(entry["id"], name, height, width)

    def annotations(self, file: BinaryIO, index: int) -> Iterator[dict[str, Any]]:
        """Reads the annotations of an image one by one."""
        for start, end in self.objects[self.first[index] : self.first[index + 1]].tolist():
            yield read_entry(file, start, end)


def build_index(path: Path) -> CocoIndex:
    """Reads a COCO file once from front to back.

    Raises:
        HodorError: the file is missing or no valid JSON, lacks images or objects, or has an id twice or an unknown image.
    """
    images, objects = _Table(), _Table()
    labels: dict[str, str] = {}
    crowds = 0
    for entry in _with_progress(path):
        if entry.key == "images" and entry.position is not None:
            images.add(_integer(entry, "id", path), entry)
        elif entry.key == "annotations" and entry.position is not None:
            image_id = _integer(entry, "image_id", path)
            if entry.value.get("iscrowd") or entry.value.get("ignore"):
                crowds += 1
            else:
                objects.add(image_id, entry)
        elif entry.key == "categories" and entry.position is not None:
            labels[str(_integer(entry, "id", path))] = str(entry.value.get("name", ""))
    if not images.ids:
        raise HodorError(f"{path}: key 'images' is missing or holds no list of images; is it COCO's instances_*.json?")
    if not objects.ids and not crowds:
        raise HodorError(f"{path}: key 'annotations' is missing or holds no list of objects; is it COCO's instances_*.json?")
    image_of_object = _positions(images, objects, path)
    order = np.argsort(image_of_object, kind="stable")
    first = np.searchsorted(image_of_object[order], np.arange(len(images.ids) + 1))
    return CocoIndex(path, images.spans(), objects.spans()[order], first, labels, crowds)


class _Table:
    """Ids and places of entries as plain numbers."""

    def __init__(self) -> None:
        self.ids = array("q")
        self._spans = array("q")

    def add(self, number: int, entry: Entry) -> None:
        self.ids.append(number)
        self._spans.extend((entry.start, entry.end))

    def spans(self) -> np.ndarray:
        """[N, 2] int64."""
        return np.array(self._spans, dtype=np.int64).reshape(-1, 2)


def _positions(images: _Table, objects: _Table, path: Path) -> np.ndarray:
    """The position of each object's image, [M] int64."""
    ids, wanted = np.array(images.ids, dtype=np.int64), np.array(objects.ids, dtype=np.int64)
    order = np.argsort(ids, kind="stable")
    ordered = ids[order]
    twice = np.flatnonzero(ordered[1:] == ordered[:-1])
    if len(twice):
        raise HodorError(f"{path}: image id {ordered[twice[0]]} stands in it twice")
    places = np.searchsorted(ordered, wanted).clip(max=len(ordered) - 1)
    unknown = np.flatnonzero(ordered[places] != wanted)
    if len(unknown):
        raise HodorError(
            f"{path}: {len(unknown)} annotations belong to no image in it; the first names image_id {wanted[unknown[0]]}"
        )
    positions: np.ndarray = order[places]
    return positions


def _integer(entry: Entry, key: str, path: Path) -> int:
    value = entry.value.get(key) if isinstance(entry.value, dict) else None
    if not isinstance(value, int) or not is_integer(value):
        found = repr(value)[:40] if isinstance(entry.value, dict) else "no JSON object"
        raise HodorError(f"{path}: {entry.key}[{entry.position}], key {key!r}: must be an integer, found {found}")
    return value


def is_integer(value: Any) -> bool:
    """Whether a JSON value is a whole number of at most 62 bits."""
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LARGEST_ID


def _with_progress(path: Path) -> Iterator[Entry]:
    """All entries of a file, with a bar over its bytes on stderr if that is a terminal."""
    total = path.stat().st_size if path.is_file() else None
    with tqdm(total=total, desc="reading annotations", unit="B", unit_scale=True, disable=None) as bar:
        for entry in walk(path):
            yield entry
            bar.update(entry.end - bar.n)

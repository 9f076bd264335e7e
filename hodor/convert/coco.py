"""COCO's photographs with their objects, or any data set in COCO's format, as training images.

The file of annotations (500 MB for COCO 2017) stays on disk: an index of about 50 bytes for each entry says where in it the
entries of an image and of its objects lie.
"""

import argparse
import logging
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeGuard

import numpy as np
from pycocotools import mask as coco
from tqdm import tqdm

from hodor.convert.clips import checked_size, existing_folder, width_x_height
from hodor.convert.output import IMAGES, Converter, Target
from hodor.convert.training import Instance, image_record, publish
from hodor.errors import HodorError
from hodor.files import inside
from hodor.formats import run_length
from hodor.formats.json_files import Entry, read_entry, walk

_HELP = """\
for training: COCO's photographs with all their objects, or any data set in COCO's format

IMAGES_DIR holds the photographs; INSTANCES_JSON is the file of annotations that belongs to them, such as
annotations/instances_train2017.json from http://images.cocodataset.org/annotations/annotations_trainval2017.zip
Objects may be polygons or run lengths; crowds (iscrowd) and what is to be ignored are left out, and so are objects
without a single pixel and images without any object. The file is read piece by piece: memory stays small, and all of
COCO 2017 takes a few minutes."""

_EXAMPLES = """\
examples:
  hodor convert coco ~/coco/train2017 ~/coco/annotations/instances_train2017.json
  hodor convert coco ~/coco/val2017 ~/coco/annotations/instances_val2017.json --name coco_2017_val
  hodor convert coco part_of_the_images instances_train2017.json --name coco_part --skip_missing"""

_NAME = "coco_2017_train"
_LARGEST_ID = 2**62
_FEWEST_NUMBERS = 6  # of a polygon: three corners
_log = logging.getLogger(__name__)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("images_folder", type=Path, metavar="IMAGES_DIR", help="the folder of photographs")
    parser.add_argument("annotations", type=Path, metavar="INSTANCES_JSON", help="COCO's instances_*.json")
    parser.add_argument(
        "--skip_missing", action="store_true", help="leave out images that are missing or can't be used, instead of giving up"
    )


def _convert(arguments: argparse.Namespace) -> None:
    folder = existing_folder(arguments.images_folder, "the photographs")
    target = Target.chosen(arguments.name or _NAME, IMAGES, arguments)
    target.refuse_links(folder)
    index = _build_index(arguments.annotations)
    left_out = Counter(crowds=index.crowds)
    with arguments.annotations.open("rb") as file:
        usable = _usable_images(index, file, folder, skip=arguments.skip_missing)
        counts = publish(target, folder, index.labels, _records(index, file, usable, left_out))
    _log.info("%d images, %d objects", counts["records"], counts["objects"])
    left_out["images"] = int(np.count_nonzero(np.diff(index.first) == 0) + np.count_nonzero(usable)) - counts["records"]
    _log.info(
        "left out: %(crowds)d crowds, %(empty)d objects without a pixel, "
        "%(degenerate)d polygons of fewer than 3 corners, %(images)d images without objects",
        left_out,
    )


TRAINING = Converter(_HELP, _EXAMPLES, _add_arguments, _convert, default_name=_NAME)


class _Index(NamedTuple):
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

    def image(self, file: BinaryIO, position: int) -> tuple[int, str, tuple[int, int]]:
        """Reads an image's entry: id, name relative to the folder of images, (height, width) in pixels."""
        entry = read_entry(file, *self.images[position].tolist())
        where = f"{self.path}: image {entry['id']}"
        name, height, width = entry.get("file_name"), entry.get("height"), entry.get("width")
        if not isinstance(name, str):
            raise HodorError(f"{where}: key 'file_name' is missing or is no string")
        if not all(_is_integer(size) and 0 < size < 1 << 16 for size in (height, width)):
            raise HodorError(f"{where}: 'height' and 'width' must be numbers of pixels, not {height!r} and {width!r}")
        inside(Path(), name, f"{where}, key 'file_name'")
        return entry["id"], name, (height, width)


def _build_index(path: Path) -> _Index:
    """Reads a COCO file once from front to back."""
    images, objects = array("q"), array("q")  # id of the image, start, end of each entry
    labels: dict[str, str] = {}
    crowds = 0
    total = path.stat().st_size if path.is_file() else None
    with tqdm(total=total, desc="reading annotations", unit="B", unit_scale=True, disable=None) as bar:
        for entry in walk(path):
            key = entry.key if entry.position is not None else ""
            if key == "images":
                images.extend((_integer(entry, "id", path), entry.start, entry.end))
            elif key == "annotations":
                image_id = _integer(entry, "image_id", path)
                if entry.value.get("iscrowd") or entry.value.get("ignore"):
                    crowds += 1
                else:
                    objects.extend((image_id, entry.start, entry.end))
            elif key == "categories":
                labels[str(_integer(entry, "id", path))] = str(entry.value.get("name", ""))
            bar.update(entry.end - bar.n)
    for key, found, what in (("images", images, "images"), ("annotations", objects or crowds, "objects")):
        if not found:
            raise HodorError(f"{path}: key {key!r} is missing or holds no list of {what}; is it COCO's instances_*.json?")
    image_table, object_table = (np.array(table, dtype=np.int64).reshape(-1, 3) for table in (images, objects))
    image_of_object = _positions(image_table[:, 0], object_table[:, 0], path)
    order = np.argsort(image_of_object, kind="stable")
    first = np.searchsorted(image_of_object[order], np.arange(len(image_table) + 1))
    return _Index(path, image_table[:, 1:], object_table[order, 1:], first, labels, crowds)


def _positions(ids: np.ndarray, wanted: np.ndarray, path: Path) -> np.ndarray:
    """The position of each object's image among the `ids` of all images, [M] int64."""
    ordered, order, counts = np.unique(ids, return_index=True, return_counts=True)
    if counts.max() > 1:
        raise HodorError(f"{path}: image id {ordered[counts > 1][0]} stands in it twice")
    places = np.searchsorted(ordered, wanted).clip(max=len(ordered) - 1)
    unknown = np.flatnonzero(ordered[places] != wanted)
    if len(unknown):
        first = wanted[unknown[0]]
        raise HodorError(f"{path}: {len(unknown)} annotations belong to no image in it; the first names image_id {first}")
    positions: np.ndarray = order[places]
    return positions


def _integer(entry: Entry, key: str, path: Path) -> int:
    value = entry.value.get(key) if isinstance(entry.value, dict) else None
    if not _is_integer(value):
        found = repr(value)[:40] if isinstance(entry.value, dict) else "no JSON object"
        raise HodorError(f"{path}: {entry.key}[{entry.position}], key {key!r}: must be an integer, found {found}")
    return value


def _is_integer(value: Any) -> TypeGuard[int]:
    """Whether a JSON value is a whole number of at most 62 bits."""
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LARGEST_ID


def _usable_images(index: _Index, file: BinaryIO, folder: Path, *, skip: bool) -> np.ndarray:
    """Which images have objects and a good file, [N] bool; one that is bad is an error unless `skip`."""
    wanted = np.flatnonzero(np.diff(index.first))
    usable = np.zeros(len(index.images), dtype=bool)
    problems = []
    for position in tqdm(wanted.tolist(), desc="checking images", unit="image", disable=None):
        _, name, told = index.image(file, position)
        path = folder / name
        try:
            size = checked_size(path)
        except HodorError as error:
            problems.append(str(error))
            continue
        if size != told:
            found, expected = width_x_height(size), width_x_height(told)
            raise HodorError(f"{path}: the image is {found}, but {index.path} says {expected}; do they belong together?")
        usable[position] = True
    if problems and not skip:
        raise HodorError(
            f"{problems[0]}; {len(problems)} of {len(wanted)} images with objects are missing or can't be used: "
            "complete the folder, or leave them out with --skip_missing"
        )
    if problems:
        _log.warning("%d of %d images with objects are left out; the first: %s", len(problems), len(wanted), problems[0])
    return usable


def _records(index: _Index, file: BinaryIO, usable: np.ndarray, left_out: Counter[str]) -> Iterator[Mapping[str, Any]]:
    for position in tqdm(np.flatnonzero(usable).tolist(), desc="converting", unit="image", disable=None):
        image_id, file_name, size = index.image(file, position)
        instances: list[Instance] = []
        categories: list[int] = []
        for start, end in index.objects[index.first[position] : index.first[position + 1]].tolist():
            annotation = read_entry(file, start, end)
            name = f"{index.path}: annotation {annotation.get('id')!r:.40} of image {image_id} ({file_name})"
            try:
                instance, degenerate = encode_segmentation(annotation.get("segmentation"), *size)
            except ValueError as error:
                raise HodorError(f"{name}, key 'segmentation': {error}") from None
            if not _is_integer(annotation.get("category_id")):
                raise HodorError(f"{name}: key 'category_id' is missing or is no integer")
            left_out.update(degenerate=degenerate, empty=instance is None)
            if instance is not None:
                instances.append(instance)
                categories.append(annotation["category_id"])
        if instances:
            yield image_record(file_name, size, instances, categories, id=image_id)


def encode_segmentation(segmentation: Any, height: int, width: int) -> tuple[Instance | None, int]:
    """Turns one object's segmentation into a mask, as pycocotools' `annToMask` does.

    Args:
        segmentation: a list of polygons [x, y, x, y, ...] in pixels, whose union is the object, or
            {"size": [height, width], "counts": run lengths as a string or as a list of numbers}.
        height: of the image.
        width: of the image.

    Returns:
        The object, None if not a single pixel belongs to it, and the number of polygons with fewer than three corners,
        which were left out.

    Raises:
        ValueError: it is something else, or doesn't fit the image.
    """
    degenerate = 0
    if isinstance(segmentation, dict):
        codes = [_code_of_run_lengths(segmentation, height, width)]
    elif isinstance(segmentation, list):
        usable = [polygon for polygon in segmentation if len(_checked_polygon(polygon, height, width)) >= _FEWEST_NUMBERS]
        degenerate = len(segmentation) - len(usable)
        codes = coco.frPyObjects(usable, height, width) if usable else []
    else:
        raise ValueError(f"must be a list of polygons or run lengths, found {type(segmentation).__name__}")
    code = coco.merge(codes)
    area = int(coco.area(code))
    if not area:
        return None, degenerate
    left, top, box_width, box_height = (int(value) for value in coco.toBbox(code))
    return Instance(code["counts"].decode("ascii"), area, (left, top, box_width, box_height)), degenerate


def _checked_polygon(polygon: Any, height: int, width: int) -> list[float]:
    if not isinstance(polygon, list) or len(polygon) % 2:
        raise ValueError("a polygon must be a list of pairs x, y")
    if not set(map(type, polygon)) <= {int, float}:
        raise ValueError("a polygon's coordinates must be numbers")
    margin = max(height, width)  # far corners would cost pycocotools memory without end
    for values, size in ((polygon[0::2], width), (polygon[1::2], height)):
        far = [value for value in values if not -margin <= value <= size + margin]
        if far:
            raise ValueError(
                f"a polygon's corner has the coordinate {far[0]!r:.40}, far outside of the image ({width}x{height})"
            )
    return polygon


def _code_of_run_lengths(segmentation: dict[str, Any], height: int, width: int) -> dict[str, Any]:
    counts, size = segmentation.get("counts"), segmentation.get("size")
    if size != [height, width]:
        raise ValueError(f"run lengths have the size {size!r:.40}, the image has [{height}, {width}] (height, width)")
    if isinstance(counts, str):
        run_length.decode(counts, height, width)  # pycocotools would read beyond a bad string's end
        return {"size": size, "counts": counts.encode("ascii")}
    if not isinstance(counts, list) or not all(isinstance(run, int) and 0 <= run <= height * width for run in counts):
        raise ValueError("'counts' must be a run-length string or a list of run lengths")
    if sum(counts) != height * width:
        raise ValueError(f"the run lengths cover {sum(counts)} pixels instead of {height} x {width} = {height * width}")
    code: dict[str, Any] = coco.frPyObjects({"size": size, "counts": np.array(counts, dtype=np.uint32)}, height, width)
    return code

"""COCO's photographs with their objects, or any data set in COCO's format, as training images.

The file of annotations (500 MB for COCO 2017) is read twice, piece by piece: first where each object's entry lies in it, then
the entries image by image.
"""

import argparse
import logging
from array import array
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from pycocotools import mask as coco
from tqdm import tqdm

from hodor.convert.clips import checked_size, existing_folder, width_x_height
from hodor.convert.output import IMAGES, Converted, Converter, Target, publish
from hodor.convert.training import described, image_record
from hodor.errors import HodorError
from hodor.files import inside
from hodor.formats import run_length
from hodor.formats.json_files import JsonValue, read_entry, walk

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
_ID_KEYS = {"images": "id", "annotations": "image_id", "categories": "id"}
_FEWEST_NUMBERS = 6  # of a polygon: three corners
_log = logging.getLogger(__name__)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("images_folder", type=Path, metavar="IMAGES_DIR", help="the folder of photographs")
    parser.add_argument("annotations", type=Path, metavar="INSTANCES_JSON", help="COCO's instances_*.json")
    parser.add_argument(
        "--skip_missing", action="store_true", help="leave out images that are missing or can't be used, instead of giving up"
    )


def _convert(arguments: argparse.Namespace) -> None:
    path, folder = arguments.annotations, existing_folder(arguments.images_folder, "the photographs")
    target = Target(arguments, arguments.name or _NAME, {"": folder})
    index = _read_index(path)
    usable = _usable_images(index, path, folder, skip=arguments.skip_missing)
    with path.open("rb") as file:
        images = tqdm(usable, desc="converting", unit="image", disable=None)
        counts = publish(target, index.labels, (_convert_image(image_id, index, file) for image_id in images))
    _log.info("%d images, %d objects", counts["records"], counts["objects"])
    counts["crowds"] = index.crowds
    counts["images"] = len(index.images) - len(index.objects) + len(usable) - counts["records"]
    _log.info(
        "left out: %(crowds)d crowds, %(empty)d objects without a pixel, "
        "%(degenerate)d polygons of fewer than 3 corners, %(images)d images without objects",
        counts,
    )


TO_LEARN_FROM = Converter(IMAGES, _HELP, _EXAMPLES, _add_arguments, _convert, default_name=_NAME)


@dataclass
class _Index:
    """What a COCO file holds."""

    images: dict[int, tuple[Any, Any, Any]]  # file_name, height and width, unchecked, by the images' ids in the file's order
    objects: dict[int, "array[int]"]  # of each image that has any, where each object's entry starts and ends in the file
    labels: dict[int, str]  # names of the categories by their numbers
    crowds: int = 0  # annotations that are left out because they are crowds or to be ignored


def _read_index(path: Path) -> _Index:
    """Reads a COCO file once from front to back."""
    index = _Index({}, defaultdict(lambda: array("q")), {})
    total = path.stat().st_size if path.is_file() else None
    with tqdm(total=total, desc="reading annotations", unit="B", unit_scale=True, disable=None) as bar:
        for key, position, start, end, value in walk(path):
            bar.update(end - bar.n)
            if position is None or key not in _ID_KEYS:
                continue
            number = _integer(value, _ID_KEYS[key], f"{path}: {key}[{position}]")
            if key == "categories":
                index.labels[number] = str(value.get("name", ""))
            elif key == "annotations" and (value.get("iscrowd") or value.get("ignore")):
                index.crowds += 1
            elif key == "annotations":
                index.objects[number].extend((start, end))
            elif number in index.images:
                raise HodorError(f"{path}: image id {number} stands in it twice")
            else:
                index.images[number] = (value.get("file_name"), value.get("height"), value.get("width"))
    for key, found, what in (("images", index.images, "images"), ("annotations", index.objects or index.crowds, "objects")):
        if not found:
            raise HodorError(f"{path}: key {key!r} is missing or holds no list of {what}; is it COCO's instances_*.json?")
    unknown = [image_id for image_id in index.objects if image_id not in index.images]
    if unknown:
        count = sum(len(index.objects[image_id]) // 2 for image_id in unknown)
        raise HodorError(f"{path}: {count} annotations belong to no image in it; the first names image_id {unknown[0]}")
    return index


def _integer(entry: Any, key: str, where: str) -> int:
    number = JsonValue(entry, where).get(key).content
    if type(number) is not int:
        raise HodorError(f"{where}, key {key!r}: must be an integer, found {number!r:.40}")
    return number


def _usable_images(index: _Index, path: Path, folder: Path, *, skip: bool) -> list[int]:
    """The ids of the images that have objects and a good file; one that is bad is an error unless `skip`."""
    wanted = [image_id for image_id in index.images if image_id in index.objects]
    usable, problems = [], []
    for image_id in tqdm(wanted, desc="checking images", unit="image", disable=None):
        where = f"{path}: image {image_id}"
        name, height, width = index.images[image_id]
        if not all(type(side) is int and 0 < side < 1 << 16 for side in (height, width)):
            raise HodorError(f"{where}: 'height' and 'width' must be numbers of pixels, not {height!r} and {width!r}")
        inside(Path(), JsonValue(name, f"{where}, key 'file_name'").text(), f"{where}, key 'file_name'")
        try:
            size = checked_size(folder / name)
        except HodorError as error:
            problems.append(str(error))
            continue
        if size != (height, width):
            found, expected = width_x_height(size), width_x_height((height, width))
            raise HodorError(f"{folder / name}: the image is {found}, but {path} says {expected}; do they belong together?")
        usable.append(image_id)
    if problems and not skip:
        raise HodorError(
            f"{problems[0]}; {len(problems)} of {len(wanted)} images with objects are missing or can't be used: "
            "complete the folder, or leave them out with --skip_missing"
        )
    if problems:
        _log.warning("%d of %d images with objects are left out; the first: %s", len(problems), len(wanted), problems[0])
    return usable


def _convert_image(image_id: int, index: _Index, file: BinaryIO) -> Converted:
    """Reads the objects of an image; counts the "empty" ones, and "degenerate" polygons."""
    name, height, width = index.images[image_id]
    objects, categories = [], []
    degenerate = 0
    offsets = iter(index.objects[image_id])
    for start, end in zip(offsets, offsets, strict=True):
        annotation = read_entry(file, start, end)
        where = f"{file.name}: annotation {annotation.get('id')!r:.40} of image {image_id} ({name})"
        try:
            found, left_out = encode_segmentation(annotation.get("segmentation"), height, width)
        except ValueError as error:
            raise HodorError(f"{where}, key 'segmentation': {error}") from None
        category = _integer(annotation, "category_id", where)
        degenerate += left_out
        if found:
            objects.append(found)
            categories.append(category)
    empty = len(index.objects[image_id]) // 2 - len(objects)
    record = image_record(name, (height, width), objects, categories, id=image_id)
    return Converted(record, {"degenerate": degenerate, "empty": empty})


def encode_segmentation(segmentation: Any, height: int, width: int) -> tuple[dict[str, Any] | None, int]:
    """Turns one object's segmentation into a mask, as pycocotools' `annToMask` does, or raises a ValueError.

    It is a list of polygons [x, y, x, y, ...] in pixels, whose union is the object, or
    {"size": [height, width], "counts": run lengths as a string or as a list of numbers}.

    Returns:
        The object as `described`, None if not a single pixel belongs to it; how many polygons of fewer than three corners were
        left out.
    """
    if isinstance(segmentation, dict):
        codes, degenerate = [_run_lengths(segmentation, height, width)], 0
    elif isinstance(segmentation, list):
        for polygon in segmentation:
            _check_polygon(polygon, height, width)
        polygons = [polygon for polygon in segmentation if len(polygon) >= _FEWEST_NUMBERS]
        degenerate = len(segmentation) - len(polygons)
        codes = coco.frPyObjects(polygons, height, width) if polygons else []
    else:
        raise ValueError(f"must be a list of polygons or run lengths, found {type(segmentation).__name__}")
    code = coco.merge(codes)
    return described(code) if coco.area(code) else None, degenerate


def _check_polygon(polygon: Any, height: int, width: int) -> None:
    if not isinstance(polygon, list) or len(polygon) % 2:
        raise ValueError("a polygon must be a list of pairs x, y")
    if not set(map(type, polygon)) <= {int, float}:
        raise ValueError("a polygon's coordinates must be numbers")
    margin = max(height, width)  # far corners would cost pycocotools memory without end
    for position, value in enumerate(polygon):
        if not -margin <= value <= (height if position % 2 else width) + margin:
            place = f"far outside of the image ({width}x{height})"
            raise ValueError(f"a polygon's corner has the coordinate {value!r:.40}, {place}")


def _run_lengths(segmentation: dict[str, Any], height: int, width: int) -> dict[str, Any]:
    """Checks run lengths, as pycocotools doesn't, and encodes them."""
    counts, size = segmentation.get("counts"), segmentation.get("size")
    if size != [height, width]:
        raise ValueError(f"run lengths have the size {size!r:.40}, the image has [{height}, {width}] (height, width)")
    if isinstance(counts, str):
        run_length.decode(counts, height, width)
        return {"size": size, "counts": counts.encode("ascii")}
    if not isinstance(counts, list) or not all(isinstance(run, int) and 0 <= run <= height * width for run in counts):
        raise ValueError("'counts' must be a run-length string or a list of run lengths")
    if sum(counts) != height * width:
        raise ValueError(f"the run lengths cover {sum(counts)} pixels instead of {height} x {width} = {height * width}")
    code: dict[str, Any] = coco.frPyObjects({"size": size, "counts": np.array(counts, dtype=np.uint32)}, height, width)
    return code

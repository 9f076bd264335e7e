"""COCO's photographs with their objects, or any data set in COCO's format, as training images."""

import argparse
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from tqdm import tqdm

from hodor.convert.clips import checked_size, existing_folder, width_x_height
from hodor.convert.coco_index import CocoIndex, ImageEntry, build_index, is_integer
from hodor.convert.coco_masks import encode_segmentation
from hodor.convert.instances import Instance, image_record
from hodor.convert.kinds import IMAGES
from hodor.convert.output import add_output_arguments
from hodor.convert.training_output import TrainingSet
from hodor.errors import HodorError

HELP = """\
for training: COCO's photographs with all their objects, or any data set in COCO's format

IMAGES_DIR holds the photographs; INSTANCES_JSON is the file of annotations that belongs to them, such as
annotations/instances_train2017.json from http://images.cocodataset.org/annotations/annotations_trainval2017.zip
Objects may be polygons or run lengths; crowds (iscrowd) and what is to be ignored are left out, and so are objects
without a single pixel and images without any object. The file is read piece by piece: memory stays small, and all of
COCO 2017 takes a few minutes."""

EXAMPLES = """\
examples:
  hodor convert coco ~/coco/train2017 ~/coco/annotations/instances_train2017.json
  hodor convert coco ~/coco/val2017 ~/coco/annotations/instances_val2017.json --name coco_2017_val
  hodor convert coco part_of_the_images instances_train2017.json --name coco_part --skip_missing"""

_log = logging.getLogger(__name__)


@dataclass
class _Counts:
    """What was found and what was left out."""

    images: int = 0
    objects: int = 0
    empty: int = 0
    degenerate: int = 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what `convert` reads."""
    parser.add_argument("images_folder", type=Path, metavar="IMAGES_DIR", help="the folder of photographs")
    parser.add_argument("annotations", type=Path, metavar="INSTANCES_JSON", help="COCO's instances_*.json")
    parser.add_argument(
        "--skip_missing", action="store_true", help="leave out images that are missing or can't be used, instead of giving up"
    )
    add_output_arguments(parser, name_help="name of the data set (default: coco_2017_train)")


def convert(arguments: argparse.Namespace) -> None:
    """Converts one file of annotations.

    Raises:
        HodorError: an image or an annotation is missing or bad.
    """
    folder = existing_folder(arguments.images_folder, "the photographs")
    target = TrainingSet.chosen(arguments.name or "coco_2017_train", IMAGES, arguments)
    target.refuse_links(folder)
    index = build_index(arguments.annotations)
    counts = _Counts()
    with arguments.annotations.open("rb") as file:
        usable = _usable_images(index, file, folder, skip=arguments.skip_missing)
        target.publish(folder, index.labels, _records(index, file, usable, counts))
    _log.info("%d images, %d objects", counts.images, counts.objects)
    without = int(np.count_nonzero(np.diff(index.first) == 0) + np.count_nonzero(usable)) - counts.images
    left_out = "left out: %d crowds, %d objects without a pixel, %d polygons of fewer than 3 corners, %d images without objects"
    _log.info(left_out, index.crowds, counts.empty, counts.degenerate, without)


def _usable_images(index: CocoIndex, file: BinaryIO, folder: Path, *, skip: bool) -> np.ndarray:
    """Which images have objects and a good file, [N] bool.

    Raises:
        HodorError: an image has another size than the annotations say, or (unless `skip`) some can't be used.
    """
    wanted = np.flatnonzero(np.diff(index.first))
    usable = np.zeros(len(index.images), dtype=bool)
    first_problem = ""
    for position in tqdm(wanted.tolist(), desc="checking images", unit="image", disable=None):
        entry = index.image(file, position)
        try:
            size = checked_size(folder / entry.file_name)
        except HodorError as error:
            first_problem = first_problem or str(error)
            continue
        if size != (entry.height, entry.width):
            raise HodorError(
                f"{folder / entry.file_name}: the image is {width_x_height(size)}, but {index.path} says "
                f"{width_x_height((entry.height, entry.width))}; do they belong together?"
            )
        usable[position] = True
    bad = len(wanted) - int(usable.sum())
    if bad and not skip:
        raise HodorError(
            f"{first_problem}; {bad} of {len(wanted)} images with objects are missing or can't be used: "
            "complete the folder, or leave them out with --skip_missing"
        )
    if bad:
        _log.warning("%d of %d images with objects are left out; the first: %s", bad, len(wanted), first_problem)
    return usable


def _records(index: CocoIndex, file: BinaryIO, usable: np.ndarray, counts: _Counts) -> Iterator[Mapping[str, Any]]:
    for position in tqdm(np.flatnonzero(usable).tolist(), desc="converting", unit="image", disable=None):
        entry = index.image(file, position)
        instances: list[Instance] = []
        categories: list[int] = []
        for annotation in index.annotations(file, position):
            if not is_integer(annotation.get("category_id")):
                raise HodorError(f"{_name(index, annotation, entry)}: key 'category_id' is missing or is no integer")
            instance = _instance(index, annotation, entry, counts)
            if instance is not None:
                instances.append(instance)
                categories.append(annotation["category_id"])
        if instances:
            counts.images += 1
            counts.objects += len(instances)
            yield image_record(entry.file_name, entry.height, entry.width, instances, categories, id=entry.id)


def _instance(index: CocoIndex, annotation: Mapping[str, Any], entry: ImageEntry, counts: _Counts) -> Instance | None:
    try:
        instance, degenerate = encode_segmentation(annotation.get("segmentation"), entry.height, entry.width)
    except ValueError as error:
        raise HodorError(f"{_name(index, annotation, entry)}, key 'segmentation': {error}") from None
    counts.degenerate += degenerate
    counts.empty += instance is None
    return instance


def _name(index: CocoIndex, annotation: Mapping[str, Any], entry: ImageEntry) -> str:
    return f"{index.path}: annotation {annotation.get('id')!r:.40} of image {entry.id} ({entry.file_name})"

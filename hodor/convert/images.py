"""Any folder of photographs with a folder of masks as training images."""

import argparse
import logging
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from tqdm import tqdm

from hodor.convert.clips import checked_size, existing_folder, images_by_stem
from hodor.convert.masks import is_black_and_white, object_ids, read_labels
from hodor.convert.output import IMAGES, Converter, Target, add_output_arguments, add_workers_argument
from hodor.convert.training_json import OBJECT_CATEGORY, OBJECT_LABELS, Instance, image_record
from hodor.errors import HodorError
from hodor.formats import run_length
from hodor.formats.label_maps import VOID
from hodor.parallel import ordered_map

_HELP = """\
for training: your own photographs, with a mask file for each

IMAGES_DIR and MASKS_DIR hold images and masks, in folders if you like; a mask is called like its image, but for the
suffix (cats/7.png for cats/7.jpg), and has its size. Images without a mask and masks without an object are left out.

What a mask file may be:
  a palette or grey PNG, pixel values are ids: each is an instance (0 = background, 255 = unsure, taken as background)
  black and white (0 and 255, or one bit) only: each connected part is an instance, or the whole mask with --whole
  RGB in the colours of DAVIS' or YouTube-VOS' palette
No blurred or antialiased edges, so no JPEG."""

_EXAMPLES = """\
examples:
  hodor convert images DUTS-TR/DUTS-TR-Image DUTS-TR/DUTS-TR-Mask --name duts_train
  hodor convert images my_photos my_masks --name my_photos --whole
  hodor convert images my_photos my_masks --name my_photos --binary --min_area 400"""

_MIN_AREA = 100
_BATCH = 32  # photographs that a process takes at once
_log = logging.getLogger(__name__)


class _Reading(Enum):
    """What the values in mask files mean."""

    AUTOMATIC = "automatic"  # masks that are black and white are BINARY, the others IDS
    BINARY = "binary"  # everything that is not black is an object
    IDS = "ids"  # each value is an instance, 255 is background


class _Photograph(NamedTuple):
    """An image, by its path relative to the folder of images and by its file, and the file of its mask."""

    name: str
    image: Path
    mask: Path


class _Converted(NamedTuple):
    """What became of a photograph.

    Attributes:
        mask: the mask's file.
        record: the image as it stands in the JSON; None = no object is left.
        reading: how the mask was read; None = it is empty, which fits every reading.
        specks: how many connected parts were left out because they are small.
    """

    mask: Path
    record: Mapping[str, Any] | None
    reading: _Reading | None
    specks: int


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("images_folder", type=Path, metavar="IMAGES_DIR", help="the photographs")
    parser.add_argument("masks_folder", type=Path, metavar="MASKS_DIR", help="their masks")
    reading = parser.add_mutually_exclusive_group()
    reading.add_argument("--binary", action="store_true", help="everything that is not black is an object (default: see above)")
    reading.add_argument(
        "--ids", action="store_true", help="values are ids, also in masks of 0 and 255 only (default: see above)"
    )
    parser.add_argument("--whole", action="store_true", help="one instance for each mask: everything that is not background")
    parser.add_argument(
        "--min_area",
        type=int,
        default=_MIN_AREA,
        metavar="PIXELS",
        help=f"connected parts with fewer pixels are specks and left out (default: {_MIN_AREA})",
    )
    add_workers_argument(parser)
    add_output_arguments(parser, name_help="name of the data set", name_required=True)


def _convert(arguments: argparse.Namespace) -> None:
    folder = existing_folder(arguments.images_folder, "the photographs")
    masks_folder = existing_folder(arguments.masks_folder, "the masks")
    target = Target.chosen(arguments.name, IMAGES, arguments)
    target.refuse_links(folder)
    photographs = _find_photographs(folder, masks_folder)
    reading = _Reading.BINARY if arguments.binary else _Reading.IDS if arguments.ids else _Reading.AUTOMATIC
    convert = partial(_convert_photographs, reading=reading, whole=arguments.whole, min_area=arguments.min_area)
    batches = [photographs[start : start + _BATCH] for start in range(0, len(photographs), _BATCH)]
    counts: Counter[str] = Counter()
    readings: dict[_Reading, Path] = {}  # the first mask of each

    def records() -> Iterator[Mapping[str, Any]]:
        with tqdm(total=len(photographs), desc="converting", unit="image", disable=None) as bar:
            for batch in ordered_map(convert, batches, arguments.num_workers):
                for photograph in batch:
                    _refuse_two_readings(photograph, readings)
                    counts["specks"] += photograph.specks
                    counts["objects"] += len(photograph.record["segmentations"]) if photograph.record else 0
                    if photograph.record:
                        yield photograph.record
                bar.update(len(batch))

    count = target.publish(folder, OBJECT_LABELS, records())
    _log.info("masks: %s", _meaning(_Reading.BINARY in readings, arguments.whole))
    _log.info("%d images, %d objects", count, counts["objects"])
    empty = len(photographs) - count
    if empty or counts["specks"]:
        left_out = "left out: %d images without an object, %d parts of fewer than %d pixels"
        _log.info(left_out, empty, counts["specks"], arguments.min_area)


TRAINING = Converter(_HELP, _EXAMPLES, _add_arguments, _convert)


def _convert_photographs(
    photographs: Sequence[_Photograph], *, reading: _Reading, whole: bool, min_area: int
) -> list[_Converted]:
    """Reads some photographs' masks as `reading` says; `whole` masks are one instance, parts below `min_area` pixels none."""
    return [_convert_photograph(photograph, reading, whole, min_area) for photograph in photographs]


def _convert_photograph(photograph: _Photograph, reading: _Reading, whole: bool, min_area: int) -> _Converted:
    size = checked_size(photograph.image)
    labels = read_labels(photograph.mask, photograph.image, size, binary=reading is _Reading.BINARY)
    if reading is _Reading.AUTOMATIC:
        reading = _Reading.BINARY if is_black_and_white(object_ids(labels), photograph.mask) else _Reading.IDS
    is_empty = not labels.any()
    if reading is _Reading.IDS:
        labels[labels == VOID] = 0
    specks = 0
    if reading is _Reading.BINARY and not whole:
        instances, specks = _connected_parts(labels > 0, min_area)
    else:
        masks = [labels > 0] if whole else [labels == object_id for object_id in object_ids(labels)]
        instances = [instance for instance in map(Instance.from_mask, masks) if instance is not None]
    record = image_record(photograph.name, size, instances, [OBJECT_CATEGORY] * len(instances)) if instances else None
    return _Converted(photograph.mask, record, None if is_empty else reading, specks)


def _connected_parts(mask: np.ndarray, min_area: int) -> tuple[list[Instance], int]:
    """The parts of a mask `[H, W]` bool of which pixels touch by sides or corners, and how many were too small."""
    count, parts, statistics, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    instances = []
    for part, (left, top, width, height, area) in enumerate(statistics[1:].tolist(), start=1):
        if area >= min_area:
            instances.append(Instance(run_length.encode(parts == part), area, (left, top, width, height)))
    return instances, count - 1 - len(instances)


def _refuse_two_readings(photograph: _Converted, readings: dict[_Reading, Path]) -> None:
    """Makes sure that a photograph's mask is of the same kind as those before, of which `readings` knows the first of each."""
    if photograph.reading is not None:
        readings.setdefault(photograph.reading, photograph.mask)
    if len(readings) > 1:
        raise HodorError(
            f"{readings[_Reading.BINARY]} is black and white, but {readings[_Reading.IDS]} holds ids; "
            "say what they mean: --binary (all that is not black is an object) or --ids (255 is no object)"
        )


def _meaning(is_binary: bool, whole: bool) -> str:
    """How masks were understood, for the summary."""
    if whole:
        return "one instance for each mask"
    if is_binary:
        return "all that is not black is an object, connected parts are its instances"
    return "values are ids, each is an instance"


def _find_photographs(folder: Path, masks_folder: Path) -> list[_Photograph]:
    """The images that have a mask, in natural order, folder by folder."""
    if folder.resolve() == masks_folder.resolve():
        raise HodorError(f"{folder}: images and masks lie in the same folder; move the masks to a folder of their own")
    images = _images_below(folder, masks_folder)
    masks = _images_below(masks_folder, folder)
    if not images or not masks:
        raise HodorError(f"{masks_folder if images else folder}: no {'masks' if images else 'images'} in it")
    stranger = next((stem for stem in masks if stem not in images), None)
    if stranger is not None:
        raise HodorError(f"{masks[stranger]}: no image of this name in {folder}; a mask is called like its image")
    if len(masks) < len(images):
        _log.warning("%d of %d images in %s have no mask and are left out", len(images) - len(masks), len(images), folder)
    return [
        _Photograph(image.relative_to(folder).as_posix(), image, masks[stem]) for stem, image in images.items() if stem in masks
    ]


def _images_below(folder: Path, other: Path) -> dict[str, Path]:
    """All images in a folder and the folders in it (but hidden ones and `other`) by their relative paths without suffix."""
    found: dict[str, Path] = {}
    for place, subfolders, _ in os.walk(folder, followlinks=True):
        here = Path(place)
        subfolders[:] = sorted(
            name for name in subfolders if not name.startswith(".") and (here / name).resolve() != other.resolve()
        )
        for stem, path in images_by_stem(here).items():
            found[(here / stem).relative_to(folder).as_posix()] = path
    return found

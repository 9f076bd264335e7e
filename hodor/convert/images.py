"""Any folder of photographs with a folder of masks as training images."""

import argparse
import logging
import os
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from hodor.convert.clips import check_name, checked_size, existing_folder, read_labels
from hodor.convert.output import IMAGES, Converted, Converter, Target, publish
from hodor.convert.training import OBJECT_CATEGORY, OBJECT_LABELS, add_workers_argument, described, image_record
from hodor.errors import HodorError
from hodor.formats.label_maps import VOID, is_white_only, present_ids
from hodor.media.folder_source import images_by_stem
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
_FEWEST_FOR_PROCESSES = 33
_log = logging.getLogger(__name__)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("images_folder", type=Path, metavar="IMAGES_DIR", help="the photographs")
    parser.add_argument("masks_folder", type=Path, metavar="MASKS_DIR", help="their masks")
    reading = parser.add_mutually_exclusive_group()
    binary = "everything that is not black is an object (default: see above)"
    reading.add_argument("--binary", action="store_const", const=True, help=binary)
    ids = "values are ids, also in masks of 0 and 255 only (default: see above)"
    reading.add_argument("--ids", dest="binary", action="store_const", const=False, help=ids)
    parser.add_argument("--whole", action="store_true", help="one instance for each mask: everything that is not background")
    parser.add_argument(
        "--min_area",
        type=int,
        default=_MIN_AREA,
        metavar="PIXELS",
        help=f"connected parts with fewer pixels are specks and left out (default: {_MIN_AREA})",
    )
    add_workers_argument(parser)


def _convert(arguments: argparse.Namespace) -> None:
    folder = existing_folder(arguments.images_folder, "the photographs")
    masks_folder = existing_folder(arguments.masks_folder, "the masks")
    target = Target(arguments, arguments.name, {"": folder})
    photographs = _find_photographs(folder, masks_folder)
    workers = arguments.num_workers if len(photographs) >= _FEWEST_FOR_PROCESSES else 1
    converted = ordered_map(partial(_convert_photograph, arguments), photographs, workers)
    bar = tqdm(converted, total=len(photographs), desc="converting", unit="image", disable=None)
    counts = publish(target, OBJECT_LABELS, _of_one_meaning(photographs, bar))
    meaning = "all that is not black is an object, connected parts are its instances"
    if arguments.whole:
        meaning = "one instance for each mask"
    elif not counts["white"]:
        meaning = "values are ids, each is an instance"
    _log.info("masks: %s", meaning)
    _log.info("%d images, %d objects", counts["records"], counts["objects"])
    empty = len(photographs) - counts["records"]
    if empty or counts["specks"]:
        left_out = "left out: %d images without an object, %d parts of fewer than %d pixels"
        _log.info(left_out, empty, counts["specks"], arguments.min_area)


TO_LEARN_FROM = Converter(IMAGES, _HELP, _EXAMPLES, _add_arguments, _convert)


def _of_one_meaning(photographs: list[tuple[str, Path]], converted: Iterable[Converted]) -> Iterator[Converted]:
    """Passes photographs on; a HodorError where some masks are black and white, and others hold ids."""
    first: dict[str, Path] = {}
    for (_, mask), each in zip(photographs, converted, strict=True):
        for meaning in ("white", "ids"):
            if each.counts.get(meaning):
                first.setdefault(meaning, mask)
        if len(first) > 1:
            raise HodorError(
                f"{first['white']} is black and white, but {first['ids']} holds ids; say what they mean: "
                "--binary (all that is not black is an object) or --ids (255 is no object)"
            )
        yield each


def _convert_photograph(arguments: argparse.Namespace, photograph: tuple[str, Path]) -> Converted:
    """Reads a mask as the options say, or as what it looks like.

    Counts connected parts that were left out because they are small as "specks", and "white" masks or those of "ids".
    """
    image, mask = arguments.images_folder / photograph[0], photograph[1]
    size = checked_size(image)
    labels = read_labels(mask, image, size, binary=bool(arguments.binary))
    ids = present_ids(labels)
    is_white = is_white_only(ids, mask) if arguments.binary is None else arguments.binary
    if not is_white:
        labels[labels == VOID] = 0
    specks = 0
    if arguments.whole:
        labels = labels > 0
    elif is_white:
        _, labels, statistics, _ = cv2.connectedComponentsWithStats((labels > 0).astype(np.uint8), connectivity=8)
        too_small = statistics[:, cv2.CC_STAT_AREA] < arguments.min_area
        specks = int(too_small[1:].sum())
        labels[too_small[labels]] = 0
    instances = [described(labels == instance) for instance in present_ids(labels)]
    record = image_record(photograph[0], size, instances, [OBJECT_CATEGORY] * len(instances))
    return Converted(record, {"specks": specks, "white" if is_white else "ids": bool(ids)})


def _find_photographs(folder: Path, masks_folder: Path) -> list[tuple[str, Path]]:
    """The images that have a mask, in natural order, folder by folder: their paths relative to `folder`, and the masks."""
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
    return [(image.relative_to(folder).as_posix(), masks[stem]) for stem, image in images.items() if stem in masks]


def _images_below(folder: Path, other: Path) -> dict[str, Path]:
    """All images in a folder and the folders in it (but hidden ones and `other`) by their relative paths without suffix."""
    found: dict[str, Path] = {}
    for place, subfolders, _ in os.walk(folder, followlinks=True):
        here = Path(place)
        subfolders[:] = sorted(
            name for name in subfolders if not name.startswith(".") and (here / name).resolve() != other.resolve()
        )
        for stem, path in images_by_stem(here).items():
            check_name(path.name, place)
            found[(here / stem).relative_to(folder).as_posix()] = path
    return found

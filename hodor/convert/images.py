"""Any folder of photographs with a folder of masks as training images."""

import argparse
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from hodor.convert.clips import checked_size, existing_folder, images_by_stem, read_labels
from hodor.convert.output import IMAGES, Converter, Target
from hodor.convert.training import OBJECT_CATEGORY, OBJECT_LABELS, Instance, add_workers_argument, image_record, publish
from hodor.errors import HodorError
from hodor.formats import run_length
from hodor.formats.label_maps import VOID, is_white_only, present_ids
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
_Photograph = tuple[str, Path, Path]  # its path relative to the folder of images, its file, the file of its mask
_Converted = tuple[Mapping[str, Any] | None, bool | None, int]
"""What became of a photograph: the image as it stands in the JSON, None if no object is left; whether the mask was taken for
black and white, None if it is empty; how many connected parts were left out because they are small."""
_log = logging.getLogger(__name__)


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


def _convert(arguments: argparse.Namespace) -> None:
    folder = existing_folder(arguments.images_folder, "the photographs")
    masks_folder = existing_folder(arguments.masks_folder, "the masks")
    target = Target.chosen(arguments.name, IMAGES, arguments)
    target.refuse_links(folder)
    photographs = _find_photographs(folder, masks_folder)
    binary = True if arguments.binary else False if arguments.ids else None
    convert = partial(_convert_photographs, binary=binary, whole=arguments.whole, min_area=arguments.min_area)
    batches = [photographs[start : start + _BATCH] for start in range(0, len(photographs), _BATCH)]
    specks = 0
    first_masks: dict[bool, Path] = {}  # the first that is binary, the first that is not

    def records() -> Iterator[Mapping[str, Any]]:
        """The images that show an object, as they stand in the JSON; counts what is left out.

        Raises:
            HodorError: some masks are black and white, others hold ids, and no option says what they mean.
        """
        nonlocal specks
        pairs = zip(photographs, chain.from_iterable(ordered_map(convert, batches, arguments.num_workers)), strict=True)
        for (_, _, mask), (record, is_binary, left_out) in tqdm(
            pairs, total=len(photographs), desc="converting", unit="image", disable=None
        ):
            if is_binary is not None:
                first_masks.setdefault(is_binary, mask)
            if len(first_masks) > 1:
                raise HodorError(
                    f"{first_masks[True]} is black and white, but {first_masks[False]} holds ids; say what they mean: "
                    "--binary (all that is not black is an object) or --ids (255 is no object)"
                )
            specks += left_out
            if record:
                yield record

    counts = publish(target, folder, OBJECT_LABELS, records())
    meaning = "all that is not black is an object, connected parts are its instances"
    if arguments.whole:
        meaning = "one instance for each mask"
    elif True not in first_masks:
        meaning = "values are ids, each is an instance"
    _log.info("masks: %s", meaning)
    _log.info("%d images, %d objects", counts["records"], counts["objects"])
    empty = len(photographs) - counts["records"]
    if empty or specks:
        left_out = "left out: %d images without an object, %d parts of fewer than %d pixels"
        _log.info(left_out, empty, specks, arguments.min_area)


TRAINING = Converter(_HELP, _EXAMPLES, _add_arguments, _convert)


def _convert_photographs(
    photographs: Sequence[_Photograph], *, binary: bool | None, whole: bool, min_area: int
) -> list[_Converted]:
    return [_convert_photograph(photograph, binary, whole, min_area) for photograph in photographs]


def _convert_photograph(photograph: _Photograph, binary: bool | None, whole: bool, min_area: int) -> _Converted:
    """Reads a mask as black and white, as ids, or as what it looks like (None). `whole`: it is one instance."""
    name, image, mask = photograph
    size = checked_size(image)
    labels = read_labels(mask, image, size, binary=binary is True)
    if binary is None:
        binary = is_white_only(present_ids(labels), mask)
    is_empty = not labels.any()
    if not binary:
        labels[labels == VOID] = 0
    specks = 0
    if binary and not whole:
        instances, specks = _connected_parts(labels > 0, min_area)
    else:
        masks = [labels > 0] if whole and labels.any() else [labels == object_id for object_id in present_ids(labels)]
        instances = [Instance.from_mask(mask) for mask in masks]
    record = image_record(name, size, instances, [OBJECT_CATEGORY] * len(instances)) if instances else None
    return record, None if is_empty else binary, specks


def _connected_parts(mask: np.ndarray, min_area: int) -> tuple[list[Instance], int]:
    """The parts of a mask `[H, W]` bool of which pixels touch by sides or corners, and how many were too small."""
    count, parts, statistics, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    instances = [
        Instance(run_length.encode(parts == part), area, (left, top, width, height))
        for part, (left, top, width, height, area) in enumerate(statistics[1:].tolist(), start=1)
        if area >= min_area
    ]
    return instances, count - 1 - len(instances)


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
    return [(image.relative_to(folder).as_posix(), image, masks[stem]) for stem, image in images.items() if stem in masks]


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

"""Any folder of photographs with a folder of masks as training images."""

import argparse
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from tqdm import tqdm

from hodor.convert.clips import existing_folder, images_by_stem
from hodor.convert.instances import OBJECT_LABELS
from hodor.convert.kinds import IMAGES
from hodor.convert.output import add_output_arguments, add_workers_argument
from hodor.convert.photographs import ConvertedPhotograph, Photograph, PhotographJob, Reading, convert_photographs
from hodor.convert.training_output import TrainingSet
from hodor.errors import HodorError
from hodor.parallel import ordered_map

HELP = """\
for training: your own photographs, with a mask file for each

IMAGES_DIR and MASKS_DIR hold images and masks, in folders if you like; a mask is called like its image, but for the
suffix (cats/7.png for cats/7.jpg), and has its size. Images without a mask and masks without an object are left out.

What a mask file may be:
  a palette or grey PNG, pixel values are ids: each is an instance (0 = background, 255 = unsure, taken as background)
  black and white (0 and 255, or one bit) only: each connected part is an instance, or the whole mask with --whole
  RGB in the colours of DAVIS' or YouTube-VOS' palette
No blurred or antialiased edges, so no JPEG."""

EXAMPLES = """\
examples:
  hodor convert images DUTS-TR/DUTS-TR-Image DUTS-TR/DUTS-TR-Mask --name duts_train
  hodor convert images my_photos my_masks --name my_photos --whole
  hodor convert images my_photos my_masks --name my_photos --binary --min_area 400"""

_MIN_AREA = 100
_BATCH = 32
_log = logging.getLogger(__name__)


@dataclass
class _Found:
    """What was found: numbers for the summary, and the first mask of each reading."""

    objects: int = 0
    specks: int = 0
    empty: int = 0
    readings: dict[Reading, Path] = field(default_factory=dict)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what `convert` reads."""
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


def convert(arguments: argparse.Namespace) -> None:
    """Converts a folder.

    Raises:
        HodorError: a folder, image or mask is missing or bad.
    """
    folder = existing_folder(arguments.images_folder, "the photographs")
    masks_folder = existing_folder(arguments.masks_folder, "the masks")
    target = TrainingSet.chosen(arguments.name, IMAGES, arguments)
    target.refuse_links(folder)
    photographs = _find_photographs(folder, masks_folder)
    reading = Reading.BINARY if arguments.binary else Reading.IDS if arguments.ids else Reading.AUTOMATIC
    jobs = [PhotographJob(batch, reading, arguments.whole, arguments.min_area) for batch in _batches(photographs, _BATCH)]
    workers = min(arguments.num_workers, len(jobs))
    found = _Found()

    def records() -> Iterator[Mapping[str, Any]]:
        with tqdm(total=len(photographs), desc="converting", unit="image", disable=None) as bar:
            for converted in ordered_map(convert_photographs, jobs, workers):
                for photograph in converted:
                    yield from _counted(photograph, found)
                bar.update(len(converted))

    count = target.publish(folder, OBJECT_LABELS, records())
    _summarise(found, count, arguments)


def _counted(photograph: ConvertedPhotograph, found: _Found) -> Iterator[Mapping[str, Any]]:
    """The photograph's record, if it has one, once its mask is known to be of the same kind as the others."""
    found.specks += photograph.specks
    if photograph.reading is not None:
        found.readings.setdefault(photograph.reading, photograph.mask)
    if len(found.readings) > 1:
        raise HodorError(
            f"{found.readings[Reading.BINARY]} is black and white, but {found.readings[Reading.IDS]} holds ids; "
            "say what they mean: --binary (all that is not black is an object) or --ids (255 is no object)"
        )
    if photograph.record is None:
        found.empty += 1
        return
    found.objects += len(photograph.record["segmentations"])
    yield photograph.record


def _summarise(found: _Found, count: int, arguments: argparse.Namespace) -> None:
    is_binary = Reading.BINARY in found.readings
    meaning = "all that is not black is an object" if is_binary else "values are ids, each is an instance"
    if arguments.whole:
        meaning = "one instance for each mask"
    elif is_binary:
        meaning += ", connected parts are its instances"
    _log.info("masks: %s", meaning)
    _log.info("%d images, %d objects", count, found.objects)
    if found.empty or found.specks:
        left_out = "left out: %d images without an object, %d parts of fewer than %d pixels"
        _log.info(left_out, found.empty, found.specks, arguments.min_area)


def _find_photographs(folder: Path, masks_folder: Path) -> list[Photograph]:
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
        Photograph(image.relative_to(folder).as_posix(), image, masks[stem]) for stem, image in images.items() if stem in masks
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


def _batches(photographs: Iterable[Photograph], size: int) -> Iterator[tuple[Photograph, ...]]:
    remaining = iter(photographs)
    while batch := tuple(islice(remaining, size)):
        yield batch

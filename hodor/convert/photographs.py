"""A photograph and its mask file as an image with instances."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from hodor.convert.clips import Clip, checked_size
from hodor.convert.instances import OBJECT_CATEGORY, Instance, image_record
from hodor.convert.masks import is_black_and_white, object_ids, read_labels
from hodor.formats import run_length
from hodor.formats.label_maps import VOID


class Reading(Enum):
    """What the values in mask files mean."""

    AUTOMATIC = "automatic"  # masks that are black and white are BINARY, the others IDS
    BINARY = "binary"  # everything that is not black is an object
    IDS = "ids"  # each value is an instance, 255 is background


@dataclass(frozen=True)
class Photograph:
    """An image and its mask.

    Attributes:
        name: the image's path relative to the folder of images.
        image: its file.
        mask: the mask's file.
    """

    name: str
    image: Path
    mask: Path


@dataclass(frozen=True)
class PhotographJob:
    """Photographs to convert together.

    Attributes:
        photographs: some of the data set's.
        reading: what the masks' values mean.
        whole: each mask is one instance.
        min_area: connected parts of fewer pixels are left out.
    """

    photographs: tuple[Photograph, ...]
    reading: Reading
    whole: bool
    min_area: int


@dataclass(frozen=True)
class ConvertedPhotograph:
    """What became of a photograph.

    Attributes:
        mask: the mask's file.
        record: the image as it stands in the JSON; None = no object is left.
        reading: how the mask was read; None = it is empty, which fits every reading.
        specks: how many connected parts were left out because they are small.
    """

    mask: Path
    record: Mapping[str, Any] | None
    reading: Reading | None
    specks: int


def convert_photographs(job: PhotographJob) -> list[ConvertedPhotograph]:
    """Reads some photographs' masks.

    Raises:
        HodorError: an image or mask is missing or bad, or they don't fit each other.
    """
    return [_convert(photograph, job) for photograph in job.photographs]


def _convert(photograph: Photograph, job: PhotographJob) -> ConvertedPhotograph:
    clip = Clip(photograph.name, photograph.image.parent, (photograph.image,), *checked_size(photograph.image))
    labels = read_labels(clip, 0, photograph.mask, binary=job.reading is Reading.BINARY)
    reading = job.reading
    if reading is Reading.AUTOMATIC:
        reading = Reading.BINARY if is_black_and_white(labels, photograph.mask) else Reading.IDS
    is_empty = not labels.any()
    if reading is Reading.IDS:
        labels[labels == VOID] = 0
    if reading is Reading.BINARY and not job.whole:
        instances, specks = _connected_parts(labels > 0, job.min_area)
    else:
        masks = [labels > 0] if job.whole else [labels == object_id for object_id in object_ids(labels)]
        instances, specks = [instance for instance in map(Instance.from_mask, masks) if instance is not None], 0
    record = None
    if instances:
        categories = [OBJECT_CATEGORY] * len(instances)
        record = image_record(photograph.name, clip.height, clip.width, instances, categories)
    return ConvertedPhotograph(photograph.mask, record, None if is_empty else reading, specks)


def _connected_parts(mask: np.ndarray, min_area: int) -> tuple[list[Instance], int]:
    """The parts of a mask `[H, W]` bool of which pixels touch by sides or corners, and how many were too small."""
    count, parts, statistics, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    instances = []
    for part, (left, top, width, height, area) in enumerate(statistics[1:].tolist(), start=1):
        if area >= min_area:
            instances.append(Instance(run_length.encode(parts == part), area, (left, top, width, height)))
    return instances, count - 1 - len(instances)

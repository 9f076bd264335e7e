"""The JSON of training data: objects, images and videos as they stand in it, written entry by entry."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hodor.formats import run_length

OBJECT_CATEGORY = 1
OBJECT_LABELS = {str(OBJECT_CATEGORY): "object"}  # of data sets that don't say what their objects are


class Instance(NamedTuple):
    """An object in an image.

    Attributes:
        segmentation: its mask, a run-length string.
        area: the number of its pixels, at least 1.
        box: (x, y, width, height) in pixels, the smallest that holds the mask.
    """

    segmentation: str
    area: int
    box: tuple[int, int, int, int]

    @classmethod
    def from_mask(cls, mask: np.ndarray) -> "Instance | None":
        """Describes a mask `[H, W]` bool; None where it is empty."""
        columns = np.flatnonzero(mask.any(axis=0))
        if not len(columns):
            return None
        rows = np.flatnonzero(mask.any(axis=1))
        left, top, right, bottom = (int(end) for end in (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
        return cls(run_length.encode(mask), int(np.count_nonzero(mask)), (left, top, right - left, bottom - top))


def image_record(
    path: str, size: tuple[int, int], instances: Sequence[Instance], categories: Sequence[int], **further: Any
) -> dict[str, Any]:
    """An image of `size` (height, width) with its objects."""
    return {
        **further,
        "image_path": path,
        "height": size[0],
        "width": size[1],
        "categories": list(categories),
        "segmentations": [instance.segmentation for instance in instances],
        "areas": [instance.area for instance in instances],
        "bboxes": [list(instance.box) for instance in instances],
    }


def video_record(
    video: str, size: tuple[int, int], categories: Mapping[int, int], frames: Mapping[str, Mapping[int, Instance]]
) -> dict[str, Any]:
    """A video of `size` (height, width) with the categories of its objects, and the objects in each frame by its file name."""
    return {
        "id": video,
        "height": size[0],
        "width": size[1],
        "image_paths": [f"{video}/{name}" for name in frames],
        "categories": {str(object_id): category for object_id, category in categories.items()},
        "tracks": [
            {str(i): {"seg": found.segmentation, "box": list(found.box), "area": found.area} for i, found in objects.items()}
            for objects in frames.values()
        ],
    }


def write_training_json(path: Path, key: str, labels: Mapping[str, str], records: Iterable[Mapping[str, Any]]) -> int:
    """Writes records with one line for each, taken one at a time; returns their number.

    Args:
        path: the file.
        key: "images" or "sequences".
        labels: names of the categories by their numbers.
        records: of `image_record` or `video_record`.
    """
    count = 0
    with path.open("w", encoding="ascii") as file:
        file.write(f'{{"meta": {json.dumps({"category_labels": dict(labels)})},\n"{key}": [')
        for record in records:
            file.write(("," if count else "") + "\n" + json.dumps(record))
            count += 1
        file.write("\n]}\n")
    return count

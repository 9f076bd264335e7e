"""One object's mask as training data has it: run-length string, area and bounding box."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hodor.formats import run_length

OBJECT_CATEGORY = 1
OBJECT_LABELS = {str(OBJECT_CATEGORY): "object"}  # of data sets that don't say what their objects are


@dataclass(frozen=True)
class Instance:
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

    def as_track(self) -> dict[str, Any]:
        """The object in one frame of a training video."""
        return {"seg": self.segmentation, "box": list(self.box), "area": self.area}


def image_record(
    image_path: str, height: int, width: int, instances: Sequence[Instance], categories: Sequence[int], **further: Any
) -> Mapping[str, Any]:
    """An image with its objects as it stands in the JSON of training images."""
    return {
        **further,
        "image_path": image_path,
        "height": height,
        "width": width,
        "categories": list(categories),
        "segmentations": [instance.segmentation for instance in instances],
        "areas": [instance.area for instance in instances],
        "bboxes": [list(instance.box) for instance in instances],
    }

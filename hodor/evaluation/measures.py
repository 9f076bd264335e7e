"""J and F, how well a mask fits the true one, and their statistics over time.

After F. Perazzi et al., "A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation", CVPR 2016, as the
evaluation of DAVIS 2017 computes them. Masks are arrays `[H, W]`, bool or 0 / not 0; scores lie in 0..1.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np

from hodor.media.boxes import bounding_box

_TOLERANCE = 0.008  # of the image's diagonal
_RECALL_THRESHOLD = 0.5


class Statistics(NamedTuple):
    """One object's scores over time in three numbers, or the mean of these over objects."""

    mean: float  # over all frames, 0..1
    recall: float  # share of frames with a score above 0.5, 0..1
    decay: float  # mean of the first quarter of the frames minus mean of the last one, -1..1


class Score(NamedTuple):
    """Statistics of J (region) and F (contour) of an object, or their plain means over several; NaN where no frame counts."""

    region: Statistics
    contour: Statistics

    @property
    def overall(self) -> float:
        """J&F: the mean of the means of J and F, 0..1."""
        return (self.region.mean + self.contour.mean) / 2


def region_similarity(prediction: np.ndarray, truth: np.ndarray) -> float:
    """J: intersection over union of two masks `[H, W]`, in 0..1; 1 where both are empty."""
    prediction, truth = np.asarray(prediction, dtype=bool), np.asarray(truth, dtype=bool)
    union = np.count_nonzero(prediction | truth)
    return np.count_nonzero(prediction & truth) / union if union else 1.0


def contour_accuracy(prediction: np.ndarray, truth: np.ndarray, tolerance: int | None = None) -> float:
    """F: harmonic mean of precision and recall of the boundary pixels of two masks `[H, W]`, in 0..1.

    A boundary pixel is matched when one of the other boundary lies within `tolerance` pixels (Euclidean distance), by default
    the `boundary_tolerance` of the masks' size.
    """
    if tolerance is None:
        tolerance = boundary_tolerance(*np.shape(truth))
    predicted, true = boundary_map(prediction), boundary_map(truth)
    predicted_count, true_count = np.count_nonzero(predicted), np.count_nonzero(true)
    if not (predicted_count and true_count):
        return float(predicted_count == true_count)  # precision or recall is 0, unless both boundaries are empty
    precision = np.count_nonzero(predicted & _dilated(true, tolerance)) / predicted_count
    recall = np.count_nonzero(true & _dilated(predicted, tolerance)) / true_count
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def boundary_tolerance(height: int, width: int) -> int:
    """How many pixels two boundaries may lie apart in an image of this size and still match."""
    return math.ceil(_TOLERANCE * float(np.linalg.norm((height, width))))


def boundary_map(mask: np.ndarray) -> np.ndarray:
    """The boundary of a mask `[H, W]` as `[H, W]` bool: pixels unlike their eastern, southern or south-eastern neighbour.

    Outside the image lies background, but the last row looks east only, the last column south only, and their common
    pixel is never a boundary.
    """
    mask = np.asarray(mask, dtype=bool)
    boundary = np.zeros_like(mask)
    here = mask[:-1, :-1]
    boundary[:-1, :-1] = (here ^ mask[:-1, 1:]) | (here ^ mask[1:, :-1]) | (here ^ mask[1:, 1:])
    boundary[-1, :-1] = mask[-1, :-1] ^ mask[-1, 1:]
    boundary[:-1, -1] = mask[:-1, -1] ^ mask[1:, -1]
    return boundary


def label_map_scores(prediction: np.ndarray, truth: np.ndarray, object_ids: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """J and F, each `[I]` float64 in 0..1, of I objects in label maps `[H, W]` uint8; one that is in neither scores 1.

    Each object is looked at in the smallest window that holds both of its masks and their neighbours, which changes no score:
    outside of it there is neither mask nor boundary, and where it ends inside the image, its last row and column are empty.
    """
    tolerance = boundary_tolerance(*truth.shape)
    region, contour = np.ones(len(object_ids)), np.ones(len(object_ids))
    for index, object_id in enumerate(object_ids):
        masks = prediction == object_id, truth == object_id
        box = bounding_box(masks[0] | masks[1])
        if box is not None:
            left, top, width, height = box
            window = np.s_[max(top - 1, 0) : top + height + 1, max(left - 1, 0) : left + width + 1]
            predicted, true = (mask[window] for mask in masks)
            region[index], contour[index] = region_similarity(predicted, true), contour_accuracy(predicted, true, tolerance)
    return region, contour


def statistics(values: Sequence[float] | np.ndarray) -> Statistics:
    """Mean, recall and decay of an object's scores `[N]` in the order of its frames; NaN where there are no scores."""
    values = np.asarray(values, dtype=np.float64)
    if len(values) == 0:
        return Statistics(math.nan, math.nan, math.nan)
    limits = np.round(np.linspace(1, len(values), 5) + 1e-10).astype(int) - 1
    first, last = values[limits[0] : limits[1] + 1], values[limits[3] : limits[4] + 1]
    recall = float((values > _RECALL_THRESHOLD).mean())
    return Statistics(float(values.mean()), recall, float(first.mean()) - float(last.mean()))


def mean_score(scores: Sequence[Score]) -> Score:
    """The plain mean over objects; those without scored frames don't count."""
    counted = np.array([score for score in scores if not math.isnan(score.overall)])
    if not len(counted):
        return Score(statistics([]), statistics([]))
    region, contour = np.ascontiguousarray(counted.transpose(1, 2, 0)).mean(axis=2).tolist()
    return Score(Statistics(*region), Statistics(*contour))


def _dilated(mask: np.ndarray, radius: int) -> np.ndarray:
    """All pixels of `[H, W]` that lie within `radius` of a mask's pixel (x^2 + y^2 <= radius^2), bool."""
    pixels = mask.view(np.uint8)
    result = pixels.copy()
    for rectangle in _disk_as_rectangles(radius):
        cv2.bitwise_or(result, cv2.dilate(pixels, rectangle), dst=result)
    return result.view(bool)


@lru_cache(maxsize=64)
def _disk_as_rectangles(radius: int) -> tuple[np.ndarray, ...]:
    """Centred rectangles whose union is exactly the disk: OpenCV dilates by these several times faster than by the disk."""
    widest_to_highest: dict[int, int] = {}
    for y in range(radius + 1):
        widest_to_highest[math.isqrt(radius * radius - y * y)] = y
    return tuple(np.ones((2 * y + 1, 2 * x + 1), dtype=np.uint8) for x, y in widest_to_highest.items())

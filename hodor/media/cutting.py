"""Masks of objects that are pointed at, by a box or by clicks: cut out of one image by colours (GrabCut), without a network."""

import logging
import math
from collections.abc import Sequence

import cv2
import numpy as np

from hodor.errors import HodorError
from hodor.media.boxes import bounding_box
from hodor.media.standing_out import most_like_an_object

_MIN_SIDE = 4  # of a box, in pixels
_MARGIN = 0.4  # how much of its surroundings is looked at, in sides of the box
_MIN_MARGIN = 8  # pixels
_WORKING_SIDE = 256  # the longer one of what is cut, in pixels
_CORES = (0.25, 0.5)  # what is surely the object: an ellipse of this part of the box's sides; the second if the first one fails
_MIN_REACH = 0.6  # an object fills the box that was drawn around it, or is not the object
_NOTHING = 0.3  # what reaches less far has hardly grown out of the core
_ITERATIONS = 3
_SMOOTHNESS = 1.0  # standard deviation, in pixels of the working size
_SMALL_PART = 0.1  # of the largest part's pixels: smaller ones are no parts of the object

_CLICK_SIDE = 176  # the longer side of the image for clicks, in pixels
_CLICK_SIZE = 2  # radius of what a click surely covers, in pixels of that
_REACHES = (0.09, 0.15, 0.24, 0.36, 0.55)  # sizes that are tried: radii within which the object may be, in sides of the image
_SEEN = 1.5  # a disc of so many of them is looked at
_SURE = 0.25  # a disc of so many of them is the object
_GROWTH = 1.6  # a region of fewer pixels than so many times what was surely the object is no find

_log = logging.getLogger(__name__)


def mask_of_box(image: np.ndarray, box: tuple[float, float, float, float]) -> np.ndarray:
    """Cuts out the object in an image [H, W, 3] uint8 that a box was drawn around; [H, W] bool, always the same.

    The box is (x0, y0, x1, y1) in pixels, x1 and y1 behind the last ones; what lies outside the image is cut off. The mask is
    True somewhere, and only in the box: where no object stands out it is the ellipse in it, and a warning says so.

    Raises:
        HodorError: the box is outside the image, or has a side of fewer than 4 pixels.
    """
    left, top, right, bottom = _clipped(box, *image.shape[:2])
    across, down = (max(_MIN_MARGIN, round(_MARGIN * side)) for side in (right - left, bottom - top))
    x, y = max(0, left - across), max(0, top - down)
    crop = image[y : bottom + down, x : right + across]
    mask = np.zeros(image.shape[:2], dtype=bool)
    found = _cut_box(crop, np.array([left - x, top - y, right - x, bottom - y]))[top - y : bottom - y, left - x : right - x]
    if not found.any():
        _log.warning("box %s: nothing in it stands out from its surroundings; the ellipse in it is taken", _written(box))
        found = _radii(bottom - top, right - left, (0, 0, right - left, bottom - top)) < 1
    mask[top:bottom, left:right] = found
    return mask


def _cut_box(crop: np.ndarray, box: np.ndarray) -> np.ndarray:
    """The object in a box (left, top, right, bottom) in `[h, w, 3]`, `[h, w]` bool; all False where none stands out."""
    height, width = crop.shape[:2]
    small = _at_most(crop, _WORKING_SIDE)
    rows, columns = small.shape[:2]
    place = box * ([columns / width, rows / height] * 2)
    radii = _radii(rows, columns, place.tolist())
    left, top, right, bottom = np.round(place).astype(int)
    best, best_reach = np.zeros((rows, columns), dtype=bool), 0.0
    for core in _CORES:
        labels = np.full((rows, columns), cv2.GC_BGD, np.uint8)
        labels[top:bottom, left:right] = cv2.GC_PR_FGD
        if (labels == cv2.GC_PR_FGD).all():  # no surroundings: what is not in the ellipse has to do
            labels[radii > 1] = cv2.GC_PR_BGD
        labels[radii < core] = cv2.GC_FGD
        found = _large_parts(_grab_cut(small, labels))
        _, _, across, down = bounding_box(found) or (0, 0, 0, 0)
        reach = across * down / max(1, (right - left) * (bottom - top))
        if reach > best_reach:
            best, best_reach = found, reach
        if best_reach >= _MIN_REACH:
            break
    return _resized(best if best_reach >= _NOTHING else np.zeros_like(best), width, height)


def mask_of_click(
    image: np.ndarray, points: Sequence[tuple[float, float]], *, not_points: Sequence[tuple[float, float]] = ()
) -> np.ndarray:
    """Cuts out the object in an image [H, W, 3] uint8 that was clicked on; [H, W] bool, always the same.

    All `points`, (x, y) in pixels, one or more, are on the object, and the mask is True there; `not_points` aren't. How large
    the object is nobody said, so several sizes are tried, and the best one to see is taken.

    Raises:
        HodorError: there is no point, or one lies outside the image.
    """
    height, width = image.shape[:2]
    if not points:
        raise HodorError("a click: no point is on the object; click on it once or more")
    for point in (*points, *not_points):
        if not (0 <= point[0] < width and 0 <= point[1] < height):
            raise HodorError(f"click {_written(point)}: lies outside the frame, which is {width}x{height}; click on the object")
    small = _at_most(image, _CLICK_SIDE)
    scale = small.shape[1] / width, small.shape[0] / height
    near, far = (_distance(small.shape[:2], places, scale) for places in (points, not_points))
    regions, grown = [], []
    for reach in np.array(_REACHES) * max(near.shape):
        sure = near <= max(_CLICK_SIZE, _SURE * reach)
        regions.append(_region(small, near, far, reach, sure))
        if regions[-1].sum() > _GROWTH * sure.sum():
            grown.append(regions[-1])
    mask = _resized(most_like_an_object(small, grown or regions[:1], near < 1), width, height)
    for x, y in points:
        mask[int(y), int(x)] = True
    return mask


def _region(image: np.ndarray, near: np.ndarray, far: np.ndarray, reach: float, sure: np.ndarray) -> np.ndarray:
    """The part of `[h, w, 3]` that belongs to what was clicked on, if it is about as large as `reach`, `[h, w]` bool.

    `near` and `far` `[h, w]` are distances to the closest click on the object, and on what it isn't; `sure`, `[h, w]` bool, is
    taken for the object.
    """
    labels = np.full(near.shape, cv2.GC_BGD, np.uint8)
    labels[near < _SEEN * reach] = cv2.GC_PR_BGD
    labels[near < reach] = cv2.GC_PR_FGD
    labels[far <= _CLICK_SIZE] = cv2.GC_BGD
    labels[sure & (near <= far)] = cv2.GC_FGD
    if _is_object(labels).all():
        labels[near == near.max()] = cv2.GC_PR_BGD
    found = _grab_cut(cv2.cvtColor(image, cv2.COLOR_RGB2LAB), labels) | (near <= _CLICK_SIZE)
    _, parts = cv2.connectedComponents(found.astype(np.uint8), connectivity=4)
    return _filled(np.isin(parts, parts[near < 1])) & (far > _CLICK_SIZE) | (near < 1)


def _distance(size: tuple[int, int], points: Sequence[tuple[float, float]], scale: tuple[float, float]) -> np.ndarray:
    """How far each pixel is from the closest point, in pixels, `[h, w]`; very far where there is none."""
    elsewhere = np.ones(size, np.uint8)
    for x, y in points:
        elsewhere[min(int((y + 0.5) * scale[1]), size[0] - 1), min(int((x + 0.5) * scale[0]), size[1] - 1)] = 0
    return cv2.distanceTransform(elsewhere, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)


def _grab_cut(image: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """GrabCut from `labels` [H, W] uint8 (GC_...), which become its result; returns the foreground, smooth, [H, W] bool."""
    if 0 < _is_object(labels).mean() < 1:  # else one of the two has no colours to learn from
        cv2.setRNGSeed(0)
        background, foreground = np.zeros((2, 1, 65))
        no_box = (0, 0, 1, 1)  # is not looked at, given labels
        cv2.grabCut(image, labels, no_box, background, foreground, _ITERATIONS, cv2.GC_INIT_WITH_MASK)
    return np.asarray(cv2.GaussianBlur(_is_object(labels).astype(np.float32), (0, 0), _SMOOTHNESS) > 0.5)


def _is_object(labels: np.ndarray) -> np.ndarray:
    return np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD))


def _clipped(box: tuple[float, float, float, float], height: int, width: int) -> tuple[int, int, int, int]:
    if not (box[0] < box[2] and box[1] < box[3]):
        raise HodorError(f"box {_written(box)}: is empty; first the upper left corner, then the lower right one, in pixels")
    left, top, right, bottom = np.clip(box, 0, (width, height) * 2).tolist()
    left, top, right, bottom = math.floor(left), math.floor(top), math.ceil(right), math.ceil(bottom)
    if right <= left or bottom <= top:
        raise HodorError(f"box {_written(box)}: lies outside the frame, which is {width}x{height}; draw it around the object")
    if min(right - left, bottom - top) < _MIN_SIDE:
        raise HodorError(
            f"box {_written(box)}: {right - left}x{bottom - top} pixels of it are in the frame, fewer than {_MIN_SIDE} a side; "
            "draw it around the whole object"
        )
    return left, top, right, bottom


def _written(numbers: Sequence[float]) -> str:
    return ",".join(f"{number:g}" for number in numbers)


def _at_most(image: np.ndarray, side: int) -> np.ndarray:
    """An image whose longer side is no longer than `side`."""
    scale = min(1.0, side / max(image.shape[:2]))
    size = [max(1, round(length * scale)) for length in image.shape[1::-1]]
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _resized(mask: np.ndarray, width: int, height: int) -> np.ndarray:
    return np.asarray(cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR) > 0.5)


def _radii(height: int, width: int, box: Sequence[float]) -> np.ndarray:
    """How far each pixel is from a box's centre, [H, W], measured so that the ellipse in the box has the radius 1."""
    left, top, right, bottom = box
    across = (np.arange(width) + 0.5 - (left + right) / 2) / ((right - left) / 2)
    down = (np.arange(height) + 0.5 - (top + bottom) / 2) / ((bottom - top) / 2)
    return np.hypot(across, down[:, None])


def _large_parts(mask: np.ndarray) -> np.ndarray:
    """A mask without its small parts and without holes."""
    _, parts, statistics, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    areas = statistics[:, cv2.CC_STAT_AREA]
    large = areas >= _SMALL_PART * areas[1:].max(initial=1)
    large[0] = False
    return _filled(large[parts])


def _filled(mask: np.ndarray) -> np.ndarray:
    """A mask without holes."""
    outside = np.pad(mask.astype(np.uint8), 1)
    cv2.floodFill(outside, None, (0, 0), 2)
    return np.asarray(outside[1:-1, 1:-1] != 2)

"""Objects drawn into frames: tinted, outlined so that it shows on any ground, and named in a legend."""

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import ArrayLike

from hodor.errors import HodorError
from hodor.media.boxes import bounding_box
from hodor.media.colours import object_palette
from hodor.media.legend import draw_legend

__all__ = ["draw", "object_palette"]

OPACITY = 0.45
"""Of the colours within objects, where nobody says otherwise."""
_LINE = 270
"""A line is a pixel wide for every so many pixels of the frame's shorter side, and at least one."""
_LIGHTENED = 0.35
"""How much white is in the light line."""
_DARKENED = 0.25
"""What the dark line leaves of the frame's brightness."""


def draw(
    image: ArrayLike,
    labels: ArrayLike,
    *,
    palette: np.ndarray | None = None,
    opacity: float = OPACITY,
    outline: bool = True,
    names: Mapping[int, str] | None = None,
    confidences: Mapping[int, float] | None = None,
) -> np.ndarray:
    """Draws objects into a frame. Neither argument is changed.

    Args:
        image: [H, W, 3] uint8, R, G, B: an array, a tensor of the CPU, or a PIL image.
        labels: [H, W], object ids 0..255, 0 for none; likewise.
        palette: [256, 3] uint8, a colour for each id; None takes those of `object_palette`.
        opacity: of the colours within objects, 0 to 1.
        outline: a light line within each object along its border, and a dark one outside.
        names: {object id: name} to be listed in a legend.
        confidences: {object id: 0 to 1} to be shown as bars in the legend; a NaN is shown as unknown.

    Returns:
        [H, W, 3] uint8.

    Raises:
        HodorError: the image or the labels are something else, or don't have the same size.
    """
    image, labels = _checked(image, labels)
    colours = object_palette() if palette is None else palette
    result = image.copy()
    if box := bounding_box(labels):
        width = max(round(min(labels.shape) / _LINE), 1)
        part = tuple(slice(max(first - 2 * width, 0), first + length + 2 * width) for first, length in (box[1::2], box[::2]))
        tinted = cv2.addWeighted(image[part], 1 - opacity, _coloured(labels[part], colours), opacity, 0)
        cv2.copyTo(tinted, labels[part], result[part])
        if outline:
            _outline(result[part], labels[part], colours, width)
    if names or confidences:
        draw_legend(result, colours, names or {}, confidences or {})
    return result


def _checked(image: ArrayLike, labels: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """[H, W, 3] and [H, W], uint8."""
    picture, ids = (np.asarray(each) for each in (image, labels))
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise HodorError(f"draw takes a frame [H, W, 3] of uint8, not {list(picture.shape)} of {picture.dtype}")
    if ids.shape != picture.shape[:2] or ids.dtype.kind not in "buif":
        raise HodorError(
            f"draw takes a label map of the frame's size {list(picture.shape[:2])}, not {list(ids.shape)} of {ids.dtype}"
        )
    if ids.dtype != np.uint8:
        if ids.size and not ((ids >= 0) & (ids <= 255) & (ids == ids.astype(np.uint8))).all():
            raise HodorError("draw takes a label map of object ids 0..255")
        ids = ids.astype(np.uint8)
    return picture, ids


def _outline(image: np.ndarray, labels: np.ndarray, colours: np.ndarray, width: int) -> None:
    """Draws lines of some width into `image`. Where objects touch there is a dark line as well, half of it in each."""
    is_object = labels > 0
    near = cv2.dilate(labels, _disc(width))
    dark = ~is_object & (near > 0)
    light = is_object & _near_others(labels, width)
    if width > 1:  # else objects that touch would have nothing but dark lines
        others = np.where(is_object, labels, near)  # the ground takes no part
        seam = is_object & _near_others(others, width // 2)
        dark |= seam
    lightened = cv2.addWeighted(colours, 1 - _LIGHTENED, np.full_like(colours, 255), _LIGHTENED, 0)
    cv2.copyTo(_coloured(labels, lightened), light.view(np.uint8), image)
    cv2.copyTo(cv2.LUT(image, (np.arange(256) * _DARKENED).astype(np.uint8)), dark.view(np.uint8), image)


def _coloured(labels: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """`colours[labels]`, [H, W, 3], sooner."""
    return cv2.LUT(cv2.merge([labels] * 3), colours[None])


def _near_others(labels: np.ndarray, distance: int) -> np.ndarray:
    """[H, W] bool: where there is another label within some pixels."""
    disc = _disc(distance)
    return (cv2.dilate(labels, disc) != labels) | (cv2.erode(labels, disc) != labels)


def _disc(radius: int) -> np.ndarray:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE if radius > 1 else cv2.MORPH_CROSS, (2 * radius + 1, 2 * radius + 1))

"""Objects drawn into frames: tinted, outlined so that it shows on any ground, and named in a legend."""

from collections.abc import Mapping

import cv2
import numpy as np

from hodor.media.colours import object_palette
from hodor.media.legend import draw_legend

__all__ = ["draw", "object_palette"]

_OPACITY = 0.45
_LINE = 270
"""A line is a pixel wide for every so many pixels of the frame's shorter side, and at least one."""
_LIGHTENED = 0.35
"""How much white is in the light line."""
_DARKENED = 0.25
"""What the dark line leaves of the frame's brightness."""


def draw(
    image: np.ndarray,
    labels: np.ndarray,
    *,
    palette: np.ndarray | None = None,
    opacity: float = _OPACITY,
    outline: bool = True,
    names: Mapping[int, str] | None = None,
    confidences: Mapping[int, float] | None = None,
) -> np.ndarray:
    """Draws objects into a frame. Neither argument is changed.

    Args:
        image: [H, W, 3] uint8, R, G, B.
        labels: [H, W] uint8, object ids, 0 for none.
        palette: [256, 3] uint8, a colour for each id; None takes those of `object_palette`.
        opacity: of the colours within objects, 0 to 1.
        outline: a light line within each object along its border, and a dark one outside.
        names: {object id: name} to be listed in a legend.
        confidences: {object id: 0 to 1} to be shown as bars in the legend; a NaN is shown as unknown.

    Returns:
        [H, W, 3] uint8.
    """
    colours = object_palette() if palette is None else palette
    result = image.copy()
    if labels.any():
        width = max(round(min(labels.shape) / _LINE), 1)
        part = _around_objects(labels, 2 * width)
        tinted = cv2.addWeighted(image[part], 1 - opacity, colours[labels[part]], opacity, 0)
        np.copyto(result[part], tinted, where=(labels[part] > 0)[..., None])
        if outline:
            _outline(result[part], labels[part], colours, width)
    if names or confidences:
        draw_legend(result, colours, names or {}, confidences or {})
    return result


def _around_objects(labels: np.ndarray, margin: int) -> tuple[slice, slice]:
    """The smallest part of a label map [H, W] that holds all objects, and some pixels around them."""
    left, top, width, height = cv2.boundingRect(labels)
    return slice(max(top - margin, 0), top + height + margin), slice(max(left - margin, 0), left + width + margin)


def _outline(image: np.ndarray, labels: np.ndarray, colours: np.ndarray, width: int) -> None:
    """Draws lines of some width into `image`. Where objects touch there is a dark line as well, half of it in each."""
    is_object = labels > 0
    dark = ~is_object & (cv2.dilate(labels, _disc(width)) > 0)
    light = is_object & _near_others(labels, width)
    if width > 1:  # else objects that touch would have nothing but dark lines
        others = np.where(is_object, labels, cv2.dilate(labels, _disc(width)))  # the ground takes no part
        seam = is_object & _near_others(others, width // 2)
        dark |= seam
    lightened = cv2.addWeighted(colours, 1 - _LIGHTENED, np.full_like(colours, 255), _LIGHTENED, 0)
    image[light] = lightened[labels[light]]
    image[dark] = (image[dark] * _DARKENED).astype(np.uint8)


def _near_others(labels: np.ndarray, distance: int) -> np.ndarray:
    """[H, W] bool: where there is another label within some pixels."""
    disc = _disc(distance)
    return (cv2.dilate(labels, disc) != labels) | (cv2.erode(labels, disc) != labels)


def _disc(radius: int) -> np.ndarray:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE if radius > 1 else cv2.MORPH_CROSS, (2 * radius + 1, 2 * radius + 1))

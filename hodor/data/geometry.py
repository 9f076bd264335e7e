"""Frames and what moves their pixels: affine and perspective warps, enlarged crops, flips, the final resize; and their draws.

Images are interpolated, labels take the nearest pixel by pixel centres, and what a warp moves in from outside is known.
Positions are (x, y) in pixels; the centre of the first pixel is (0, 0). Shapes are (height, width).
"""

from typing import NamedTuple, TypeAlias

import cv2
import numpy as np

from hodor.config.schema import CropStrengths
from hodor.media.boxes import bounding_box

Shape: TypeAlias = tuple[int, ...]
Window: TypeAlias = tuple[slice, slice]
"""Rows and columns of a rectangle in a frame: `pixels[window]` is what lies in it."""


class Frame(NamedTuple):
    """An image on its way through augmentation."""

    image: np.ndarray  # [H, W, 3] uint8, R, G, B
    labels: np.ndarray  # [H, W] uint8, 0 for the background
    inside: np.ndarray | None = None  # [H, W] float32, the part of each pixel that is of the image, 0..1; None = 1 everywhere


def draw_affine(
    shape: Shape, random: np.random.Generator, *, rotation: float, shear: float, shift: float = 0, scale: float = 0
) -> np.ndarray:
    """Draws an `affine_matrix` with angles and shifts up to these; sizes change by a factor from 1 / (1 + scale) to 1 + scale.

    No factor is drawn where `scale` is 0.
    """
    angles = {"rotation": random.uniform(-rotation, rotation), "shear": random.uniform(-shear, shear)}
    shifts = random.uniform(-shift, shift, 2)
    factor = (1 + scale) ** random.uniform(-1, 1) if scale else 1.0
    return affine_matrix(shape, **angles, shift=shifts, scale=factor)


def affine_matrix(
    shape: Shape, *, rotation: float, shear: float, shift: np.ndarray | float = 0.0, scale: float = 1.0
) -> np.ndarray:
    """The map `[2, 3]` of positions in a frame that shears, rotates and scales about the centre, then shifts.

    `rotation` and `shear` are in degrees, `shift` is in parts of width and height, `scale` a factor of lengths. The shear with
    the tangent t is [[1 - t^2, -t], [t, 1]], more of a rotation than of a shear.
    """
    tangent = np.tan(np.deg2rad(shear))
    linear = scale * turn(rotation) @ np.array([[1 - tangent**2, -tangent], [tangent, 1]])
    size = np.array(shape[::-1])
    return centred(linear, shape, (size - 1) / 2 + shift * size)


def turn(degrees: float) -> np.ndarray:
    """The rotation `[2, 2]` of positions by an angle."""
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.array([[cosine, -sine], [sine, cosine]])


def centred(linear: np.ndarray, shape: Shape, place: np.ndarray) -> np.ndarray:
    """The map `[2, 3]` of positions that does `linear` `[2, 2]` about a frame's centre, and brings this to a place (x, y)."""
    return np.column_stack([linear, place - linear @ ((np.array(shape[::-1]) - 1) / 2)])


def draw_perspective(shape: Shape, scale: tuple[float, ...], random: np.random.Generator) -> np.ndarray:
    """Draws a map `[3, 3]` that zooms in: corners lie inwards by |N(0, s)| of the sides, s from the range `scale`."""
    deviation = random.uniform(scale[0], scale[1])
    while True:
        inwards = np.abs(random.normal(0, deviation, (4, 2)))
        if inwards.max() < 0.49:  # else the quadrilateral could turn over
            return perspective_matrix(shape, inwards)


def perspective_matrix(shape: Shape, inwards: np.ndarray) -> np.ndarray:
    """The map `[3, 3]` of positions that stretches a quadrilateral in a frame to the whole frame.

    `inwards` `[4, 2]` says how far its corners (top left, top right, bottom right, bottom left) lie inwards from the frame's,
    in parts of width and height.
    """
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=np.float64)
    quadrilateral = (corners + (1 - 2 * corners) * inwards) * shape[::-1] - 0.5
    return cv2.getPerspectiveTransform(quadrilateral.astype(np.float32), (corners * shape[::-1] - 0.5).astype(np.float32))


def warp(frame: Frame, matrix: np.ndarray) -> Frame:
    """Moves a frame's pixels by a map of positions, `[2, 3]` or `[3, 3]`; black comes in from outside."""
    function = cv2.warpAffine if len(matrix) == 2 else cv2.warpPerspective
    size = frame.labels.shape[::-1]
    inside = np.ones(frame.labels.shape, dtype=np.float32) if frame.inside is None else frame.inside
    image, inside = (function(pixels, matrix, size, flags=cv2.INTER_LINEAR) for pixels in (frame.image, inside))
    return Frame(image, function(frame.labels, matrix, size, flags=cv2.INTER_NEAREST), inside)


def enlarge(frame: Frame, window: Window) -> Frame:
    """Enlarges what is in a window to the size of the frame, bicubically."""
    size = frame.labels.shape[::-1]
    image = cv2.resize(frame.image[window], size, interpolation=cv2.INTER_CUBIC)
    labels = cv2.resize(frame.labels[window], size, interpolation=cv2.INTER_NEAREST_EXACT)
    inside = None if frame.inside is None else cv2.resize(frame.inside[window], size, interpolation=cv2.INTER_LINEAR)
    return Frame(image, labels, inside)


def flip(frame: Frame) -> Frame:
    """Mirrors a frame, left to right."""
    inside = None if frame.inside is None else cv2.flip(frame.inside, 1)
    return Frame(cv2.flip(frame.image, 1), cv2.flip(frame.labels, 1), inside)


def finish(frame: Frame, shape: Shape) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Brings a frame to a shape, bilinearly without antialiasing.

    Gives the image, `[3, H, W]` float32, 0..255; whether each pixel is valid, `[H, W]` bool, False where more than half of it
    comes from outside the image; labels `[H, W]` uint8. Image and labels are 0 where it is not valid.
    """
    size = shape[::-1]
    image = cv2.resize(frame.image.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    labels = cv2.resize(frame.labels, size, interpolation=cv2.INTER_NEAREST_EXACT)
    valid = np.ones(shape, dtype=bool)
    if frame.inside is not None:
        valid = cv2.resize(frame.inside, size, interpolation=cv2.INTER_LINEAR) >= 0.5
        image[~valid] = 0
        labels[~valid] = 0
    return np.stack(cv2.split(image)), valid, labels


def draw_window(shape: Shape, factor: float, random: np.random.Generator) -> Window:
    """Draws a window anywhere in a frame whose sides are `factor` of the frame's."""
    height, width = _scaled(shape, factor)
    return _span(0, shape[0] - height, height, random), _span(0, shape[1] - width, width, random)


def draw_reference_window(
    labels: np.ndarray, strengths: CropStrengths, min_area: float, random: np.random.Generator
) -> Window | None:
    """Draws the crop of a reference frame with the labels `[H, W]` uint8; None where no crop is good.

    The first factors are tried in turn until every object keeps enough of its area and `min_area` pixels, before the crop is
    enlarged; then those for crops that hold all objects.
    """
    for factor in strengths.crop_factors:
        window = draw_window(labels.shape, factor, random)
        if keeps_enough(labels, labels[window], strengths.kept_area, min_area):
            return window
    box = bounding_box(labels)
    if box is None:
        return None
    (left, top, box_width, box_height), (rows, columns) = box, labels.shape
    for factor in strengths.whole_crop_factors:
        height, width = _scaled(labels.shape, factor)
        if box_height <= height and box_width <= width:
            vertical = _span(max(top + box_height - height, 0), min(top, rows - height), height, random)
            return vertical, _span(max(left + box_width - width, 0), min(left, columns - width), width, random)
    return None


def _scaled(shape: Shape, factor: float) -> list[int]:
    return [max(round(side * factor), 1) for side in shape]


def _span(first: int, last: int, length: int, random: np.random.Generator) -> slice:
    """So many pixels in a row, which begin anywhere from `first` to `last`."""
    start = int(random.integers(first, last + 1))
    return slice(start, start + length)


def keeps_enough(before: np.ndarray, after: np.ndarray, kept_area: float, min_area: float) -> bool:
    """Whether every object of some labels (uint8, any shapes) keeps that part of its area and that many pixels."""
    areas = np.bincount(before.ravel(), minlength=256)[1:]
    kept = np.bincount(after.ravel(), minlength=256)[1:][areas > 0]
    return bool((kept >= kept_area * areas[areas > 0]).all() and (kept >= min_area).all())

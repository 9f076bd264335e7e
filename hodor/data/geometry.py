"""Frames and what moves their pixels: affine and perspective warps, enlarged crops, flips, the final resize; and their draws.

Images are interpolated, labels take the nearest pixel by pixel centres, and what a warp moves in from outside is known.
Positions are (x, y) in pixels; the centre of the first pixel is (0, 0).
"""

from typing import NamedTuple

import cv2
import numpy as np

from hodor.config.schema import CropStrengths
from hodor.media.boxes import bounding_box


class Frame(NamedTuple):
    """An image on its way through augmentation.

    Attributes:
        image: `[H, W, 3]` uint8, R, G, B.
        labels: `[H, W]` uint8, 0 for the background.
        inside: `[H, W]` float32, the part of each pixel that comes from the image, 0..1; None = 1 everywhere.
    """

    image: np.ndarray
    labels: np.ndarray
    inside: np.ndarray | None = None


class Window(NamedTuple):
    """A rectangle of whole pixels in a frame."""

    top: int
    left: int
    height: int
    width: int

    def of(self, pixels: np.ndarray) -> np.ndarray:
        """The part of `[H, W, ...]` in the window, a view."""
        return pixels[self.top : self.top + self.height, self.left : self.left + self.width]


class FinishedFrame(NamedTuple):
    """A frame at the size of the sample.

    Attributes:
        image: `[3, H, W]` float32, R, G, B, 0..255; 0 where it is not valid.
        valid: `[H, W]` bool, False where the pixel comes from outside the image.
        labels: `[H, W]` uint8, 0 for the background and where it is not valid.
    """

    image: np.ndarray
    valid: np.ndarray
    labels: np.ndarray


def affine_matrix(
    height: int, width: int, *, rotation: float, shear: float, shift: tuple[float, float] = (0.0, 0.0), scale: float = 1.0
) -> np.ndarray:
    """The map `[2, 3]` of positions in a frame that shears, rotates and scales about the centre, then shifts.

    `rotation` and `shear` are in degrees, `shift` is in parts of width and height, `scale` a factor of lengths. The shear with
    the tangent t is [[1 - t^2, -t], [t, 1]], more of a rotation than of a shear.
    """
    tangent = np.tan(np.deg2rad(shear))
    linear = scale * turn(rotation) @ np.array([[1 - tangent**2, -tangent], [tangent, 1]])
    place = np.array([width - 1, height - 1]) / 2 + np.array(shift) * (width, height)
    return centred(linear, height, width, place)


def turn(degrees: float) -> np.ndarray:
    """The rotation `[2, 2]` of positions by an angle."""
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.array([[cosine, -sine], [sine, cosine]])


def centred(linear: np.ndarray, height: int, width: int, place: np.ndarray) -> np.ndarray:
    """The map `[2, 3]` of positions that does `linear` `[2, 2]` about a frame's centre, and brings this to a place (x, y)."""
    return np.column_stack([linear, place - linear @ (np.array([width - 1, height - 1]) / 2)])


def draw_affine(
    height: int, width: int, random: np.random.Generator, *, rotation: float, shear: float, shift: float = 0, scale: float = 0
) -> np.ndarray:
    """Draws an affine map `[2, 3]`.

    Angles in degrees, the shift in parts of the sides, each the largest of its range; sizes change by a factor between
    1 / (1 + scale) and 1 + scale, for which nothing is drawn where it is 0.
    """
    return affine_matrix(
        height,
        width,
        rotation=random.uniform(-rotation, rotation),
        shear=random.uniform(-shear, shear),
        shift=(random.uniform(-shift, shift), random.uniform(-shift, shift)),
        scale=(1 + scale) ** random.uniform(-1, 1) if scale else 1.0,
    )


def perspective_matrix(height: int, width: int, inwards: np.ndarray) -> np.ndarray:
    """The map `[3, 3]` of positions that stretches a quadrilateral in a frame to the whole frame.

    `inwards` `[4, 2]` says how far its corners (top left, top right, bottom right, bottom left) lie inwards from the frame's,
    in parts of width and height.
    """
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=np.float64)
    size = np.array([width, height], dtype=np.float64)
    quadrilateral = (corners + (1 - 2 * corners) * inwards) * size - 0.5
    return cv2.getPerspectiveTransform(quadrilateral.astype(np.float32), (corners * size - 0.5).astype(np.float32))


def draw_perspective(height: int, width: int, scale: tuple[float, ...], random: np.random.Generator) -> np.ndarray:
    """Draws a map `[3, 3]` that zooms in: corners lie inwards by |N(0, s)| of the sides, s from the range `scale`."""
    deviation = random.uniform(scale[0], scale[1])
    while True:
        inwards = np.abs(random.normal(0, deviation, (4, 2)))
        if inwards.max() < 0.49:  # else the quadrilateral could turn over
            return perspective_matrix(height, width, inwards)


def warp(frame: Frame, matrix: np.ndarray) -> Frame:
    """Moves a frame's pixels by a map of positions, `[2, 3]` or `[3, 3]`; black comes in from outside."""
    inside = np.ones(frame.labels.shape, dtype=np.float32) if frame.inside is None else frame.inside
    image = _warp(frame.image, matrix, cv2.INTER_LINEAR)
    return Frame(image, warp_labels(frame.labels, matrix), _warp(inside, matrix, cv2.INTER_LINEAR))


def warp_labels(labels: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Moves labels `[H, W]` as `warp` does."""
    return _warp(labels, matrix, cv2.INTER_NEAREST)


def _warp(pixels: np.ndarray, matrix: np.ndarray, interpolation: int) -> np.ndarray:
    function = cv2.warpAffine if len(matrix) == 2 else cv2.warpPerspective
    return function(pixels, matrix, (pixels.shape[1], pixels.shape[0]), flags=interpolation)


def enlarge(frame: Frame, window: Window) -> Frame:
    """Enlarges what is in a window to the size of the frame, bicubically."""
    height, width = frame.labels.shape
    image = cv2.resize(window.of(frame.image), (width, height), interpolation=cv2.INTER_CUBIC)
    labels = cv2.resize(window.of(frame.labels), (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    inside = frame.inside
    if inside is not None:
        inside = cv2.resize(window.of(inside), (width, height), interpolation=cv2.INTER_LINEAR)
    return Frame(image, labels, inside)


def flip(frame: Frame) -> Frame:
    """Mirrors a frame, left to right."""
    inside = None if frame.inside is None else cv2.flip(frame.inside, 1)
    return Frame(cv2.flip(frame.image, 1), cv2.flip(frame.labels, 1), inside)


def finish(frame: Frame, size: tuple[int, int]) -> FinishedFrame:
    """Brings a frame to `size` (height, width), bilinearly without antialiasing.

    A pixel is outside where the part of it that is says so by more than one half.
    """
    to = (size[1], size[0])
    image = cv2.resize(frame.image.astype(np.float32), to, interpolation=cv2.INTER_LINEAR)
    labels = cv2.resize(frame.labels, to, interpolation=cv2.INTER_NEAREST_EXACT)
    valid = np.ones(size, dtype=bool)
    if frame.inside is not None:
        valid = cv2.resize(frame.inside, to, interpolation=cv2.INTER_LINEAR) >= 0.5
        image[~valid] = 0
        labels[~valid] = 0
    return FinishedFrame(np.stack(cv2.split(image)), valid, labels)


def area_size(height: int, width: int, area: int) -> tuple[int, int]:
    """The size (height, width) of about `area` pixels with the aspect of an image."""
    new_height = max(int(np.sqrt(height / width * area)), 1)
    return new_height, max(area // new_height, 1)


def draw_window(height: int, width: int, factor: float, random: np.random.Generator) -> Window:
    """Draws a window anywhere in a frame whose sides are `factor` of the frame's."""
    size = _scaled(height, width, factor)
    top, left = (int(random.integers(side - part + 1)) for side, part in zip((height, width), size, strict=True))
    return Window(top, left, *size)


def draw_reference_window(
    labels: np.ndarray, strengths: CropStrengths, min_area: float, random: np.random.Generator
) -> Window | None:
    """Draws the crop of a reference frame with the labels `[H, W]` uint8; None where no crop is good.

    The first factors are tried in turn until every object keeps enough of its area and `min_area` pixels, before the crop is
    enlarged; then those for crops that hold all objects.
    """
    height, width = labels.shape
    for factor in strengths.crop_factors:
        window = draw_window(height, width, factor, random)
        if keeps_enough(labels, window.of(labels), strengths.kept_area, min_area):
            return window
    box = bounding_box(labels)
    if box is None:
        return None
    left, top, box_width, box_height = box
    for factor in strengths.whole_crop_factors:
        size = _scaled(height, width, factor)
        if box_height <= size[0] and box_width <= size[1]:
            lowest = max(top + box_height - size[0], 0), max(left + box_width - size[1], 0)
            highest = min(top, height - size[0]), min(left, width - size[1])
            top, left = (int(random.integers(low, high + 1)) for low, high in zip(lowest, highest, strict=True))
            return Window(top, left, *size)
    return None


def _scaled(height: int, width: int, factor: float) -> tuple[int, int]:
    return max(round(height * factor), 1), max(round(width * factor), 1)


def keeps_enough(before: np.ndarray, after: np.ndarray, kept_area: float, min_area: float) -> bool:
    """Whether every object of some labels (uint8, any shapes) keeps that part of its area and that many pixels."""
    areas = np.bincount(before.ravel(), minlength=256)[1:]
    kept = np.bincount(after.ravel(), minlength=256)[1:][areas > 0]
    return bool((kept >= kept_area * areas[areas > 0]).all() and (kept >= min_area).all())

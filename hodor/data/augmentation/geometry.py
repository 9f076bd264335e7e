"""Frames and what moves their pixels: affine and perspective warps, enlarged crops, flips, the final resize.

Images are interpolated, labels take the nearest pixel by pixel centres, and what a warp moves in from outside is known.
Positions are (x, y) in pixels; the centre of the first pixel is (0, 0).
"""

from typing import NamedTuple

import cv2
import numpy as np


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
    """The map `[2, 3]` of positions that shears, rotates and scales about the centre, then shifts.

    Args:
        height: of the frame, in pixels.
        width: of the frame, in pixels.
        rotation: in degrees.
        shear: in degrees; with its tangent t it is [[1 - t^2, -t], [t, 1]], more of a rotation than of a shear.
        shift: in parts of width and height.
        scale: factor of lengths.
    """
    angle, tangent = np.deg2rad(rotation), np.tan(np.deg2rad(shear))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = scale * turn @ np.array([[1 - tangent**2, -tangent], [tangent, 1]])
    centre = np.array([width - 1, height - 1]) / 2
    offset = centre + np.array(shift) * (width, height) - linear @ centre
    return np.column_stack([linear, offset])


def perspective_matrix(height: int, width: int, inwards: np.ndarray) -> np.ndarray:
    """The map `[3, 3]` of positions that stretches a quadrilateral in the frame to the whole frame.

    Args:
        height: of the frame, in pixels.
        width: of the frame, in pixels.
        inwards: `[4, 2]`, how far its corners (top left, top right, bottom right, bottom left) lie inwards from the frame's, in
            parts of width and height.
    """
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=np.float64)
    size = np.array([width, height], dtype=np.float64)
    quadrilateral = (corners + (1 - 2 * corners) * inwards) * size - 0.5
    return cv2.getPerspectiveTransform(quadrilateral.astype(np.float32), (corners * size - 0.5).astype(np.float32))


def warp(frame: Frame, matrix: np.ndarray) -> Frame:
    """Moves a frame's pixels by a map of positions, `[2, 3]` or `[3, 3]`; black comes in from outside."""
    inside = np.ones(frame.labels.shape, dtype=np.float32) if frame.inside is None else frame.inside
    image = _warp(frame.image, matrix, cv2.INTER_LINEAR)
    return Frame(image, warp_labels(frame.labels, matrix), _warp(inside, matrix, cv2.INTER_LINEAR))


def warp_labels(labels: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Moves labels `[H, W]` as `warp` does."""
    return _warp(labels, matrix, cv2.INTER_NEAREST)


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
    if frame.inside is None:
        return FinishedFrame(_channels_first(image), np.ones(size, dtype=bool), labels)
    valid = cv2.resize(frame.inside, to, interpolation=cv2.INTER_LINEAR) >= 0.5
    image[~valid] = 0
    labels[~valid] = 0
    return FinishedFrame(_channels_first(image), valid, labels)


def area_size(height: int, width: int, area: int) -> tuple[int, int]:
    """The size (height, width) of about `area` pixels with the aspect of an image."""
    new_height = max(int(np.sqrt(height / width * area)), 1)
    return new_height, max(area // new_height, 1)


def _channels_first(image: np.ndarray) -> np.ndarray:
    return np.stack(cv2.split(image))


def _warp(pixels: np.ndarray, matrix: np.ndarray, interpolation: int) -> np.ndarray:
    function = cv2.warpAffine if len(matrix) == 2 else cv2.warpPerspective
    return function(pixels, matrix, (pixels.shape[1], pixels.shape[0]), flags=interpolation)

"""Random windows and warps, and the rule that accepts those that leave enough of every object."""

import numpy as np

from hodor.config.strengths import CropStrengths
from hodor.data.augmentation.geometry import Window, affine_matrix, perspective_matrix
from hodor.formats.label_maps import bounding_box


def draw_window(height: int, width: int, factor: float, random: np.random.Generator) -> Window:
    """Draws a window anywhere in a frame whose sides are `factor` of the frame's."""
    size = _scaled(height, width, factor)
    top, left = (int(random.integers(side - part + 1)) for side, part in zip((height, width), size, strict=True))
    return Window(top, left, *size)


def draw_reference_window(
    labels: np.ndarray, strengths: CropStrengths, min_area: float, random: np.random.Generator
) -> Window | None:
    """Draws the crop of a reference frame.

    Args:
        labels: `[H, W]` uint8 of the reference frame.
        strengths: the factors; the first ones are tried in turn, then those for crops that hold all objects.
        min_area: pixels that every object must keep, before the crop is enlarged.
        random: where the choices come from.

    Returns:
        The window; None where no crop is good.
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
        lowest = max(top + box_height - size[0], 0), max(left + box_width - size[1], 0)
        highest = min(top, height - size[0]), min(left, width - size[1])
        if lowest[0] <= highest[0] and lowest[1] <= highest[1]:
            top, left = (int(random.integers(low, high + 1)) for low, high in zip(lowest, highest, strict=True))
            return Window(top, left, *size)
    return None


def keeps_enough(before: np.ndarray, after: np.ndarray, kept_area: float, min_area: float) -> bool:
    """Whether every object of some labels (uint8, any shapes) keeps that part of its area and that many pixels."""
    areas = np.bincount(before.ravel(), minlength=256)[1:]
    kept = np.bincount(after.ravel(), minlength=256)[1:][areas > 0]
    return bool((kept >= kept_area * areas[areas > 0]).all() and (kept >= min_area).all())


def draw_affine(
    height: int,
    width: int,
    random: np.random.Generator,
    *,
    rotation: float,
    shear: float,
    shift: float = 0.0,
    scale: float = 0.0,
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


def draw_perspective(height: int, width: int, scale: tuple[float, ...], random: np.random.Generator) -> np.ndarray:
    """Draws a map `[3, 3]` that zooms in: corners lie inwards by |N(0, s)| of the sides, s from the range `scale`."""
    deviation = random.uniform(scale[0], scale[1])
    while True:
        inwards = np.abs(random.normal(0, deviation, (4, 2)))
        if inwards.max() < 0.49:  # else the quadrilateral could turn over
            return perspective_matrix(height, width, inwards)


def _scaled(height: int, width: int, factor: float) -> tuple[int, int]:
    return max(round(height * factor), 1), max(round(width * factor), 1)

"""A clip made of one photograph: a reference frame and copies that moved."""

import numpy as np

from hodor.config.strengths import StaticStrengths
from hodor.data.augmentation.draws import draw_affine, draw_perspective, draw_reference_window, draw_window
from hodor.data.augmentation.geometry import Frame, Window, enlarge, flip, warp


def static_clip(
    scene: Frame,
    copies: int,
    strengths: StaticStrengths,
    min_area: float,
    random: np.random.Generator,
    *,
    cropping: bool = True,
) -> list[Frame]:
    """Makes a clip; its reference frame keeps at least half of every object.

    Args:
        scene: the photograph, colours already changed.
        copies: the number of further frames.
        strengths: how far they move.
        min_area: pixels that every object keeps in a cropped reference.
        random: where the choices come from.
        cropping: False = all clips are of the strong kind.

    Returns:
        1 + copies frames of the photograph's size, the reference first.
    """
    if random.random() < strengths.strong_share or not cropping:
        frames = [scene, *(_strong_copy(scene, strengths, random) for _ in range(copies))]
    else:
        window = draw_reference_window(scene.labels, strengths, min_area, random)
        reference = scene if window is None else enlarge(scene, window)
        factor = random.choice(strengths.crop_factors)
        frames = [reference, *(_cropped_copy(scene, factor, strengths, random) for _ in range(copies))]
    return [flip(frame) for frame in frames] if random.random() < strengths.flip_share else frames


def _strong_copy(scene: Frame, strengths: StaticStrengths, random: np.random.Generator) -> Frame:
    height, width = scene.labels.shape
    weights = np.array(strengths.strong_kinds)
    kind = random.choice(len(weights), p=weights / weights.sum())
    if kind == 0:
        return warp(
            scene,
            draw_affine(
                height,
                width,
                random,
                rotation=strengths.rotation,
                shear=strengths.shear,
                shift=strengths.shift,
                scale=strengths.scale,
            ),
        )
    if kind == 1:
        return warp(scene, draw_perspective(height, width, strengths.perspective, random))
    margin = random.uniform(strengths.margin[0], strengths.margin[1])
    top, left = round(margin * height), round(margin * width)
    return enlarge(scene, Window(top, left, max(height - 2 * top, 1), max(width - 2 * left, 1)))


def _cropped_copy(scene: Frame, factor: float, strengths: StaticStrengths, random: np.random.Generator) -> Frame:
    height, width = scene.labels.shape
    frame = enlarge(scene, draw_window(height, width, factor, random))
    if random.random() < strengths.copy_warp_share:
        matrix = draw_affine(height, width, random, rotation=strengths.copy_rotation, shear=strengths.copy_shear)
        frame = warp(frame, matrix)
    return frame

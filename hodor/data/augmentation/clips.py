"""Clips: made of one photograph, a reference frame and copies that moved; or of a video, all frames changed alike."""

from collections.abc import Sequence

import numpy as np

from hodor.config.strengths import StaticStrengths, VideoStrengths
from hodor.data.augmentation.draws import draw_affine, draw_perspective, draw_reference_window, draw_window, keeps_enough
from hodor.data.augmentation.geometry import Frame, Window, enlarge, flip, warp, warp_labels


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


def augment_video_clip(
    frames: Sequence[Frame],
    strengths: VideoStrengths,
    min_area: float,
    random: np.random.Generator,
    *,
    cropping: bool = True,
    geometric: bool = True,
) -> list[Frame]:
    """Mirrors half of the clips, then crops half of them and warps the others.

    Args:
        frames: the clip, the reference first; its objects keep at least half of their pixels and `min_area` of them.
        strengths: how far.
        min_area: in pixels.
        random: where the choices come from.
        cropping: False = what would be cropped stays as it is.
        geometric: False = what would be warped stays as it is.
    """
    if random.random() < strengths.flip_share:
        frames = [flip(frame) for frame in frames]
    if random.random() < strengths.crop_share:
        if cropping and (window := draw_reference_window(frames[0].labels, strengths, min_area, random)):
            return [enlarge(frame, window) for frame in frames]
    elif geometric and (matrix := _draw_warp(frames[0].labels, strengths, min_area, random)) is not None:
        return [warp(frame, matrix) for frame in frames]
    return list(frames)


def _draw_warp(
    labels: np.ndarray, strengths: VideoStrengths, min_area: float, random: np.random.Generator
) -> np.ndarray | None:
    """A map of positions that leaves enough of every object; None where none was found."""
    height, width = labels.shape
    for _ in range(strengths.warp_tries):
        if random.random() < strengths.perspective_share:
            matrix = draw_perspective(height, width, strengths.perspective, random)
        else:
            matrix = draw_affine(height, width, random, rotation=strengths.rotation, shear=strengths.shear)
        if keeps_enough(labels, warp_labels(labels, matrix), strengths.kept_area, min_area):
            return matrix
    return None

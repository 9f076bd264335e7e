"""Clips: made of one photograph, a reference frame and copies that moved; or of a video, all frames changed alike."""

from collections.abc import Sequence

import numpy as np

from hodor.config.schema import StaticStrengths, VideoStrengths
from hodor.data.geometry import (
    Frame,
    Window,
    draw_affine,
    draw_perspective,
    draw_reference_window,
    draw_window,
    enlarge,
    flip,
    keeps_enough,
    warp,
    warp_labels,
)


def static_clip(
    scene: Frame,
    copies: int,
    strengths: StaticStrengths,
    min_area: float,
    random: np.random.Generator,
    *,
    cropping: bool = True,
) -> list[Frame]:
    """Makes a clip of a photograph, whose colours were changed already: the reference first, then some copies.

    The reference keeps enough of every object, and `min_area` pixels where it is cropped. Without cropping all clips are of the
    strong kind.
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
        turn = {"rotation": strengths.rotation, "shear": strengths.shear}
        return warp(scene, draw_affine(height, width, random, **turn, shift=strengths.shift, scale=strengths.scale))
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
    """Mirrors some clips (the reference is first), then crops some and warps the others.

    The reference's objects keep enough of their area and `min_area` pixels. Without cropping, what would be cropped stays as
    it is; without geometric changes, what would be warped.
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

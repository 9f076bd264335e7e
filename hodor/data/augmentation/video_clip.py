"""Flips, crops and warps of a clip of a video: the same for all its frames."""

from collections.abc import Sequence

import numpy as np

from hodor.config.strengths import VideoStrengths
from hodor.data.augmentation.draws import draw_affine, draw_perspective, draw_reference_window, keeps_enough
from hodor.data.augmentation.geometry import Frame, enlarge, flip, warp, warp_labels


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

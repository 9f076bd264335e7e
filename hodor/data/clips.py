"""Clips: made of one photograph, a reference frame and copies that moved, with objects of other photographs pasted in, each of
which moves on its own, hides others, and may be hidden; or of a video, all frames changed alike.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from hodor.config.schema import StaticStrengths, VideoStrengths
from hodor.data.geometry import (
    Frame,
    Window,
    centred,
    draw_affine,
    draw_perspective,
    draw_reference_window,
    draw_window,
    enlarge,
    flip,
    keeps_enough,
    turn,
    warp,
    warp_labels,
)
from hodor.media.boxes import bounding_box

_LARGEST_SIDE = 0.9  # of a pasted object, in parts of the frame's
_TRIES = 4  # to paste an object


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


class CutOut(NamedTuple):
    """An object without its surroundings.

    Attributes:
        image: `[h, w, 3]` uint8, the box around it.
        mask: `[h, w]` uint8, 255 on the object.
    """

    image: np.ndarray
    mask: np.ndarray


def cut_out(image: np.ndarray, mask: np.ndarray) -> CutOut:
    """Cuts the object with the mask `[H, W]` (bool, not empty) out of an image `[H, W, 3]`."""
    left, top, width, height = bounding_box(mask) or (0, 0, *mask.shape[::-1])
    box = np.s_[top : top + height, left : left + width]
    return CutOut(image[box], mask[box].astype(np.uint8) * 255)


def paste(
    frames: Sequence[Frame], pasted: CutOut, label: int, strengths: StaticStrengths, random: np.random.Generator
) -> list[Frame] | None:
    """Pastes a cut-out onto every frame of a clip (the reference is first), elsewhere in each.

    Its id is `label`, or 0 where it is only to be in the way. None where no place was found in which every object of the
    reference keeps enough of its area.
    """
    height, width = frames[0].labels.shape
    pasted = _scaled(pasted, height, width, random.uniform(strengths.pasted_area[0], strengths.pasted_area[1]))
    for _ in range(_TRIES):
        place = random.uniform(0.1, 0.9, 2) * (width, height)
        reference = _painted(frames[0], _placed(pasted, place), pasted, label)
        if keeps_enough(frames[0].labels, reference.labels, strengths.kept_area, 1):
            matrices = [_moved(pasted, place, (width, height), strengths, random) for _ in frames[1:]]
            return [reference, *(_painted(*moved, pasted, label) for moved in zip(frames[1:], matrices, strict=True))]
    return None


def _scaled(pasted: CutOut, height: int, width: int, area: float) -> CutOut:
    """A cut-out at the size at which it covers `area` of a frame, as far as its sides allow."""
    factor = np.sqrt(area * height * width / np.count_nonzero(pasted.mask))
    factor = min(factor, _LARGEST_SIDE * height / pasted.mask.shape[0], _LARGEST_SIDE * width / pasted.mask.shape[1])
    size = max(round(factor * pasted.mask.shape[1]), 1), max(round(factor * pasted.mask.shape[0]), 1)
    interpolation = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return CutOut(*(cv2.resize(part, size, interpolation=interpolation) for part in pasted))


def _moved(
    pasted: CutOut, place: np.ndarray, size: tuple[int, int], strengths: StaticStrengths, random: np.random.Generator
) -> np.ndarray:
    """The map that brings a cut-out somewhere near a place in a frame of some size (width, height)."""
    place = place + random.uniform(-strengths.pasted_shift, strengths.pasted_shift, 2) * size
    angle = random.uniform(-strengths.pasted_rotation, strengths.pasted_rotation)
    return _placed(pasted, place, angle, random.uniform(1 - strengths.pasted_stretch, 1 + strengths.pasted_stretch, 2))


def _placed(pasted: CutOut, place: np.ndarray, angle: float = 0.0, stretch: np.ndarray | float = 1.0) -> np.ndarray:
    """The map `[2, 3]` of positions that brings a cut-out, stretched and turned by degrees, to a place (x, y) in a frame."""
    return centred(turn(angle) * stretch, pasted.mask.shape[0], pasted.mask.shape[1], place)


def _painted(frame: Frame, matrix: np.ndarray, pasted: CutOut, label: int) -> Frame:
    """A frame with a cut-out on top, whose border is blended."""
    size = (frame.labels.shape[1], frame.labels.shape[0])
    share = cv2.warpAffine(pasted.mask, matrix, size, flags=cv2.INTER_LINEAR).astype(np.float32) / 255
    colours = cv2.warpAffine(pasted.image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    image = frame.image + share[..., None] * (colours - frame.image.astype(np.float32))
    labels = np.where(share > 0.5, np.uint8(label), frame.labels)
    inside = None if frame.inside is None else np.maximum(frame.inside, share)
    return Frame((image + 0.5).astype(np.uint8), labels, inside)


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

"""Objects cut out of other photographs, pasted into a clip: each moves on its own, hides others, and may be hidden."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from hodor.config.schema import StaticStrengths
from hodor.data.geometry import Frame, keeps_enough
from hodor.formats.label_maps import bounding_box

_LARGEST_SIDE = 0.9  # of a pasted object, in parts of the frame's
_TRIES = 4


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
    cosine, sine = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    linear = np.array([[cosine, -sine], [sine, cosine]]) * stretch
    centre = np.array([pasted.mask.shape[1] - 1, pasted.mask.shape[0] - 1]) / 2
    return np.column_stack([linear, place - linear @ centre])


def _painted(frame: Frame, matrix: np.ndarray, pasted: CutOut, label: int) -> Frame:
    """A frame with a cut-out on top, whose border is blended."""
    size = (frame.labels.shape[1], frame.labels.shape[0])
    share = cv2.warpAffine(pasted.mask, matrix, size, flags=cv2.INTER_LINEAR).astype(np.float32) / 255
    colours = cv2.warpAffine(pasted.image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    image = frame.image + share[..., None] * (colours - frame.image.astype(np.float32))
    labels = np.where(share > 0.5, np.uint8(label), frame.labels)
    inside = None if frame.inside is None else np.maximum(frame.inside, share)
    return Frame((image + 0.5).astype(np.uint8), labels, inside)

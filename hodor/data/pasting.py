"""Objects of other photographs pasted into a clip, each of which moves on its own, hides others, and may be hidden."""

import cv2
import numpy as np

from hodor.config.schema import StaticStrengths
from hodor.data.geometry import Frame, centred, keeps_enough, turn
from hodor.media.boxes import bounding_box

_LARGEST_SIDE = 0.9  # of a pasted object, in parts of the frame's
_TRIES = 4  # to paste an object


def paste(
    frames: list[Frame], other: Frame, label: int, strengths: StaticStrengths, random: np.random.Generator
) -> list[Frame]:
    """Pastes the objects of another photograph onto every frame of a clip (the reference is first), elsewhere in each.

    They get the id `label`, 0 where they are only to be in the way. The clip stays as it is where no place was found in which
    every object of the reference keeps enough of its area.
    """
    size = np.array(frames[0].labels.shape[::-1])
    cut_out = _cut_out(other, size, random.uniform(strengths.pasted_area[0], strengths.pasted_area[1]))
    for _ in range(_TRIES):
        place = random.uniform(0.1, 0.9, 2) * size
        clip = [_painted(frames[0], cut_out, label, place, np.eye(2))]
        if keeps_enough(frames[0].labels, clip[0].labels, strengths.kept_area, 1):
            for frame in frames[1:]:
                near = place + random.uniform(-strengths.pasted_shift, strengths.pasted_shift, 2) * size
                angle = random.uniform(-strengths.pasted_rotation, strengths.pasted_rotation)
                stretch = random.uniform(1 - strengths.pasted_stretch, 1 + strengths.pasted_stretch, 2)
                clip.append(_painted(frame, cut_out, label, near, turn(angle) * stretch))
            return clip
    return frames


def _cut_out(other: Frame, size: np.ndarray, area: float) -> tuple[np.ndarray, np.ndarray]:
    """The box around the objects of a frame, `[h, w, 3]` uint8, and their mask there, `[h, w]` uint8, 255 on the objects.

    They cover the part `area` of a frame of `size` (width, height), as far as the sides of the box allow.
    """
    mask = np.where(other.labels, np.uint8(255), np.uint8(0))
    left, top, *sides = bounding_box(mask) or (0, 0, *mask.shape[::-1])
    box = np.s_[top : top + sides[1], left : left + sides[0]]
    factor = min(np.sqrt(area * size[1] * size[0] / np.count_nonzero(mask)), *(_LARGEST_SIDE * size / sides))
    to = [max(round(factor * side), 1) for side in sides]
    interpolation = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return cv2.resize(other.image[box], to, interpolation=interpolation), cv2.resize(mask[box], to, interpolation=interpolation)


def _painted(frame: Frame, cut_out: tuple[np.ndarray, np.ndarray], label: int, place: np.ndarray, linear: np.ndarray) -> Frame:
    """A frame with a cut-out on top, at a place (x, y), turned and stretched by `linear` `[2, 2]`; its border is blended."""
    colours, mask = cut_out
    matrix, size = centred(linear, mask.shape, place), frame.labels.shape[::-1]
    share = cv2.warpAffine(mask, matrix, size, flags=cv2.INTER_LINEAR).astype(np.float32) / 255
    colours = cv2.warpAffine(colours, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    image = frame.image + share[..., None] * (colours - frame.image.astype(np.float32))
    labels = np.where(share > 0.5, np.uint8(label), frame.labels)
    inside = None if frame.inside is None else np.maximum(frame.inside, share)
    return Frame((image + 0.5).astype(np.uint8), labels, inside)

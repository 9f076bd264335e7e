"""Photographs with their ground cut away, on smooth paths: they move, turn, bend, grow and change their brightness."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

_SPARE = 1.25  # pixels of a picture per pixel of its largest appearance: more would alias, fewer would blur
_MOMENTS = 5  # a frame is the mean of as many


class Pose(NamedTuple):
    """Where a cut-out is and what it looks like there.

    Attributes:
        x: its centre as a fraction of the frame's width.
        y: its centre as a fraction of the frame's height.
        height: its own height as a fraction of the frame's.
        width: its width as a factor of what the photograph has at that height: below 1 it seems to turn away.
        angle: in degrees, clockwise.
        bend: how far its middle is pushed sideways, as a fraction of its height.
        light: its brightness as a factor.
    """

    x: float
    y: float
    height: float
    width: float
    angle: float
    bend: float
    light: float


def pose_at(keys: Sequence[Pose], progress: float) -> Pose:
    """The pose on a smooth curve (Catmull and Rom's) through `keys`.

    Args:
        keys: at least two, equally far apart in time.
        progress: 0 is at the first key and 1 at the last; a little beyond them the curve goes on.
    """
    points = np.array([2 * np.array(keys[0]) - keys[1], *keys, 2 * np.array(keys[-1]) - keys[-2]])
    place = progress * (len(keys) - 1)
    start = int(np.clip(np.floor(place), 0, len(keys) - 2))
    a, b, c, d = points[start : start + 4]
    t = place - start
    return Pose(*(float(value) for value in b + t / 2 * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))))


@dataclass(frozen=True)
class Cutout:
    """A picture of one thing, and its path.

    Attributes:
        picture: `[h, w, 4]` float32: R, G, B in 0..255, each times the opacity, and the opacity in 0..1.
        keys: its poses, equally far apart in time, from the beginning to the end of the clip.
    """

    picture: np.ndarray
    keys: tuple[Pose, ...]

    def drawn(self, progress: float, opening: float, size: tuple[int, int]) -> np.ndarray:
        """What the camera catches of it in one frame, blurred by its motion while the shutter is open.

        Args:
            progress: the middle of that time; 0 is the beginning of the clip and 1 its end.
            opening: how long it lasts, in the same measure.
            size: (height, width) of the frame.

        Returns:
            `[H, W, 4]` float32, like `picture`.
        """
        moments = progress + opening * np.linspace(-0.5, 0.5, _MOMENTS)
        return np.mean([self._at(pose_at(self.keys, moment), size) for moment in moments], axis=0)

    def _at(self, pose: Pose, size: tuple[int, int]) -> np.ndarray:
        height, width = size
        own_height, own_width = self.picture.shape[:2]
        scale = own_height / (pose.height * height)  # pixels of the picture per pixel of the frame
        columns, rows = np.meshgrid(
            np.arange(width, dtype=np.float32) + np.float32(0.5 - pose.x * width),
            np.arange(height, dtype=np.float32) + np.float32(0.5 - pose.y * height),
        )
        cosine, sine = np.float32(np.cos(np.deg2rad(pose.angle))), np.float32(np.sin(np.deg2rad(pose.angle)))
        down = (rows * cosine - columns * sine) * np.float32(scale) + np.float32(own_height / 2)
        bow = np.sin(np.pi * np.clip(down / own_height, 0, 1)) * np.float32(pose.bend * own_height)
        across = (columns * cosine + rows * sine) * np.float32(scale / pose.width) - bow + np.float32(own_width / 2)
        drawn = cv2.remap(self.picture, across - 0.5, down - 0.5, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        return drawn * np.array([pose.light] * 3 + [1], dtype=np.float32)


def read_cutout(file: Path, keys: tuple[Pose, ...], frame_height: int) -> Cutout:
    """Reads a PNG with transparency, no larger than frames of this height need it."""
    with Image.open(file) as opened:
        straight = np.array(opened.convert("RGBA"), dtype=np.float32)
    opacity = straight[..., 3:] / 255
    picture = np.concatenate([straight[..., :3] * opacity, opacity], axis=2)
    scale = _SPARE * frame_height * max(key.height for key in keys) / len(picture)
    if scale < 1:
        sides = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
        picture = cv2.resize(picture, sides, interpolation=cv2.INTER_AREA)
    return Cutout(picture, keys)

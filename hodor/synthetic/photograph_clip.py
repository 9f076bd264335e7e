"""A clip made of photographs: a cat, a space shuttle and a cup of coffee meet at a launch site. With exact label maps.

The pictures are free; photographs/LICENSES.md names whose they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from hodor.media.images import read_image
from hodor.synthetic.clip import Clip

MIN_HEIGHT = 48
_FRAMES = 32
_SPARE = 1.25  # pixels of a picture per pixel of its largest appearance: more would alias, fewer would blur
_MOMENTS = 5  # a frame is the mean of as many
_FOLDER = Path(__file__).parent / "photographs"
_GROUND = "launch_site.jpg"
_OPENING = 0.5  # how long the shutter is open, in frames
_CAMERA = ((0.47, 0.55, 0.80), (0.53, 0.50, 0.72))  # centre (x, y) and height of what it sees of the ground: at first, at last


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


# From back to front: poses at equal distances in time (x, y, height, width, angle, bend, light).
_CAST: dict[str, tuple[Pose, ...]] = {
    "coffee": (
        Pose(0.17, 0.70, 0.33, 1.00, 20, 0.00, 1.00),
        Pose(0.25, 0.50, 0.31, 1.00, 4, 0.00, 1.05),
        Pose(0.41, 0.24, 0.28, 1.00, -16, 0.00, 1.00),
        Pose(0.64, 0.30, 0.28, 1.00, -34, 0.00, 0.95),
        Pose(0.74, 0.58, 0.32, 1.00, -50, 0.00, 1.00),
    ),
    "cat": (
        Pose(0.68, 0.17, 0.64, 1.00, 5, 0.00, 0.92),
        Pose(0.62, 0.22, 0.66, 0.95, 0, 0.02, 0.96),
        Pose(0.49, 0.23, 0.67, 0.92, -5, 0.04, 1.00),
        Pose(0.36, 0.21, 0.66, 0.98, -3, 0.01, 0.98),
        Pose(0.30, 0.16, 0.64, 1.03, 4, -0.02, 0.94),
    ),
    "shuttle": (
        Pose(0.70, 0.76, 0.54, 1.00, -4, 0.00, 0.95),
        Pose(0.72, 0.61, 0.52, 1.00, 5, 0.00, 1.00),
        Pose(0.75, 0.43, 0.48, 1.00, 14, 0.00, 1.05),
        Pose(0.82, 0.27, 0.43, 1.00, 22, 0.00, 1.00),
        Pose(0.91, 0.20, 0.38, 1.00, 32, 0.00, 0.95),
    ),
}


@dataclass(frozen=True)
class PhotographClip(Clip):
    """A video of cut-out photographs; always the same, only longer or larger.

    The objects' ids count from 1, from back to front. All are seen in frame 0; the coffee disappears behind the cat and comes
    back, the cat is partly covered by the shuttle.

    Attributes:
        frames: 1 or more; the same motion, spread over so many.
        height: in pixels, at least 48; the width is 16/9 of it. Above 300 the photographs have no more detail to show.

    Raises:
        ValueError: one of them is out of range.
    """

    frames: int = _FRAMES
    height: int = 240

    def __post_init__(self) -> None:
        if self.frames < 1 or self.height < MIN_HEIGHT:
            raise ValueError(f"frames {self.frames} must be at least 1 and the height {self.height} at least {MIN_HEIGHT}")

    @property
    def width(self) -> int:
        """In pixels."""
        return round(self.height * 16 / 9)

    @property
    def names(self) -> dict[int, str]:
        """What each object is, by its id, from back to front."""
        return dict(enumerate(_CAST, start=1))

    def _drawn(self, time: int) -> tuple[np.ndarray, np.ndarray]:
        """A pixel's label is the frontmost object whose opacity there is above one half."""
        picture = self._ground_at(time)
        labels = np.zeros(picture.shape[:2], np.uint8)
        for object_id in self.names:
            layer = self.layer(object_id, time)
            picture *= 1 - layer[..., 3:]
            picture += layer[..., :3]
            labels[layer[..., 3] > 0.5] = object_id
        return picture, labels

    def _grain(self, time: int) -> tuple[float, list[int]]:
        return 2.5, [time]

    def layer(self, object_id: int, time: int) -> np.ndarray:
        """One object alone, as if nothing were in front of it.

        Args:
            object_id: one of `names`.
            time: 0..frames - 1.

        Returns:
            `[H, W, 4]` float32: R, G, B in about 0..255, each times the opacity, and the opacity in 0..1.
        """
        opening = _OPENING / max(_FRAMES - 1, self.frames - 1)  # fewer frames jump further, but don't blur more
        return self._cutouts[object_id].drawn(self._progress(time), opening, (self.height, self.width))

    def _progress(self, time: int) -> float:
        return time / max(1, self.frames - 1)

    def _ground_at(self, time: int) -> np.ndarray:
        """What the camera sees behind all objects, `[H, W, 3]` float32 in 0..255."""
        progress = self._progress(time)
        progress *= progress * (3 - 2 * progress)  # it starts and stops gently
        x, y, part = (1 - progress) * np.array(_CAMERA[0]) + progress * np.array(_CAMERA[1])
        height, width = self._ground.shape[:2]
        scale = part * height / self.height
        left, top = x * width - scale * self.width / 2, y * height - scale * self.height / 2
        middle = scale / 2 - 0.5  # of the first pixel, counted between the centres of pixels
        matrix = np.array([[scale, 0, left + middle], [0, scale, top + middle]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(self._ground, matrix, (self.width, self.height), flags=flags, borderMode=cv2.BORDER_REFLECT)

    @cached_property
    def _cutouts(self) -> dict[int, Cutout]:
        return {
            object_id: read_cutout(_FOLDER / f"{name}.png", _CAST[name], self.height) for object_id, name in self.names.items()
        }

    @cached_property
    def _ground(self) -> np.ndarray:
        ground = read_image(_FOLDER / _GROUND).astype(np.float32)
        scale = min(1.0, 1.25 * self.height / (min(camera[2] for camera in _CAMERA) * len(ground)))
        sides = (round(ground.shape[1] * scale), round(ground.shape[0] * scale))
        return cv2.resize(ground, sides, interpolation=cv2.INTER_AREA)

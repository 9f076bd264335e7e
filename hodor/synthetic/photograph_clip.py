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
from hodor.synthetic.clip import Clip, add_grain

_FRAMES = 32
_SPARE = 1.25  # pixels of a picture per pixel of its largest appearance: more would alias, fewer would blur
_MOMENTS = 5  # a frame is the mean of as many
_FOLDER = Path(__file__).parent / "photographs"
_OPENING = 0.5  # how long the shutter is open, in frames
_CAMERA = ((0.47, 0.55, 0.80), (0.53, 0.50, 0.72))  # centre (x, y) and height of what it sees of the ground: at first, at last


class Pose(NamedTuple):
    """Where a cut-out is and what it looks like there.

    Its centre (x, y) is in fractions of the frame's width and height, and so is its own `height`; `width` is a factor of what
    the photograph has at that height: below 1 it seems to turn away. `angle` is in degrees, clockwise; `bend` is how far its
    middle is pushed sideways, as a fraction of its height; `light` is its brightness as a factor.
    """

    x: float
    y: float
    height: float
    width: float
    angle: float
    bend: float
    light: float


def pose_at(keys: Sequence[Pose], progress: float) -> Pose:
    """The pose on a smooth curve (Catmull and Rom's) through `keys`, two or more, from 0 to 1 and a little beyond."""
    points = np.array([2 * np.array(keys[0]) - keys[1], *keys, 2 * np.array(keys[-1]) - keys[-2]])
    place = progress * (len(keys) - 1)
    start = int(np.clip(np.floor(place), 0, len(keys) - 2))
    before, first, second, after = points[start : start + 4]
    part = place - start
    curvature = 2 * before - 5 * first + 4 * second - after + part * (3 * (first - second) + after - before)
    return Pose(*(first + part / 2 * (second - before + part * curvature)).tolist())


def draw_cutout(picture: np.ndarray, pose: Pose, size: tuple[int, int]) -> np.ndarray:
    """A cut-out in a frame of `size`, `[H, W, 4]` float32: R, G, B, 0..255, each times the opacity, and the opacity, 0..1."""
    height, width = size
    own_height, own_width = picture.shape[:2]
    scale = own_height / (pose.height * height)  # pixels of the picture per pixel of the frame
    columns, rows = np.meshgrid(
        np.arange(width, dtype=np.float32) + np.float32(0.5 - pose.x * width),
        np.arange(height, dtype=np.float32) + np.float32(0.5 - pose.y * height),
    )
    cosine, sine = np.float32(np.cos(np.deg2rad(pose.angle))), np.float32(np.sin(np.deg2rad(pose.angle)))
    down = (rows * cosine - columns * sine) * np.float32(scale) + np.float32(own_height / 2)
    bow = np.sin(np.pi * np.clip(down / own_height, 0, 1)) * np.float32(pose.bend * own_height)
    across = (columns * cosine + rows * sine) * np.float32(scale / pose.width) - bow + np.float32(own_width / 2)
    drawn = cv2.remap(picture, across - 0.5, down - 0.5, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return drawn * np.array([pose.light] * 3 + [1], dtype=np.float32)


def read_cutout(file: Path, rows: float) -> np.ndarray:
    """Reads a PNG with transparency as `draw_cutout` takes it, made smaller if it has more than so many rows."""
    with Image.open(file) as opened:
        straight = np.array(opened.convert("RGBA"), dtype=np.float32)
    opacity = straight[..., 3:] / 255
    picture = np.concatenate([straight[..., :3] * opacity, opacity], axis=2)
    return _shrunk(picture, rows / len(picture))


def _shrunk(picture: np.ndarray, scale: float) -> np.ndarray:
    """A picture of `scale` times its size, but never larger than it is."""
    sides = [max(1, round(side * min(1.0, scale))) for side in picture.shape[1::-1]]
    return cv2.resize(picture, sides, interpolation=cv2.INTER_AREA)


_COFFEE = (
    Pose(0.17, 0.70, 0.33, 1.00, 20, 0.00, 1.00),
    Pose(0.25, 0.50, 0.31, 1.00, 4, 0.00, 1.05),
    Pose(0.41, 0.24, 0.28, 1.00, -16, 0.00, 1.00),
    Pose(0.64, 0.30, 0.28, 1.00, -34, 0.00, 0.95),
    Pose(0.74, 0.58, 0.32, 1.00, -50, 0.00, 1.00),
)
_CAT = (
    Pose(0.68, 0.17, 0.64, 1.00, 5, 0.00, 0.92),
    Pose(0.62, 0.22, 0.66, 0.95, 0, 0.02, 0.96),
    Pose(0.49, 0.23, 0.67, 0.92, -5, 0.04, 1.00),
    Pose(0.36, 0.21, 0.66, 0.98, -3, 0.01, 0.98),
    Pose(0.30, 0.16, 0.64, 1.03, 4, -0.02, 0.94),
)
_SHUTTLE = (
    Pose(0.70, 0.76, 0.54, 1.00, -4, 0.00, 0.95),
    Pose(0.72, 0.61, 0.52, 1.00, 5, 0.00, 1.00),
    Pose(0.75, 0.43, 0.48, 1.00, 14, 0.00, 1.05),
    Pose(0.82, 0.27, 0.43, 1.00, 22, 0.00, 1.00),
    Pose(0.91, 0.20, 0.38, 1.00, 32, 0.00, 0.95),
)


@dataclass(frozen=True)
class PhotographClip(Clip):
    """A video of cut-out photographs; always the same, only longer or larger.

    The objects' ids count from 1, from back to front. All are seen in frame 0; the coffee disappears behind the cat and comes
    back, the cat is partly covered by the shuttle. An argument that is out of range is a ValueError.

    Attributes:
        frames: 1 or more; the same motion, spread over so many.
        height: in pixels, at least 48; the width is 16/9 of it. Above 300 the photographs have no more detail to show.
        cast: name of the photograph and path of each object, from back to front; poses are equally far apart in time.
    """

    frames: int = _FRAMES
    height: int = 240
    cast: tuple[tuple[str, tuple[Pose, ...]], ...] = (("coffee", _COFFEE), ("cat", _CAT), ("shuttle", _SHUTTLE))

    def __post_init__(self) -> None:
        if self.frames < 1 or self.height < 48:
            raise ValueError(f"frames {self.frames} must be at least 1 and the height {self.height} at least 48")

    @property
    def width(self) -> int:
        """In pixels."""
        return round(self.height * 16 / 9)

    @property
    def names(self) -> dict[int, str]:
        """What each object is, by its id, from back to front."""
        return {object_id: name for object_id, (name, _) in enumerate(self.cast, start=1)}

    def layer(self, object_id: int, time: int) -> np.ndarray:
        """One object alone in frame `time`, as `draw_cutout` gives it, blurred by its motion."""
        opening = _OPENING / max(_FRAMES - 1, self.frames - 1)  # fewer frames jump further, but don't blur more
        moments = time / max(1, self.frames - 1) + opening * np.linspace(-0.5, 0.5, _MOMENTS)
        poses = [pose_at(self.cast[object_id - 1][1], moment) for moment in moments]
        picture, size = self._cutouts[object_id - 1], (self.height, self.width)
        return np.mean([draw_cutout(picture, pose, size) for pose in poses], axis=0)

    def _drawn(self, time: int) -> tuple[np.ndarray, np.ndarray]:
        """A pixel's label is the frontmost object whose opacity there is above one half."""
        picture = self._ground_at(time)
        labels = np.zeros(picture.shape[:2], np.uint8)
        for object_id in self.names:
            layer = self.layer(object_id, time)
            picture *= 1 - layer[..., 3:]
            picture += layer[..., :3]
            labels[layer[..., 3] > 0.5] = object_id
        add_grain(picture, 2.5, [time])
        return picture, labels

    def _ground_at(self, time: int) -> np.ndarray:
        """What the camera sees behind all objects, `[H, W, 3]` float32 in 0..255."""
        progress = time / max(1, self.frames - 1)
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
    def _cutouts(self) -> list[np.ndarray]:
        rows = [_SPARE * self.height * max(pose.height for pose in poses) for _, poses in self.cast]
        return [read_cutout(_FOLDER / f"{name}.png", most) for (name, _), most in zip(self.cast, rows, strict=True)]

    @cached_property
    def _ground(self) -> np.ndarray:
        ground = read_image(_FOLDER / "launch_site.jpg").astype(np.float32)
        return _shrunk(ground, _SPARE * self.height / (min(camera[2] for camera in _CAMERA) * len(ground)))

"""A clip made of photographs: a cat, a space shuttle and a cup of coffee meet at a launch site. With exact label maps.

The pictures are free; photographs/LICENSES.md names whose they are.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from hodor.media.images import read_image
from hodor.synthetic.cutouts import Cutout, Pose, read_cutout

MIN_HEIGHT = 48
_FRAMES = 32
_FOLDER = Path(__file__).parent / "photographs"
_GROUND = "launch_site.jpg"
_GRAIN = 2.5
_OPENING = 0.5  # how long the shutter is open, in frames
_CAMERA = ((0.47, 0.55, 0.80), (0.53, 0.50, 0.72))  # centre (x, y) and height of what it sees of the ground: at first, at last

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
class PhotographClip:
    """A video of cut-out photographs that is computed when it is looked at; always the same, only longer or larger.

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

    def __len__(self) -> int:
        return self.frames

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        return (self.frame(time) for time in range(self.frames))

    @property
    def width(self) -> int:
        """In pixels."""
        return round(self.height * 16 / 9)

    @property
    def names(self) -> dict[int, str]:
        """What each object is, by its id, from back to front."""
        return dict(enumerate(_CAST, start=1))

    def frame(self, time: int) -> tuple[np.ndarray, np.ndarray]:
        """Draws one frame.

        Args:
            time: 0..frames - 1, in any order.

        Returns:
            image `[H, W, 3]` uint8 (R, G, B), labels `[H, W]` uint8: in each pixel the frontmost object whose opacity there is
            above one half, or 0.

        Raises:
            IndexError: there is no such frame.
        """
        if not 0 <= time < self.frames:
            raise IndexError(f"frame {time} of a clip of {self.frames}")
        picture = self._ground_at(time)
        labels = np.zeros(picture.shape[:2], np.uint8)
        for object_id in self.names:
            drawn = self.layer(object_id, time)
            picture *= 1 - drawn[..., 3:]
            picture += drawn[..., :3]
            labels[drawn[..., 3] > 0.5] = object_id
        grain = np.random.default_rng(time).standard_normal(picture.shape, dtype=np.float32)
        return np.clip(picture + _GRAIN * grain + 0.5, 0, 255).astype(np.uint8), labels

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
        """From 0 in the first frame to 1 in the last."""
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

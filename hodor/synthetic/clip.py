"""Clips of textured things that move over a moving ground, hide each other, leave and come back, with exact label maps.

Any clip can be written in the layout of DAVIS, so that everything that reads DAVIS can be tried without downloading it.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from hodor.errors import HodorError
from hodor.files import folder_written_aside
from hodor.formats.label_maps import davis_palette, write_label_map
from hodor.media.images import write_image
from hodor.synthetic.world import World, draw_world

JPEG_QUALITY = 92
MIN_SIDE = 16
MAX_OBJECTS = 254  # 255 means "unsure" in label maps
_ATTEMPTS = 12
_MIN_VISIBLE = 0.4  # of an object's area in frame 0


class Clip(ABC):
    """A video with exact label maps that is computed when it is looked at; equal arguments give equal pixels."""

    frames: int

    def __len__(self) -> int:
        return self.frames

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        return (self.frame(time) for time in range(self.frames))

    def frame(self, time: int) -> tuple[np.ndarray, np.ndarray]:
        """Draws one frame.

        Args:
            time: 0..frames - 1, in any order.

        Returns:
            image `[H, W, 3]` uint8 (R, G, B), labels `[H, W]` uint8 with the id of the object that is seen in each pixel, or 0.

        Raises:
            IndexError: there is no such frame.
        """
        if not 0 <= time < self.frames:
            raise IndexError(f"frame {time} of a clip of {self.frames}")
        picture, labels = self._drawn(time)
        strength, seed = self._grain(time)
        picture += strength * np.random.default_rng(seed).standard_normal(picture.shape, dtype=np.float32)
        return np.clip(picture + 0.5, 0, 255).astype(np.uint8), labels

    @abstractmethod
    def _drawn(self, time: int) -> tuple[np.ndarray, np.ndarray]:
        """A frame without grain: a new picture `[H, W, 3]` float32 around 0..255, and its labels."""

    @abstractmethod
    def _grain(self, time: int) -> tuple[float, list[int]]:
        """Strength and seed of a frame's noise."""


@dataclass(frozen=True)
class SyntheticClip(Clip):
    """A video of textured things.

    The objects' ids are 1..objects. All of them can be seen in frame 0 unless the frame is too crowded for that; other
    things, which look just like them, move about unlabelled. A longer clip of the same seed begins with the shorter one.

    Attributes:
        seed: 0 or more.
        frames: the number of frames.
        height: in pixels, at least 16.
        width: in pixels, at least 16.
        objects: 1..254.

    Raises:
        ValueError: one of them is out of range.
    """

    seed: int
    frames: int = 20
    height: int = 128
    width: int = 224
    objects: int = 3

    def __post_init__(self) -> None:
        if self.seed < 0 or self.frames < 1:
            raise ValueError(f"seed {self.seed} must be at least 0 and frames {self.frames} at least 1")
        if min(self.height, self.width) < MIN_SIDE:
            raise ValueError(f"a synthetic frame has at least {MIN_SIDE}x{MIN_SIDE} pixels, not {self.width}x{self.height}")
        if not 1 <= self.objects <= MAX_OBJECTS:
            raise ValueError(f"a synthetic clip has 1..{MAX_OBJECTS} objects, not {self.objects}")

    def _drawn(self, time: int) -> tuple[np.ndarray, np.ndarray]:
        return self._world.picture_and_labels(time)

    def _grain(self, time: int) -> tuple[float, list[int]]:
        return 3.0, [self.seed, 1, time]

    @cached_property
    def _world(self) -> World:
        """The first of a few drafts in which every object shows itself in frame 0, or else the best of them."""
        best, best_visible = None, -1.0
        for attempt in range(_ATTEMPTS):
            world = draw_world(np.random.default_rng([self.seed, 0, attempt]), self.height, self.width, self.objects)
            visible = world.least_visible()
            if visible > best_visible:
                best, best_visible = world, visible
            if visible >= _MIN_VISIBLE:
                break
        assert best is not None
        return best


def write_davis_folder(folder: Path, clips: Iterable[tuple[str, Clip]]) -> None:
    """Writes clips as JPEGImages, Annotations (every frame, palette PNG) and ImageSets/2017/val.txt; complete or absent.

    Args:
        folder: is made; if it exists it must be empty.
        clips: (name of the sequence, its frames), drawn one by one; they lie below 480p, whatever their size is.

    Raises:
        HodorError: the folder holds something already.
    """
    folder = folder.resolve()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise HodorError(f"{folder}: exists and is not empty; name a new folder")
    palette = davis_palette()
    with folder_written_aside(folder) as aside:
        names = []
        for name, clip in clips:
            names.append(name)
            images, masks = aside / "JPEGImages" / "480p" / name, aside / "Annotations" / "480p" / name
            images.mkdir(parents=True)
            for index, (image, labels) in enumerate(clip):
                write_image(images / f"{index:05d}.jpg", image, JPEG_QUALITY)
                write_label_map(masks / f"{index:05d}.png", labels, palette)
        listing = aside / "ImageSets" / "2017" / "val.txt"
        listing.parent.mkdir(parents=True)
        listing.write_text("".join(f"{name}\n" for name in names))

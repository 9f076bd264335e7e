"""Clips of textured things that move over a moving ground, hide each other, leave and come back, with exact label maps."""

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
from hodor.synthetic.world import World

JPEG_QUALITY = 92
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
        """Draws frame `time`, 0..frames - 1, in any order; an IndexError if there is no such frame.

        Returns:
            image `[H, W, 3]` uint8 (R, G, B), labels `[H, W]` uint8 with the id of the object that is seen in each pixel, or 0.
        """
        if not 0 <= time < self.frames:
            raise IndexError(f"frame {time} of a clip of {self.frames}")
        picture, labels = self._drawn(time)
        return np.clip(picture + 0.5, 0, 255).astype(np.uint8), labels

    @abstractmethod
    def _drawn(self, time: int) -> tuple[np.ndarray, np.ndarray]:
        """A picture `[H, W, 3]` float32 around 0..255, and its labels."""


def add_grain(picture: np.ndarray, strength: float, seed: list[int]) -> None:
    """Adds a camera's noise to a picture, float32."""
    picture += strength * np.random.default_rng(seed).standard_normal(picture.shape, dtype=np.float32)


@dataclass(frozen=True)
class SyntheticClip(Clip):
    """A video of textured things.

    The ids of its 1..254 `objects` count from 1. All of them can be seen in frame 0 unless the frame is too crowded for that;
    other things, which look just like them, move about unlabelled. A longer clip of the same `seed`, 0 or more, begins with the
    shorter one. `height` and `width` are in pixels, at least 16. An argument that is out of range is a ValueError.
    """

    seed: int
    frames: int = 20
    height: int = 128
    width: int = 224
    objects: int = 3

    def __post_init__(self) -> None:
        if self.seed < 0 or self.frames < 1:
            raise ValueError(f"seed {self.seed} must be at least 0 and frames {self.frames} at least 1")
        if min(self.height, self.width) < 16:
            raise ValueError(f"a synthetic frame has at least 16x16 pixels, not {self.width}x{self.height}")
        if not 1 <= self.objects <= 254:
            raise ValueError(f"a synthetic clip has 1..254 objects, not {self.objects}")

    def _drawn(self, time: int) -> tuple[np.ndarray, np.ndarray]:
        picture, labels = self._world.picture_and_labels(time)
        add_grain(picture, 3.0, [self.seed, 1, time])
        return picture, labels

    @cached_property
    def _world(self) -> World:
        """The first of a few drafts in which every object shows itself in frame 0, or else the best of them."""
        best: World | None = None
        for attempt in range(_ATTEMPTS):
            draft = World(np.random.default_rng([self.seed, 0, attempt]), self.height, self.width, self.objects)
            if best is None or draft.least_visible > best.least_visible:
                best = draft
            if best.least_visible >= _MIN_VISIBLE:
                break
        assert best is not None
        return best


def write_davis_folder(folder: Path, clips: Iterable[tuple[str, Clip]]) -> None:
    """Writes clips, (name, frames) of each, in the layout of DAVIS, as its 480p whatever their size is; complete or absent.

    A folder that holds something already is a HodorError.
    """
    folder = folder.resolve()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise HodorError(f"{folder}: exists and is not empty; name a new folder")
    palette = davis_palette()
    names = []
    with folder_written_aside(folder) as aside:
        for name, clip in clips:
            names.append(name)
            for index, (image, labels) in enumerate(clip):
                write_image(aside / "JPEGImages" / "480p" / name / f"{index:05d}.jpg", image, JPEG_QUALITY)
                write_label_map(aside / "Annotations" / "480p" / name / f"{index:05d}.png", labels, palette)
        listing = aside / "ImageSets" / "2017" / "val.txt"
        listing.parent.mkdir(parents=True)
        listing.write_text("".join(f"{name}\n" for name in names))

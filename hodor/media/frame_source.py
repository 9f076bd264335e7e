"""What every source of frames has in common: how frames are numbered and timed, which of them are wanted, and how large."""

import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from hodor.errors import HodorError


@dataclass(frozen=True)
class SourceFrame:
    """A frame: its image [H, W, 3] uint8, R, G, B, upright, made smaller where the selection asks for it, and its size before.

    `index` counts from the source's first frame, which is 0 whatever is selected; `time` is when it is shown, in seconds since
    that one; `full_size` is (height, width).
    """

    index: int
    time: float
    image: np.ndarray
    full_size: tuple[int, int]


@dataclass(frozen=True)
class Selection:
    """Which frames of a source are wanted, and how large. A number out of range is a HodorError that names the option.

    They are every `stride`-th from the index `start` on, up to but without `end`, if there is one. `max_size` limits a frame's
    longer side, in pixels; frames are only ever made smaller.
    """

    start: int = 0
    end: int | None = None
    stride: int = 1
    max_size: int | None = None

    def __post_init__(self) -> None:
        numbers = {"--start": (self.start, 0), "--stride": (self.stride, 1)}
        if self.end is not None:
            numbers["--end"] = (self.end, 0)
        if self.max_size is not None:
            numbers["--max-size"] = (self.max_size, 1)
        for option, (value, lowest) in numbers.items():
            if type(value) is not int or value < lowest:
                raise HodorError(f"{option} must be a whole number, at least {lowest}, not {value!r}")
        if self.end is not None and self.end <= self.start:
            raise HodorError(f"--end: no frame is left from --start {self.start} to --end {self.end}, which is not included")

    def indices(self, total: int = sys.maxsize) -> range:
        """The wanted ones of `total` frames."""
        return range(self.start, total if self.end is None else min(self.end, total), self.stride)

    def holds(self, index: int) -> bool:
        """Whether a frame is wanted."""
        return index in self.indices()

    def size(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) of frames of the given size once they are small enough."""
        longer = max(height, width)
        if self.max_size is None or longer <= self.max_size:
            return height, width
        return max(round(height * self.max_size / longer), 1), max(round(width * self.max_size / longer), 1)

    def frame(self, index: int, time: float, pixels: np.ndarray) -> SourceFrame:
        """A frame of full size [H, W, 3] uint8 as it is wanted; areas are averaged where it becomes smaller."""
        full = pixels.shape[0], pixels.shape[1]
        height, width = self.size(*full)
        image = pixels if (height, width) == full else cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
        return SourceFrame(index, time, image, full)


class FrameSource(ABC):
    """Where frames come from: a video file, a folder of images, or a camera.

    `name` is for messages, `rate` the mean frames per second, `audio` the file whose sound belongs to the frames, if there is
    one, and `total` how many frames there probably are, selected or not, if anyone knows. Those of a source that `is_live` come
    only once, as time goes by.
    """

    total: int | None = None
    is_live = False

    def __init__(self, name: str, rate: float, audio: Path | None, selection: Selection) -> None:
        self.name = name
        self.rate = rate
        self.audio = audio
        self.selection = selection

    @property
    def pixel_aspect(self) -> Fraction:
        """Width of a pixel by its height, as it is meant to be shown; of a video that is turned, once a frame was seen."""
        return Fraction(1)

    @property
    def end_time(self) -> float | None:
        """When the first frame behind the selected ones is shown, in seconds; None where the selection goes on to the end."""
        return None

    def expected_frames(self) -> int | None:
        """How many frames will probably come; None where nobody knows."""
        return None if self.total is None else len(self.selection.indices(self.total))

    @abstractmethod
    def frames(self, begin: int = 0) -> Iterator[SourceFrame]:
        """The selected frames with `index >= begin`, ascending. May be called again, but for a camera.

        A HodorError comes after the last frame that could be read of a broken source, or if it ends before the first one.
        """

    @abstractmethod
    def backwards(self, begin: int) -> Iterator[SourceFrame]:
        """The selected frames with `index <= begin`, descending, the same as `frames` gives, in bounded memory.

        A HodorError comes after all frames that could be read of a source that is broken before `begin`; a camera refuses.
        """

    @abstractmethod
    def frame(self, index: int) -> SourceFrame:
        """One frame, selected or not, else a HodorError; of a camera only the first that is selected, before all are read."""

    def name_of(self, index: int) -> str:
        """What a frame is called: the name of its file without the suffix, else its index in five digits or more."""
        return f"{index:05d}"

    def index_of(self, name: str) -> int | None:
        """The index of the frame that is called so, or None: the opposite of `name_of`. A number may lack its leading zeros."""
        return int(name) if name.isascii() and name.isdecimal() and len(name) < 20 else None

    def _refuse_too_late(self, count: int) -> None:
        """Raises a HodorError if none of `count` frames is selected."""
        if not count:
            raise HodorError(f"{self.name}: holds no frames")
        if self.selection.start >= count:
            raise HodorError(f"{self.name}: --start {self.selection.start} is behind its last frame, which is {count - 1}")

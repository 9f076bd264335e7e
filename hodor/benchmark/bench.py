"""What is measured: a network, and synthetic videos that it follows objects through with a full memory."""

import itertools
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hodor.checkpoints.checkpoint import load
from hodor.config import Config, ModelConfig
from hodor.devices import Precision, choose_device
from hodor.inference.segmenter import Segmenter
from hodor.modelling.build import build_model
from hodor.modelling.model import HODOR
from hodor.synthetic import SyntheticClip

PAPER = Config(model=ModelConfig(pos_encodings_in_fmq=False))
"""The paper's network: Swin-T, width 256, five layers each in encoder and decoder."""


@dataclass(frozen=True)
class Sizes:
    """How much is measured. Sizes are (height, width) in pixels.

    Attributes:
        frame: of the video that most sections use.
        min_dim: shorter side of that video as the network sees it.
        window: how many earlier frames are in memory.
        objects: in the video.
        object_counts: of the section `objects`.
        small: frame of the long video.
        long: its number of frames.
        files: frames that are read and written.
        followed: frames of the section `modes`.
        rounds: of every measurement.
        matrix: side of the large matrices.
        convolution: channels, height and width of the large convolution.
    """

    frame: tuple[int, int] = (480, 854)
    min_dim: int = 512
    window: int = 7
    objects: int = 2
    object_counts: tuple[int, ...] = (1, 2, 5, 10, 20, 44)
    small: tuple[int, int] = (96, 160)
    long: int = 600
    files: int = 12
    followed: int = 6
    rounds: int = 5
    matrix: int = 3072
    convolution: tuple[int, int, int] = (256, 128, 232)


FULL = Sizes()
QUICK = Sizes((48, 80), 64, 3, 2, (1, 3), (32, 48), long=16, files=3, followed=3, rounds=2, matrix=64, convolution=(16, 16, 16))


@dataclass(frozen=True)
class Video:
    """A few synthetic frames [H, W, 3] uint8, drawn before anything is timed, and masks [H, W] bool in the first of them."""

    frames: tuple[np.ndarray, ...]
    masks: dict[int, np.ndarray]

    @classmethod
    def drawn(cls, size: tuple[int, int], objects: int, *, frames: int = 4) -> "Video":
        """Draws a video of a size (H, W) with exactly so many objects; one that others hide gets a small box as its mask."""
        clip = list(SyntheticClip(0, frames, *size, objects))
        masks = {object_id: clip[0][1] == object_id for object_id in range(1, objects + 1)}
        for object_id, mask in masks.items():
            if not mask.any():
                left = (object_id - 1) * (size[1] - 8) // objects
                mask[:8, left : left + 8] = True
        return cls(tuple(image for image, _ in clip), masks)

    def of_objects(self, count: int) -> "Video":
        """The same video with the masks of only the first objects."""
        return Video(self.frames, {object_id: self.masks[object_id] for object_id in range(1, count + 1)})


class Tracking:
    """A video in progress, in its steady state: objects are known and the temporal window is full."""

    def __init__(self, segmenter: Segmenter, video: Video, window: int) -> None:
        """Begins the video, warms up by a frame, and fills the memory with copies of that frame's descriptors.

        What they hold doesn't change how long a frame takes, only how many there are; so a large window needn't be waited for.
        """
        self.segmenter = segmenter
        self._frames = itertools.cycle(video.frames)
        segmenter.reset()
        segmenter.step(next(self._frames), video.masks)
        self.step()
        state = segmenter.state_dict()
        tracker, memory = state["tracker"], state["tracker"]["memory"]
        slots = dict.fromkeys(range(window + 1), memory["slots"][tracker["frame"]])
        full = tracker | {"frame": window, "memory": memory | {"slots": slots}}
        segmenter.load_state_dict(state | {"tracker": full})

    def step(self) -> torch.Tensor:
        """Segments the next frame of the video, which begins again at its end: label map [H, W]."""
        return self.segmenter.step(next(self._frames))


class Bench:
    """A network on its device, ready to be measured."""

    def __init__(
        self, checkpoint: Path | None = None, device: str = "auto", precision: Precision = "float32", *, quick: bool = False
    ) -> None:
        """Loads or builds the network and brings this process into the state that the inference program computes in.

        Args:
            checkpoint: the network; None = the paper's with random weights, which computes as long.
            device: its name.
            precision: of the network.
            quick: make sizes tiny, to see that everything works.

        Raises:
            HodorError: there is no such device or checkpoint.
        """
        self.precision, self.quick = precision, quick
        self.sizes = QUICK if quick else FULL
        self.device = choose_device(device)
        if precision == "float32":
            torch.backends.cudnn.allow_tf32 = False
        self.model = (_random_network() if checkpoint is None else load(checkpoint).model).requires_grad_(False)
        self.model.to(self.device)
        self.repeats = 1 if self.device.type == "cpu" or quick else 20  # frames per measurement

    @cached_property
    def video(self) -> Video:
        """The video that most sections use."""
        return Video.drawn(self.sizes.frame, max(self.sizes.objects, *self.sizes.object_counts))

    def segmenter(self, model: HODOR | None = None, *, min_dim: int | None = None, **options: Any) -> Segmenter:
        """By another network, at another size or with other options than usual; a frame's sides are at most 1 : 2."""
        side = min_dim or self.sizes.min_dim
        usual = {"temporal_window": self.sizes.window, "precision": self.precision, "device": self.device}
        return Segmenter(model or self.model, min_dim=side, max_dim=2 * side, **(usual | options))

    def tracking(self, model: HODOR | None = None, *, objects: int | None = None, window: int | None = None) -> Tracking:
        """The usual video in progress, by another network, with another number of objects or another window than usual."""
        window = window or self.sizes.window
        video = self.video.of_objects(objects or self.sizes.objects)
        return Tracking(self.segmenter(model, temporal_window=window), video, window)


def _random_network() -> HODOR:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build_model(PAPER).eval()


def label(size: tuple[int, int]) -> str:
    """(height, width) as people write it: 854x480."""
    return f"{size[1]}x{size[0]}"

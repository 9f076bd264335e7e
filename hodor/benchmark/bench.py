"""What is measured: a network, and synthetic videos that it follows objects through with a full memory."""

import itertools
from collections.abc import Sequence
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
        window: how many earlier frames are remembered.
        objects: in the video.
        object_counts: of the section `objects`.
        windows: of the section `window`.
        sides: shorter sides of the section `resolution`; frames are 16:9.
        small: frame of the long video.
        long: its number of frames.
        files: frames that are read and written.
        followed: frames of the section `modes`.
        rounds: measurements of each thing.
        matrix: side of the large matrices.
        convolution: channels, height and width of the large convolution.
        copied: 10^9 bytes that the large copy reads and writes.
    """

    frame: tuple[int, int] = (480, 854)
    min_dim: int = 512
    window: int = 7
    objects: int = 2
    object_counts: tuple[int, ...] = (1, 2, 5, 10, 20, 44)
    windows: tuple[int, ...] = (1, 3, 7, 15, 31)
    sides: tuple[int, ...] = (240, 480, 720, 1080, 2160)
    small: tuple[int, int] = (96, 160)
    long: int = 600
    files: int = 12
    followed: int = 6
    rounds: int = 5
    matrix: int = 3072
    convolution: tuple[int, int, int] = (256, 128, 232)
    copied: float = 1.0


FULL = Sizes()
QUICK = Sizes(
    frame=(48, 80),
    min_dim=64,
    window=3,
    object_counts=(1, 3),
    windows=(1, 2),
    sides=(32, 64),
    small=(32, 48),
    long=16,
    files=3,
    followed=3,
    rounds=2,
    matrix=64,
    convolution=(16, 16, 16),
    copied=0.001,
)


@dataclass(frozen=True)
class Setting:
    """What all measurements of a report have in common.

    Attributes:
        checkpoint: the network; None = the paper's with random weights, which computes as long.
        device: its name.
        precision: of the network.
        threads: that PyTorch computes with on the CPU.
        quick: whether sizes are tiny, to see that everything works.
    """

    checkpoint: Path | None
    device: str
    precision: Precision
    threads: int
    quick: bool

    @property
    def sizes(self) -> Sizes:
        return QUICK if self.quick else FULL


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
        """Begins the video, warms up by a frame, and fills the memory with copies of that frame's descriptors."""
        self.segmenter = segmenter
        self._frames = itertools.cycle(video.frames)
        segmenter.reset()
        segmenter.step(next(self._frames), video.masks)
        self.step()
        segmenter.load_state_dict(filled(segmenter.state_dict(), window))

    def step(self) -> torch.Tensor:
        """Segments the next frame of the video, which begins again at its end: label map [H, W]."""
        return self.segmenter.step(next(self._frames))


def filled(state: dict[str, Any], window: int) -> dict[str, Any]:
    """The state of a segmenter as if its last frame had been seen often enough to fill the window.

    What is remembered doesn't change how long a frame takes, only how much; this way a window of 31 needn't be waited for.
    """
    tracker, memory = state["tracker"], state["tracker"]["memory"]
    latest = memory["slots"][tracker["frame"]]
    slots = dict.fromkeys(range(window + 1), latest)
    return state | {"tracker": tracker | {"frame": window, "memory": memory | {"slots": slots}}}


class Bench:
    """A network on its device, ready to be measured."""

    def __init__(self, setting: Setting) -> None:
        """Loads or builds the network and brings this process into the state that the inference program computes in.

        Raises:
            HodorError: there is no such device or checkpoint.
        """
        self.setting = setting
        self.sizes = setting.sizes
        self.device = choose_device(setting.device)
        torch.set_num_threads(setting.threads)
        if setting.precision == "float32":
            torch.backends.cudnn.allow_tf32 = False
        self.model = _network(setting.checkpoint).requires_grad_(False).to(self.device)
        self.repeats = 1 if self.device.type == "cpu" or setting.quick else 20  # frames per measurement

    @cached_property
    def video(self) -> Video:
        """The video that most sections use."""
        return Video.drawn(self.sizes.frame, max(self.sizes.objects, *self.sizes.object_counts))

    def segmenter(
        self, *, model: HODOR | None = None, min_dim: int | None = None, window: int | None = None, **options: Any
    ) -> Segmenter:
        """By another network, at another size or window than usual, with more options; a frame's sides are at most 1 : 2."""
        side = self.sizes.min_dim if min_dim is None else min_dim
        return Segmenter(
            self.model if model is None else model,
            temporal_window=self.sizes.window if window is None else window,
            min_dim=side,
            max_dim=2 * side,
            device=self.device,
            **({"precision": self.setting.precision} | options),
        )

    def tracking(self, *, model: HODOR | None = None, objects: int | None = None, window: int | None = None) -> Tracking:
        """The usual video in progress, by another network, with another number of objects or another window than usual."""
        video = self.video.of_objects(self.sizes.objects if objects is None else objects)
        return Tracking(self.segmenter(model=model, window=window), video, self.sizes.window if window is None else window)


def _network(checkpoint: Path | None) -> HODOR:
    if checkpoint is not None:
        return load(checkpoint).model
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build_model(PAPER).eval()


def label(size: Sequence[int]) -> str:
    """(height, width) as people write it: 854x480."""
    return f"{size[1]}x{size[0]}"

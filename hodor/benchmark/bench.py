"""What is measured: a network that follows objects through synthetic videos."""

import itertools
import platform
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torchvision

from hodor.benchmark.sizes import FULL, QUICK
from hodor.checkpoints.checkpoint import load
from hodor.config import Config, ModelConfig
from hodor.devices import Precision, choose_device
from hodor.inference.segmenter import Segmenter
from hodor.modelling.build import build_model
from hodor.modelling.model import HODOR
from hodor.synthetic import SyntheticClip

PAPER = Config(model=ModelConfig(pos_encodings_in_fmq=False))
"""The paper's network: Swin-T, width 256, five layers each in encoder and decoder."""


class Video(NamedTuple):
    """A few synthetic frames [H, W, 3] uint8, drawn before anything is timed, and masks [H, W] bool in the first of them."""

    frames: list[np.ndarray]
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
        return cls([image for image, _ in clip], masks)


def in_progress(segmenter: Segmenter, video: Video, window: int) -> Callable[[], torch.Tensor]:
    """A step of a video in its steady state: objects are known and the temporal window is full.

    The memory is filled with copies of the second frame's descriptors. What they hold doesn't change how long a frame takes,
    only how many there are; so a large window needn't be waited for.

    Returns:
        Segments the next frame of the video, which begins again at its end: label map [H, W].
    """
    frames = itertools.cycle(video.frames)
    segmenter.reset()
    segmenter.step(next(frames), video.masks)
    segmenter.step(next(frames))
    state = segmenter.state_dict()
    tracker, memory = state["tracker"], state["tracker"]["memory"]
    slots = dict.fromkeys(range(window + 1), memory["slots"][tracker["frame"]])
    full = tracker | {"frame": window, "memory": memory | {"slots": slots}}
    segmenter.load_state_dict(state | {"tracker": full})
    return lambda: segmenter.step(next(frames))


class Bench:
    """A network on its device, ready to be measured."""

    def __init__(
        self, checkpoint: Path | None = None, device: str = "auto", precision: Precision = "float32", *, quick: bool = False
    ) -> None:
        """Brings this process into the state that the inference program computes in; `quick` makes all sizes tiny.

        Without a checkpoint the network is the paper's with random weights, which computes as long.

        Raises:
            HodorError: there is no such device or checkpoint.
        """
        self.precision, self.quick = precision, quick
        self.sizes = QUICK if quick else FULL
        self.device = choose_device(device)
        if precision == "float32":
            torch.backends.cudnn.allow_tf32 = False
        if checkpoint is None:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                model = build_model(PAPER)
        else:
            model = load(checkpoint).model
        self.model = model.eval().requires_grad_(False).to(self.device)
        self.repeats = 1 if self.device.type == "cpu" or quick else 20  # frames per measurement

    def machine(self) -> dict[str, Any]:
        """What the numbers depend on besides the program: processor, threads, device, versions."""
        path = Path("/proc/cpuinfo")
        lines = path.read_text().splitlines() if path.is_file() else []
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        return {
            "processor": names[0] if names else platform.processor() or platform.machine(),
            "system": platform.system(),
            "threads": torch.get_num_threads(),
            "device": self.device.type,
            "device_name": torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "CPU",
            "python": platform.python_version(),
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
        }

    def segmenter(self, model: HODOR | None = None, **options: Any) -> Segmenter:
        """By another network or with other options than usual; the longer side of frames is at most twice the shorter."""
        sizes = self.sizes
        usual = {"temporal_window": sizes.window, "min_dim": sizes.min_dim, "precision": self.precision, "device": self.device}
        chosen = usual | options
        return Segmenter(model or self.model, max_dim=2 * chosen["min_dim"], **chosen)

    def video(self, objects: int | None = None) -> Video:
        """The video that most sections use, with another number of objects than usual to be followed."""
        followed = itertools.islice(self._drawn.masks.items(), objects or self.sizes.objects)
        return self._drawn._replace(masks=dict(followed))

    def step(self, segmenter: Segmenter | None = None, *, objects: int | None = None) -> Callable[[], torch.Tensor]:
        """A step of that video, see `in_progress`; by another segmenter or with another number of objects than usual."""
        return in_progress(segmenter or self.segmenter(), self.video(objects), self.sizes.window)

    @cached_property
    def _drawn(self) -> Video:
        return Video.drawn(self.sizes.frame, max(self.sizes.objects, *self.sizes.object_counts))

"""What is measured, and how: a network that follows objects through synthetic videos, in seconds and in bytes."""

import itertools
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

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
Times = dict[str, Any]
"""What several rounds took: {"median": s, "minimum": s, "rounds": [s, ...]}. Others on the machine only make a round slower."""
Key = TypeVar("Key", bound=Hashable)
_STATUS, _CPU_INFO = Path("/proc/self/status"), Path("/proc/cpuinfo")


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
        return Video(self.frames, dict(itertools.islice(self.masks.items(), count)))


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

        Without a checkpoint it is the paper's with random weights, which computes as long. `quick` makes sizes tiny, to see
        that everything works.

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
        lines = _CPU_INFO.read_text().splitlines() if _CPU_INFO.is_file() else []
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

    def in_turns(self, runs: Mapping[Key, Callable[[], object]], *, repeats: int | None = None) -> dict[Key, Times]:
        """Measures seconds per run side by side, as often as usual; see `in_turns`."""
        return in_turns(runs, self.device, rounds=self.sizes.rounds, repeats=repeats or self.repeats)


def times(rounds: Sequence[float]) -> Times:
    """What several rounds took, in seconds."""
    return {"median": statistics.median(rounds), "minimum": min(rounds), "rounds": list(rounds)}


def ratios(slower: Times, faster: Times) -> dict[str, float]:
    """How much longer the one took: {"median": of the rounds' own ratios, "minimum": ratio of both minima}."""
    each = [a / b for a, b in zip(slower["rounds"], faster["rounds"], strict=True)]
    return {"median": statistics.median(each), "minimum": slower["minimum"] / faster["minimum"]}


def in_turns(
    runs: Mapping[Key, Callable[[], object]], device: torch.device, *, rounds: int, repeats: int = 1
) -> dict[Key, Times]:
    """Measures seconds per run side by side: in each round each is run, so that a disturbed minute doesn't hit one alone.

    Each is run once before, to warm up, and then `repeats` times per round, between which nobody waits for the device.
    """
    for run in runs.values():
        run()
    measured = [{key: seconds(run, device, repeats=repeats) for key, run in runs.items()} for _ in range(rounds)]
    return {key: times([each[key] for each in measured]) for key in runs}


def seconds(run: Callable[[], object], device: torch.device, *, repeats: int = 1) -> float:
    """Seconds per run, measured over `repeats` with the device idle at both ends."""
    wait(device)
    started = time.perf_counter()
    for _ in range(repeats):
        run()
    wait(device)
    return (time.perf_counter() - started) / repeats


def wait(device: torch.device) -> None:
    """Until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def resident_memory(line: str = "VmRSS") -> int:
    """Bytes of this process that lie in memory now, or by "VmHWM" that ever did.

    From the kernel's account; where there is none, the peak that `getrusage` knows. That alone would not do: a process inherits
    the peak of the one that started it.
    """
    for text in _STATUS.read_text().splitlines() if _STATUS.is_file() else []:
        name, _, value = text.partition(":")
        if name == line:
            return int(value.split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)

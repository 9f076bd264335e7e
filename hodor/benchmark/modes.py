"""The section `modes`: frames in memory to label maps by every way to compute, and how well their masks agree."""

import itertools
import logging
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch

from hodor.benchmark.bench import Bench, label
from hodor.benchmark.measuring import in_turns
from hodor.devices import Precision
from hodor.inference.segmenter import Segmenter

_LOGGER = logging.getLogger(__name__)


class Mode(NamedTuple):
    """Options of the segmenter."""

    precision: Precision
    compiled: bool = False
    look_ahead: int = 1

    @property
    def name(self) -> str:
        ahead = [f"{self.look_ahead} frames at once"] if self.look_ahead > 1 else []
        return ", ".join([self.precision, *(["compiled"] if self.compiled else []), *ahead])


EXACT = Mode("float32")
ON_CPU = (EXACT, Mode("bf16"))
ON_GPU = (*ON_CPU, Mode("bf16", look_ahead=4), Mode("bf16", compiled=True), Mode("bf16", compiled=True, look_ahead=4))


def modes(bench: Bench) -> dict[str, Any]:
    """Measures `Segmenter.follow` in turns, and which share of pixels has the label that float32 gives it.

    Masks agree as well as the checkpoint is sure of them: random weights give noise, and modes disagree about noise.
    """
    torch.backends.cudnn.allow_tf32 = False
    chosen = ON_CPU if bench.device.type == "cpu" or bench.setting.quick else ON_GPU
    count = bench.sizes.followed * bench.repeats
    segmenters = {mode: bench.segmenter(**mode._asdict()) for mode in chosen}
    _LOGGER.info("modes: %s, in turns", "; ".join(mode.name for mode in chosen))
    label_maps = {mode: list(_followed(bench, segmenter, count)) for mode, segmenter in segmenters.items()}
    runs: dict[Mode, Callable[[], object]] = {
        mode: partial(_drain, bench, segmenter, count) for mode, segmenter in segmenters.items()
    }
    times = in_turns(runs, bench.device, rounds=bench.sizes.rounds)
    agreement = {mode: _agreement(label_maps[EXACT], label_maps[mode]) for mode in chosen}
    return {
        "frame_size": label(bench.sizes.frame),
        "objects": bench.sizes.objects,
        "frames": count,
        "by_mode": [
            {
                "mode": mode.name,
                "seconds": {key: took / count for key, took in times[mode].as_json().items() if key != "rounds"},
                "equal_pixels": agreement[mode],
            }
            for mode in chosen
        ],
    }


def _followed(bench: Bench, segmenter: Segmenter, count: int) -> Iterator[torch.Tensor]:
    """Label maps of the usual video, which repeats itself, from its first masks on."""
    video = bench.video.of_objects(bench.sizes.objects)
    frames = itertools.islice(itertools.cycle(video.frames), count)
    given: Iterator[dict[int, np.ndarray] | None] = itertools.chain([video.masks], itertools.repeat(None))
    segmenter.reset()
    return segmenter.follow(zip(frames, given, strict=False))


def _drain(bench: Bench, segmenter: Segmenter, count: int) -> None:
    for _ in _followed(bench, segmenter, count):
        pass


def _agreement(exact: list[torch.Tensor], others: list[torch.Tensor]) -> float:
    return sum((a == b).double().mean().item() for a, b in zip(exact, others, strict=True)) / len(exact)

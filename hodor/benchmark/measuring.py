"""How things are measured: in seconds, in bytes, and in operations."""

import copy
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from hodor.modelling.model import HODOR
from hodor.modelling.soft_masked_attention import SoftMaskedAttention

Times = dict[str, Any]
"""What several rounds took: {"median": s, "minimum": s, "rounds": [s, ...]}. Others on the machine only make a round slower."""
Key = TypeVar("Key", bound=Hashable)


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


def times(rounds: Sequence[float]) -> Times:
    """What several rounds took, in seconds."""
    return {"median": statistics.median(rounds), "minimum": min(rounds), "rounds": list(rounds)}


def seconds(run: Callable[[], object], device: torch.device, *, repeats: int = 1) -> float:
    """Seconds per run, measured over `repeats` with the device idle at both ends."""
    started = idle_at(device)
    for _ in range(repeats):
        run()
    return (idle_at(device) - started) / repeats


def idle_at(device: torch.device) -> float:
    """Waits until the device has done what it was given; the clock then."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def memory_in_use(device: torch.device) -> dict[str, int]:
    """Bytes of this process: "resident" ones (where the system doesn't tell, the most there ever were), and "on_gpu" ones."""
    pages = Path("/proc/self/statm")
    if pages.is_file():
        resident = int(pages.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    else:
        resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    on_gpu = {"on_gpu": torch.cuda.memory_allocated(device)} if device.type == "cuda" else {}
    return {"resident": resident} | on_gpu


def countable(model: HODOR) -> HODOR:
    """A copy of a network that computes directly what `direct_gflop` counts: on the CPU, with all projections."""
    twin = copy.deepcopy(model).cpu().requires_grad_(False)  # PyTorch's counter trips over weights that want a gradient
    for module in twin.modules():
        if isinstance(module, SoftMaskedAttention):
            module.spares_projections = False
    return twin


def direct_gflop(run: Callable[[], object]) -> float:
    """Counts the floating point operations of the products in what `run` computes by a `countable` network, in 10^9.

    Matrix products, convolutions and attention count, a multiplication and an addition as two. Sums, norms, activations and
    the sampling of deformable convolutions, well below a hundredth, don't.
    """
    counter = FlopCounterMode(display=False)
    with sdpa_kernel(SDPBackend.MATH), counter:
        run()
    return counter.get_total_flops() / 1e9

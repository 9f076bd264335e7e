"""Seconds and bytes: taking turns, waiting for the device only around whole measurements, and reading this process's memory."""

import resource
import statistics
import sys
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch

Key = TypeVar("Key", bound=Hashable)
_STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class Times:
    """What several rounds took, in seconds. Others on the machine only make a round slower, so the minimum is worth a look."""

    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    @property
    def minimum(self) -> float:
        return min(self.rounds)

    def as_json(self) -> dict[str, Any]:
        """{"median": s, "minimum": s, "rounds": [s, ...]}."""
        return {"median": self.median, "minimum": self.minimum, "rounds": list(self.rounds)}


def in_turns(
    runs: Mapping[Key, Callable[[], object]], device: torch.device, *, rounds: int, repeats: int = 1
) -> dict[Key, Times]:
    """Measures side by side: in each round each is run, so that a disturbed minute doesn't hit one alone.

    Args:
        runs: what to run; each is run once before, to warm up.
        device: where they compute.
        rounds: how often each is measured.
        repeats: runs per measurement, between which nobody waits for the device.

    Returns:
        Seconds per run, by the keys of `runs`.
    """
    for run in runs.values():
        run()
    measured: dict[Key, list[float]] = {key: [] for key in runs}
    for _ in range(rounds):
        for key, run in runs.items():
            measured[key].append(seconds(run, device, repeats=repeats))
    return {key: Times(tuple(values)) for key, values in measured.items()}


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


def ratios(slower: Times, faster: Times) -> dict[str, float]:
    """How much longer the one took: {"median": of the rounds' own ratios, "minimum": ratio of both minima}."""
    each = [a / b for a, b in zip(slower.rounds, faster.rounds, strict=True)]
    return {"median": statistics.median(each), "minimum": slower.minimum / faster.minimum}


def last_against_second_quarter(values: Sequence[float]) -> float:
    """Median of the last quarter over that of the second, which lies behind all start-up; needs at least four values."""
    quarter = len(values) // 4
    return statistics.median(values[-quarter:]) / statistics.median(values[quarter : 2 * quarter])


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

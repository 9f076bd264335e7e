"""Means over the last iterations, equal on all processes."""

import time
from dataclasses import dataclass

import torch

from hodor.training.distributed import Processes
from hodor.training.losses import Loss


@dataclass(frozen=True)
class Reading:
    """What a meter shows.

    Attributes:
        loss: mean over micro-batches that had an object; nan without any.
        dice: likewise.
        cross_entropy: likewise.
        iou: summed intersections over summed unions; 1 where there was nothing to find and nothing found.
        seconds: per iteration.
        waiting: share of the time that this process waited for data, 0..1.
    """

    loss: float
    dice: float
    cross_entropy: float
    iou: float
    seconds: float
    waiting: float


class Meter:
    """Sums up losses, overlaps and times; `read` gives the means and starts anew."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        self._start_anew()

    def _start_anew(self) -> None:
        self._sums = torch.zeros(6, dtype=torch.float64, device=self._processes.device)
        self._iterations = 0
        self._waited = 0.0
        self._begun = time.perf_counter()

    def add(self, loss: Loss) -> None:
        """Counts a micro-batch, without waiting for the device."""
        parts = (loss.total, loss.dice, loss.cross_entropy, loss.intersection, loss.union)
        self._sums[:5] += torch.stack([part.detach().double() for part in parts])
        self._sums[5] += 1

    def add_wait(self, seconds: float) -> None:
        """Counts time spent waiting for data."""
        self._waited += seconds

    def add_iteration(self) -> None:
        """Counts an iteration."""
        self._iterations += 1

    def read(self) -> Reading:
        """The means since the last reading. All processes must call it together."""
        total, dice, entropy, intersection, union, count = self._processes.sum(self._sums).tolist()
        elapsed = time.perf_counter() - self._begun
        mean = 1 / count if count else float("nan")
        reading = Reading(
            total * mean,
            dice * mean,
            entropy * mean,
            intersection / union if union else 1.0,
            elapsed / max(self._iterations, 1),
            self._waited / elapsed,
        )
        self._start_anew()
        return reading

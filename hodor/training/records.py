"""What is told of a training: lines on the console, and what TensorBoard shows, curves and pictures of clips."""

import argparse
import contextlib
import logging
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from tensorboardX import SummaryWriter

from hodor.data.loader import TrainingBatch
from hodor.distributed import Group
from hodor.media.drawing import draw
from hodor.modelling.soft_masks import resize
from hodor.training.criterion import Loss, SupervisedPrediction
from hodor.training.session import Session

_LOGGER = logging.getLogger(__name__)
_CURVES = ("loss/total", "loss/dice", "loss/cross_entropy", "iou", "time/seconds_per_iteration", "time/waiting_for_data")
_POINTS_PER_PICTURE = 50


def is_due(interval: int, iteration: int, last: int) -> bool:
    """Whether that happens now which happens every so many iterations, and after the last one; an interval of 0 = never."""
    return interval > 0 and (iteration % interval == 0 or iteration == last)


class Recorder(contextlib.AbstractContextManager["Recorder"]):
    """Keeps and shows the records of a training; all processes must call its methods, of which the first one writes."""

    def __init__(self, folder: Path, session: Session, last: int, options: argparse.Namespace, *, group: Group) -> None:
        """
        Args:
            folder: for TensorBoard. A run that goes on goes on with the curves; what was written of later iterations goes.
            session: what is trained.
            last: number of iterations in the end.
            options: its `display_interval` and `summary_interval`, in iterations; pictures are 50 times rarer.
            group: the processes that train together.
        """
        self._progress, self._last, self._device = session.progress, last, session.model.device
        self._display_interval, self._summary_interval = options.display_interval, options.summary_interval
        self._meters = self._display, self._summary = Meter(group, self._device), Meter(group, self._device)
        self._is_first = group.is_first
        self._writer = SummaryWriter(str(folder), purge_step=self._progress.iteration + 1) if group.is_first else None

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()

    @contextlib.contextmanager
    def waiting_for_data(self) -> Iterator[None]:
        """A context whose time counts as waiting."""
        begun = time.perf_counter()
        yield
        for meter in self._meters:
            meter.waited += time.perf_counter() - begun

    def add(self, loss: Loss) -> None:
        """Counts the loss of a micro-batch, without waiting for the device."""
        for meter in self._meters:
            meter.add(loss)

    def end_iteration(self, rate: float, shown: tuple[TrainingBatch, Sequence[SupervisedPrediction]] | None) -> None:
        """Shows what is due.

        Args:
            rate: the learning rate.
            shown: a micro-batch and its predictions, for the picture; None where no object was to be learned.
        """
        iteration = self._progress.iteration
        for meter in self._meters:
            meter.iterations += 1
        if is_due(self._display_interval, iteration, self._last):
            metrics = self._display.read()
            if self._is_first:
                _LOGGER.info("%s", self._line(metrics, rate))
        if is_due(self._summary_interval, iteration, self._last):
            self._add_points(self._summary.read(), rate)
        picture_due = is_due(_POINTS_PER_PICTURE * self._summary_interval, iteration, self._last)
        if picture_due and self._writer is not None and shown is not None:
            self._writer.add_image("clip/truth_and_prediction", contact_sheet(*shown), iteration, dataformats="HWC")

    def add_score(self, score: float) -> None:
        """Shows the J&F of a validation, on the first process."""
        _LOGGER.info("validation after iteration %d: J&F %.3f", self._progress.iteration, score)
        if self._writer is not None:
            self._writer.add_scalar("validation/J_and_F", score, self._progress.iteration)

    def _line(self, metrics: "Metrics", rate: float) -> str:
        iteration, skipped = self._progress.iteration, self._progress.skipped
        hours, minutes = divmod(round((self._last - iteration) * metrics.seconds / 60), 60)
        return (
            f"{iteration}/{self._last}  loss {metrics.loss:.4f} (Dice {metrics.dice:.4f}, "
            f"cross-entropy {metrics.cross_entropy:.4f})  IoU {metrics.iou:.3f}  lr {rate:.2e}  {metrics.seconds:.2f} s/it, "
            f"{100 * metrics.waiting:.0f} % waiting for data  {skipped} skipped  {hours}:{minutes:02d} h left"
        )

    def _add_points(self, metrics: "Metrics", rate: float) -> None:
        if self._writer is None:
            return
        points = {**dict(zip(_CURVES, metrics, strict=True)), "learning_rate": rate}
        if self._device.type == "cuda":
            points["memory/peak_gib"] = torch.cuda.max_memory_allocated(self._device) / 2**30
        for name, value in points.items():
            if not math.isnan(value):  # as where no micro-batch had an object
                self._writer.add_scalar(name, value, self._progress.iteration)


class Metrics(NamedTuple):
    """Means over some iterations, equal on all processes.

    Attributes:
        loss, dice, cross_entropy: means over micro-batches that had an object; nan without any.
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
    """Sums up losses, overlaps and times; `read` gives the means and starts anew.

    Attributes:
        iterations: since the last reading.
        waited: for data, in seconds.
    """

    def __init__(self, group: Group, device: torch.device) -> None:
        self._group, self._device = group, device
        self._start_anew()

    def _start_anew(self) -> None:
        self._sums = torch.zeros(6, dtype=torch.float64, device=self._device)
        self.iterations, self.waited, self._begun = 0, 0.0, time.perf_counter()

    def add(self, loss: Loss) -> None:
        """Counts a micro-batch."""
        self._sums[:5] += torch.stack([part.detach().double() for part in loss])
        self._sums[5] += 1

    def read(self) -> Metrics:
        """The means since the last reading. All processes must call it together."""
        total, dice, entropy, intersection, union, count = self._group.sum(self._sums).tolist()
        elapsed = time.perf_counter() - self._begun
        mean = 1 / count if count else math.nan
        iou = intersection / union if union else 1.0
        seconds = elapsed / max(self.iterations, 1)
        metrics = Metrics(total * mean, dice * mean, entropy * mean, iou, seconds, self.waited / elapsed)
        self._start_anew()
        return metrics


def contact_sheet(clips: TrainingBatch, predictions: Sequence[SupervisedPrediction]) -> np.ndarray:
    """The first clip of a micro-batch as a picture [2 H, N W, 3] uint8: the truth of the N predictions, and below it these."""
    columns = []
    for target, logits, truth in predictions:
        frame = clips.images[0, target].permute(1, 2, 0).clamp(0, 255).byte().cpu().numpy()
        found = resize(logits[:1].detach().float(), (truth.shape[1], truth.shape[2]))[0].argmax(dim=0)
        masks = [labels.byte().cpu().numpy() for labels in (truth[0], found)]
        columns.append(np.concatenate([draw(frame, mask) for mask in masks]))
    return np.concatenate(columns, axis=1)

"""What is told of a training: lines on the console, and what TensorBoard shows, curves and pictures of clips."""

import argparse
import contextlib
import logging
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from tensorboardX import SummaryWriter

from hodor.data.loader import TrainingBatch
from hodor.distributed import Group
from hodor.media.drawing import draw
from hodor.modelling.soft_masks import resize
from hodor.training.criterion import Loss
from hodor.training.session import Session
from hodor.training.unroll import Prediction

_LOGGER = logging.getLogger(__name__)
_POINTS_PER_PICTURE = 50


def is_due(interval: int, iteration: int, last: int) -> bool:
    """Whether that happens now which happens every so many iterations, and after the last one; an interval of 0 = never."""
    return interval > 0 and (iteration % interval == 0 or iteration == last)


class Recorder(contextlib.AbstractContextManager["Recorder"]):
    """Keeps and shows the records of a training; all processes must call its methods, of which the first one writes."""

    def __init__(self, folder: Path, session: Session, last: int, options: argparse.Namespace, *, group: Group) -> None:
        """Curves go to a folder: a run that goes on goes on with them, but what was written of later iterations goes.

        `last` is the number of iterations in the end; `display_interval` and `summary_interval` of the options are in
        iterations, and pictures are 50 times rarer than points of curves.
        """
        self._progress, self._last, self._device = session.progress, last, session.model.device
        self._display_interval, self._summary_interval = options.display_interval, options.summary_interval
        self._meters = self._display, self._summary = Meter(group, self._device), Meter(group, self._device)
        self._latest: tuple[TrainingBatch, Sequence[Prediction]] | None = None
        purge_step = self._progress.iteration + 1
        self._writer = SummaryWriter(str(folder), purge_step=purge_step, write_to_disk=group.is_first)

    def __exit__(self, *_: object) -> None:
        self._writer.close()

    @contextlib.contextmanager
    def waiting_for_data(self) -> Iterator[None]:
        """A context whose time counts as waiting."""
        begun = time.perf_counter()
        yield
        for meter in self._meters:
            meter.waited += time.perf_counter() - begun

    def add(self, loss: Loss, clips: TrainingBatch, predictions: Sequence[Prediction]) -> None:
        """Counts the loss of a micro-batch and its predictions, without waiting for the device."""
        for meter in self._meters:
            meter.add(loss)
        self._latest = clips, predictions

    def end_iteration(self, rate: float) -> None:
        """Shows what is due of an iteration with this learning rate; the picture is of its last micro-batch."""
        iteration = self._progress.iteration
        for meter in self._meters:
            meter.iterations += 1
        if is_due(self._display_interval, iteration, self._last):
            self._log(self._display.read(), rate)
        if is_due(self._summary_interval, iteration, self._last):
            points = self._summary.read() | {"learning_rate": rate}
            if self._device.type == "cuda":
                points["memory/peak_gib"] = torch.cuda.max_memory_allocated(self._device) / 2**30
            for name, value in points.items():
                if not math.isnan(value):  # as where no micro-batch had an object
                    self._writer.add_scalar(name, value, iteration)
        if self._latest is not None and is_due(_POINTS_PER_PICTURE * self._summary_interval, iteration, self._last):
            self._writer.add_image("clip/truth_and_prediction", contact_sheet(*self._latest), iteration, dataformats="HWC")
        self._latest = None

    def add_score(self, score: float) -> None:
        """Shows the J&F of a validation."""
        _LOGGER.info("validation after iteration %d: J&F %.3f", self._progress.iteration, score)
        self._writer.add_scalar("validation/J_and_F", score, self._progress.iteration)

    def _log(self, means: dict[str, float], rate: float) -> None:
        loss, dice, entropy, iou, seconds, waiting = means.values()
        iteration, last = self._progress.iteration, self._last
        hours, minutes = divmod(round((last - iteration) * seconds / 60), 60)
        _LOGGER.info(
            f"{iteration}/{last}  loss {loss:.4f} (Dice {dice:.4f}, cross-entropy {entropy:.4f})  IoU {iou:.3f}  "
            f"lr {rate:.2e}  {seconds:.2f} s/it, {100 * waiting:.0f} % waiting for data  {self._progress.skipped} skipped  "
            f"{hours}:{minutes:02d} h left"
        )


class Meter:
    """Sums up losses and overlaps, iterations, and seconds of waiting for data; `read` gives the means and starts anew."""

    def __init__(self, group: Group, device: torch.device) -> None:
        self._group = group
        self._sums = torch.zeros(6, dtype=torch.float64, device=device)
        self._start_anew()

    def _start_anew(self) -> None:
        self._sums.zero_()
        self.iterations, self.waited, self._begun = 0, 0.0, time.perf_counter()

    def add(self, loss: Loss) -> None:
        """Counts a micro-batch."""
        self._sums[:5] += torch.stack([part.detach().double() for part in loss])
        self._sums[5] += 1

    def read(self) -> dict[str, float]:
        """The means since the last reading, by the names of their curves. All processes must call it together.

        Losses are nan without micro-batches; the IoU is 1 where nothing was to be found, nor was. Times are this process's.
        """
        total, dice, entropy, intersection, union, count = self._group.sum(self._sums).tolist()
        elapsed = time.perf_counter() - self._begun
        mean = 1 / count if count else math.nan
        means = {
            "loss/total": total * mean,
            "loss/dice": dice * mean,
            "loss/cross_entropy": entropy * mean,
            "iou": intersection / union if union else 1.0,
            "time/seconds_per_iteration": elapsed / max(self.iterations, 1),
            "time/waiting_for_data": self.waited / elapsed,
        }
        self._start_anew()
        return means


def contact_sheet(clips: TrainingBatch, predictions: Sequence[Prediction]) -> np.ndarray:
    """The first clip of a micro-batch as a picture [2 H, N W, 3] uint8: the truth of the N predictions, and below it these."""
    columns = []
    for target, logits, truth in predictions:
        frame = clips.images[0, target].permute(1, 2, 0).clamp(0, 255).byte().cpu().numpy()
        found = resize(logits[:1].detach().float(), (truth.shape[1], truth.shape[2]))[0].argmax(dim=0)
        masks = [labels.byte().cpu().numpy() for labels in (truth[0], found)]
        columns.append(np.concatenate([draw(frame, mask) for mask in masks]))
    return np.concatenate(columns, axis=1)

"""The training loop: micro-batches, gradients of all processes, optimizer, records, checkpoints."""

import hashlib
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch.optim.swa_utils import AveragedModel

from hodor.data.loader import TrainingBatch
from hodor.devices import Precision, precision_context
from hodor.errors import HodorError
from hodor.modelling.model import HODOR
from hodor.training.distributed import Processes
from hodor.training.meter import Meter, Reading
from hodor.training.objective import Objective, Outcome, judge
from hodor.training.session import Progress, checkpoint_name, save_session
from hodor.training.signals import StopRequest
from hodor.training.summaries import Summaries

_LOGGER = logging.getLogger(__name__)
_SUMMARIES_PER_PICTURE = 50
_SHORT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "ALLOC_FAILED")
_SIGNAL_BURST = 2.0  # seconds; processes that torchrun started may get a signal from it and from elsewhere


@dataclass(frozen=True)
class Settings:
    """How a training runs; intervals are in iterations.

    Attributes:
        total_iterations: where it ends.
        micro_batches: per process and iteration.
        turns_within_batches: a micro-batch's number counts towards whose turn it is.
        seed: of dropout.
        precision: of the network.
        display_interval: between lines on the console.
        summary_interval: between points of the curves; pictures are 50 times rarer.
        save_interval: between checkpoints.
        save_after: no checkpoint before this iteration, but for stops.
        raise_out_of_memory: end, instead of skipping samples that don't fit.
        validation_interval: between validations; 0 = none.
    """

    total_iterations: int
    micro_batches: int
    turns_within_batches: bool = False
    seed: int = 0
    precision: Precision = "float32"
    display_interval: int = 5
    summary_interval: int = 10
    save_interval: int = 10000
    save_after: int = 0
    raise_out_of_memory: bool = False
    validation_interval: int = 0


class Trainer:
    """Trains a network until its last iteration or until somebody asks to stop."""

    def __init__(
        self,
        model: HODOR,
        optimizer: torch.optim.Optimizer,
        objective: Objective,
        *,
        rate: Callable[[int], float],
        batches: Iterator[TrainingBatch],
        processes: Processes,
        folder: Path,
        settings: Settings,
        progress: Progress,
        validate: Callable[[HODOR], float] | None = None,
        average: AveragedModel | None = None,
    ) -> None:
        """Puts together what is needed.

        Args:
            model: on the processes' device.
            optimizer: of its parameters.
            objective: cycles and loss.
            rate: iteration -> learning rate.
            batches: this process's micro-batches, from where `progress` stands.
            processes: that train together.
            folder: for checkpoints and `logs/`.
            settings: how to run.
            progress: where to go on.
            validate: model -> J&F; called on the first process.
            average: of the weights; what is validated and used in the end.
        """
        self._model, self._optimizer, self._objective = model, optimizer, objective
        self._rate, self._batches, self._processes, self._validate = rate, batches, processes, validate
        self._average = average
        self._folder, self._settings, self.progress = folder, settings, progress
        self._meters = {"display": Meter(processes), "summary": Meter(processes)}
        self._summaries = Summaries(folder / "logs", progress.iteration) if processes.is_first else None
        self._parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self._taken = 0  # micro-batches of this iteration that were asked for
        self._names: tuple[str, ...] = ()  # of the samples in the latest

    def run(self) -> None:
        """Trains.

        Raises:
            HodorError: a loss or gradient is not finite; memory is short and may not be; a file can't be read or written.
        """
        self._model.train()
        try:
            with StopRequest(_SIGNAL_BURST if self._processes.count > 1 else 0) as stop:
                while self.progress.iteration < self._settings.total_iterations:
                    self._record(self._iterate())
                    if self._agree(stop.wanted):
                        path = self._save()
                        _LOGGER.info("stopped after iteration %d; --restore_session %s goes on", self.progress.iteration, path)
                        break
                    self._validate_if_due()
                    self._save_if_due()
        finally:
            if self._summaries is not None:
                self._summaries.close()

    def _iterate(self) -> tuple[TrainingBatch, Outcome] | None:
        """One optimizer step; gives the last micro-batch that taught something."""
        rate = self._rate(self.progress.iteration)
        for group in self._optimizer.param_groups:
            group["lr"] = rate * group["rate_factor"]
        self._optimizer.zero_grad(set_to_none=True)
        self._taken = 0
        last, losses, names = None, list[torch.Tensor](), list[str]()
        short = False
        try:
            last, losses, names = self._gather_gradients()
        except RuntimeError as error:
            self._require_short_memory(error, "the iteration is skipped, some of whose gradient is there already")
            short = True
        if short:  # not before: the exception kept everything of the attempt in memory
            self._abandon()
        taught = self._processes.sum(torch.tensor([float(len(losses))], device=self._processes.device)).item()
        if taught:
            self._processes.sum_gradients(self._parameters)
            self._require_finite(losses, names)
            self._optimizer.step()
            if self._average is not None:
                self._average.update_parameters(self._model)
        self.progress.iteration += 1
        for meter in self._meters.values():
            meter.add_iteration()
        return last

    def _gather_gradients(self) -> tuple[tuple[TrainingBatch, Outcome] | None, list[torch.Tensor], list[str]]:
        """Adds up the gradients of this process's micro-batches."""
        last, losses, names = None, [], list[str]()
        count = self._settings.micro_batches * self._processes.count
        for position in range(self._settings.micro_batches):
            batch = self._next_batch()
            self._seed(position)
            outcome = self._judge(batch, self.progress.iteration + (position if self._settings.turns_within_batches else 0))
            if outcome is None:
                self.progress.skipped += 1
                continue
            (outcome.loss.total / count).backward()
            for meter in self._meters.values():
                meter.add(outcome.loss)
            losses.append(outcome.loss.total.detach())
            names += batch.names
            last = (batch, outcome)
        return last, losses, names

    def _judge(self, batch: TrainingBatch, turn: int) -> Outcome | None:
        """What a micro-batch teaches, or None where that is nothing or memory is short. No gradient has been touched yet."""
        try:
            with precision_context(self._processes.device, self._settings.precision):
                return judge(self._model, batch, self._objective, turn)
        except RuntimeError as error:
            self._require_short_memory(error, "they are skipped")
        self._free_memory()
        return None

    def _next_batch(self) -> TrainingBatch:
        asked = time.perf_counter()
        batch = next(self._batches)
        self._taken += 1
        waited = time.perf_counter() - asked
        for meter in self._meters.values():
            meter.add_wait(waited)
        self._names = batch.names
        return batch.to(self._processes.device)

    def _seed(self, position: int) -> None:
        """Draws dropout from the place in the training: the same after a restart and with any number of processes."""
        number = position * self._processes.count + self._processes.rank
        digest = hashlib.sha256(f"{self._settings.seed} {self.progress.iteration} {number}".encode()).digest()
        torch.manual_seed(int.from_bytes(digest[:8], "little"))

    def _require_short_memory(self, error: RuntimeError, consequence: str) -> None:
        """Passes on any other error, and this one where nothing may be skipped."""
        if not isinstance(error, torch.OutOfMemoryError) and not any(text in str(error) for text in _SHORT_OF_MEMORY):
            raise error
        where = f"iteration {self.progress.iteration}: not enough memory for {', '.join(self._names)}"
        if self._settings.raise_out_of_memory or self._processes.count > 1:
            raise HodorError(f"{where}; try --max_samples_per_gpu 1 or TRAINING.ACTIVATION_CHECKPOINTING") from error
        _LOGGER.warning("%s; %s", where, consequence)

    def _abandon(self) -> None:
        """Forgets what the iteration has gathered, and passes over its other micro-batches: the next iteration has its own."""
        self.progress.skipped += self._settings.micro_batches
        self._optimizer.zero_grad(set_to_none=True)
        self._free_memory()
        while self._taken < self._settings.micro_batches:
            self._next_batch()

    def _free_memory(self) -> None:
        if self._processes.device.type == "cuda":
            torch.cuda.empty_cache()

    def _require_finite(self, losses: list[torch.Tensor], names: list[str]) -> None:
        """Stops all processes where a loss of one of them or the summed gradient is not finite."""
        norms = [parameter.grad.norm() for parameter in self._parameters if parameter.grad is not None]
        finite = torch.stack([*losses, torch.stack(norms).norm()]).isfinite().all()
        if self._agree(not finite.item()):
            values = ", ".join(f"{value.item():.4g}" for value in losses)
            raise HodorError(
                f"iteration {self.progress.iteration}: loss ({values}) or gradient is not finite with the samples "
                f"{', '.join(names)}; nothing of it was saved"
            )

    def _agree(self, wish: bool) -> bool:
        """Whether any process wishes so."""
        return self._processes.sum(torch.tensor([float(wish)], device=self._processes.device)).item() > 0

    def _due(self, interval: int) -> bool:
        iteration = self.progress.iteration
        return interval > 0 and (iteration % interval == 0 or iteration == self._settings.total_iterations)

    def _record(self, last: tuple[TrainingBatch, Outcome] | None) -> None:
        rate = self._rate(self.progress.iteration - 1)
        if self._due(self._settings.display_interval):
            reading = self._meters["display"].read()
            if self._processes.is_first:
                _LOGGER.info("%s", self._line(reading, rate))
        if self._due(self._settings.summary_interval):
            reading = self._meters["summary"].read()
            if self._summaries is not None:
                self._summaries.scalars(self.progress.iteration, reading, rate, self._processes.device)
        pictures_due = self._due(_SUMMARIES_PER_PICTURE * self._settings.summary_interval)
        if pictures_due and self._summaries is not None and last is not None:
            self._summaries.pictures(self.progress.iteration, *last)

    def _line(self, reading: Reading, rate: float) -> str:
        left = (self._settings.total_iterations - self.progress.iteration) * reading.seconds
        hours, minutes = divmod(round(left / 60), 60)
        return (
            f"{self.progress.iteration}/{self._settings.total_iterations}  loss {reading.loss:.4f} (Dice {reading.dice:.4f}, "
            f"cross-entropy {reading.cross_entropy:.4f})  IoU {reading.iou:.3f}  lr {rate:.2e}  {reading.seconds:.2f} s/it, "
            f"{100 * reading.waiting:.0f} % waiting for data  {self.progress.skipped} skipped  {hours}:{minutes:02d} h left"
        )

    def _save_if_due(self) -> None:
        due = self._due(self._settings.save_interval) and self.progress.iteration >= self._settings.save_after
        if due or self.progress.iteration == self._settings.total_iterations:
            self._save()

    def _save(self) -> Path:
        path = self._folder / checkpoint_name(self.progress.iteration)
        if self._processes.is_first:
            save_session(path, self._model, self._optimizer, self.progress, self._average)
            _LOGGER.info("saved %s", path)
        self._processes.wait()
        return path

    def _validate_if_due(self) -> None:
        if self._validate is None or not self._due(self._settings.validation_interval):
            return
        if self._processes.is_first:
            score = self._validate(self._model if self._average is None else cast(HODOR, self._average.module))
            self._model.train()
            _LOGGER.info("validation after iteration %d: J&F %.3f", self.progress.iteration, score)
            if self._summaries is not None:
                self._summaries.score(self.progress.iteration, score)
            if score > self.progress.best_score:
                self.progress.best_score = score
                save_session(self._folder / "best.pth", self._model, self._optimizer, self.progress, self._average)
        self._processes.wait()

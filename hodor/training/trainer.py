"""The training loop: batches -> unroll -> loss -> backward -> step -> records -> checkpoints, from top to bottom in `train`."""

import argparse
import contextlib
import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch

from hodor.config import Config
from hodor.data.loader import TrainingBatch
from hodor.devices import is_out_of_memory, precision_context
from hodor.distributed import Group
from hodor.errors import HodorError
from hodor.modelling.model import HODOR
from hodor.training.criterion import criterion
from hodor.training.cycles import PlannedStep
from hodor.training.recipe import scheduled_rate
from hodor.training.records import Recorder, is_due
from hodor.training.session import Progress, Session
from hodor.training.stopping import stop_requests
from hodor.training.unroll import learnable_part, unroll

_LOGGER = logging.getLogger(__name__)


def train(
    session: Session,
    config: Config,
    options: argparse.Namespace,
    *,
    plans: Sequence[Sequence[PlannedStep]],
    batches: Iterator[TrainingBatch],
    group: Group,
    folder: Path,
    validate: Callable[[HODOR], float] | None = None,
) -> None:
    """Trains until the last iteration or until somebody asks to stop; `options` are those of the program.

    `plans` are steps of cycles, which take turns; `batches` are this process's micro-batches from where the session stands;
    `folder` takes checkpoints and logs; `validate` gives the J&F of a network, on the first process.

    Raises:
        HodorError: a loss or gradient is not finite; memory is short; a file can't be read or written.
    """
    training, progress, model = config.training, session.progress, session.model
    last, micro_batches = training.total_iterations, training.batch_size // (group.count * progress.samples_per_batch)
    names: list[str] = []  # of the samples of an iteration
    recorder = Recorder(folder / "logs", session, last, options, group=group)
    with recorder, stop_requests(several=group.count > 1) as stop_wanted, _memory_explained(progress, names):
        while progress.iteration < last:
            rate = scheduled_rate(config, progress.iteration)
            losses: list[torch.Tensor] = []
            for position in range(micro_batches):
                with recorder.waiting_for_data():
                    batch = next(batches)
                _seed_dropout(training.seed, progress.iteration, position * group.count + group.rank)
                clips = learnable_part(batch.to(model.device))
                if clips is None:
                    progress.skipped += 1
                    continue
                names += clips.names
                turn = progress.iteration + (position if training.cycles_alternate_within_batches else 0)
                with precision_context(model.device, options.precision):
                    predictions = unroll(model, clips, plans[turn % len(plans)], training)
                    loss = criterion(predictions, training)
                (loss.total / (micro_batches * group.count)).backward()
                recorder.add(loss, clips, predictions)
                losses.append(loss.total.detach())
            if group.any(bool(losses)):
                group.sum_gradients(model.parameters())
                _require_finite(session, losses, names, group)
                session.step(rate)
            names.clear()
            progress.iteration += 1
            recorder.end_iteration(rate)
            if group.any(stop_wanted()):
                path = _save(session, folder, group)
                _LOGGER.info("stopped after iteration %d; --restore_session %s goes on", progress.iteration, path)
                break
            if validate is not None and is_due(training.validation.interval, progress.iteration, last):
                _validate(validate, session, recorder, folder, group=group)
            due = progress.iteration >= options.save_ckpts_after and is_due(options.save_interval, progress.iteration, last)
            if due or progress.iteration == last:
                _save(session, folder, group)


def _seed_dropout(seed: int, iteration: int, number: int) -> None:
    """Draws dropout from the place in the training: the same after a restart and with any number of processes."""
    digest = hashlib.sha256(f"{seed} {iteration} {number}".encode()).digest()
    torch.manual_seed(int.from_bytes(digest[:8], "little"))


def _require_finite(session: Session, losses: Sequence[torch.Tensor], names: Sequence[str], group: Group) -> None:
    """Stops all processes where a loss of one of them or the summed gradient is not finite."""
    norms = [parameter.grad.norm() for parameter in session.model.parameters() if parameter.grad is not None]
    finite = torch.stack([*losses, torch.stack(norms).norm()]).isfinite().all()
    if group.any(not finite.item()):
        values = ", ".join(f"{value.item():.4g}" for value in losses)
        raise HodorError(
            f"iteration {session.progress.iteration}: loss ({values}) or gradient is not finite with the samples "
            f"{', '.join(names)}; nothing of it was saved"
        )


@contextlib.contextmanager
def _memory_explained(progress: Progress, names: Sequence[str]) -> Iterator[None]:
    """Turns PyTorch's errors for short memory into one line with the latest samples and the ways out."""
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        samples = f" for {', '.join(names[-progress.samples_per_batch :])}" if names else ""
        raise HodorError(
            f"iteration {progress.iteration}: not enough memory{samples}; lower --max_samples_per_gpu, set "
            "TRAINING.ACTIVATION_CHECKPOINTING true, take --precision bf16, or make images smaller: INPUT.MAX_IMAGE_AREA for "
            "photographs, INPUT.MIN_DIM and MAX_DIM for videos"
        ) from error


def _save(session: Session, folder: Path, group: Group) -> Path:
    path = folder / f"{session.progress.iteration:06d}.pth"
    if group.is_first:
        session.save(path)
        _LOGGER.info("saved %s", path)
    group.wait()
    return path


def _validate(validate: Callable[[HODOR], float], session: Session, recorder: Recorder, folder: Path, *, group: Group) -> None:
    """Judges the network on videos, and keeps the best."""
    if group.is_first:
        score = validate(session.result)
        session.model.train()
        recorder.add_score(score)
        if score > session.progress.best_score:
            session.progress.best_score = score
            session.save(folder / "best.pth")
    group.wait()

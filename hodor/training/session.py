"""A training on disk: checkpoints that are complete or absent, and going on from them."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch.optim.swa_utils import AveragedModel

from hodor.checkpoints.checkpoint import load_strictly, read_weights
from hodor.checkpoints.safe_loading import read_content, state_dict_in
from hodor.errors import HodorError
from hodor.files import written_aside
from hodor.modelling.model import HODOR


@dataclass
class Progress:
    """Where a training stands, apart from weights and optimizer.

    Attributes:
        iteration: optimizer steps made.
        samples_per_batch: of a micro-batch; the order of samples depends on it.
        skipped: micro-batches without an object to learn from, or that didn't fit into memory, so far.
        best_score: the best J&F of the validations so far, below 0 before the first.
    """

    iteration: int = 0
    samples_per_batch: int = 1
    skipped: int = 0
    best_score: float = -1.0


def checkpoint_name(iteration: int) -> str:
    """File name of the checkpoint after so many iterations: 5000 -> "005000.pth"."""
    return f"{iteration:06d}.pth"


def save_session(
    path: Path,
    model: HODOR,
    optimizer: torch.optim.Optimizer,
    progress: Progress,
    average: AveragedModel | None = None,
) -> None:
    """Writes everything that the rest of the training depends on; complete or absent.

    Where weights are averaged, the average is what others find in the file; the trained weights stand under "trained".
    Random numbers need no state: each is drawn from the seed and the place in the training where it is used.

    Raises:
        HodorError: the disk takes no more.
    """
    content = {
        "model": (model if average is None else average.module).state_dict(),
        "optimizer": optimizer.state_dict(),
        "iterations": progress.iteration,
        "progress": vars(progress),
    }
    if average is not None:
        content |= {"trained": model.state_dict(), "averaged": int(average.n_averaged)}
    try:
        with written_aside(path) as aside:
            torch.save(content, aside)
    except RuntimeError:  # torch's for a failing disk
        raise HodorError(f"{path}: could not be written; is there space left on the disk?") from None


def restore_weights(path: Path, model: HODOR) -> None:
    """Takes over the weights of a checkpoint, of this project or of the original.

    Raises:
        HodorError: the file is broken or of another model.
    """
    weights = read_weights(path)
    load_strictly(model, weights.state, str(path), weights.name_in_file)


def restore_session(
    path: Path, model: HODOR, optimizer: torch.optim.Optimizer, average: AveragedModel | None = None
) -> Progress:
    """Takes over everything that `save_session` wrote. Rate and weight decay stay those of the configuration.

    Raises:
        HodorError: the file is broken, of another model, or holds weights only.
    """
    restore_weights(path, model)
    content = {} if path.suffix == ".safetensors" else read_content(path)
    if "progress" not in content or "optimizer" not in content:
        raise HodorError(f"{path}: holds no training to go on with; start a new one from its weights with --restore_path")
    if average is not None:
        average.module.load_state_dict(model.state_dict())
        average.n_averaged.fill_(int(content.get("averaged", 0)))
    if "trained" in content:
        load_strictly(model, state_dict_in(content, path, "trained"), str(path))
    try:
        settings = [{key: group[key] for key in ("lr", "weight_decay", "rate_factor")} for group in optimizer.param_groups]
        optimizer.load_state_dict(content["optimizer"])
        for group, configured in zip(optimizer.param_groups, settings, strict=True):
            group.update(configured)
        return Progress(**content["progress"])
    except (ValueError, KeyError, TypeError) as error:
        raise HodorError(f"{path}: the optimizer's state doesn't fit the model ({error})") from None

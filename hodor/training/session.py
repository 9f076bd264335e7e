"""What a training changes, and that on disk: checkpoints that are complete or absent, and going on from them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from hodor.checkpoints.checkpoint import load_strictly, read_weights, weights_written_aside
from hodor.checkpoints.safe_loading import read_content, state_dict_in
from hodor.config import TrainingConfig
from hodor.errors import HodorError
from hodor.modelling.model import HODOR

_CONFIGURED = ("lr", "weight_decay", "rate_factor")


@dataclass
class Progress:
    """Where a training stands, apart from weights and optimizer."""

    iteration: int = 0  # so many are done
    samples_per_batch: int = 1  # of a micro-batch; the order of samples depends on it
    skipped: int = 0  # micro-batches without an object to learn from, so far
    best_score: float = -1.0  # the best J&F of the validations so far, below 0 before the first


class Session:
    """A network in training with everything that the rest of the training depends on.

    Random numbers need no state: each is drawn from the seed and the place in the training where it is used.

    Attributes:
        model: the network.
        optimizer: AdamW; each of its groups has a `rate_factor`, which the learning rate is multiplied by.
        average: a moving average of the weights, which is then what others find in checkpoints; None = none.
        progress: where the training stands.
    """

    def __init__(self, model: HODOR, training: TrainingConfig, samples_per_batch: int) -> None:
        """Begins a training of a network that lies on its device."""
        self.model, self.progress = model, Progress(samples_per_batch=samples_per_batch)
        groups = _parameter_groups(model, training.backbone_lr_factor)
        self.optimizer = torch.optim.AdamW(groups, lr=training.base_lr, weight_decay=training.weight_decay, fused=True)
        decay = training.weight_average
        self.average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay)) if decay else None

    @property
    def result(self) -> HODOR:
        """The network to use: with averaged weights where there are such."""
        return self.model if self.average is None else cast(HODOR, self.average.module)

    def step(self, rate: float) -> None:
        """Makes an optimizer step with a learning rate, and forgets the gradients."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["rate_factor"]
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.average is not None:
            self.average.update_parameters(self.model)

    def save(self, path: Path) -> None:
        """Writes everything; complete or absent. Where weights are averaged, the trained ones stand under "trained".

        Raises:
            HodorError: the disk takes no more.
        """
        content = {
            "model": self.result.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "iterations": self.progress.iteration,
            "progress": vars(self.progress),
        }
        if self.average is not None:
            content |= {"trained": self.model.state_dict(), "averaged": int(self.average.n_averaged)}
        with weights_written_aside(path) as aside:
            torch.save(content, aside)

    def restore(self, path: Path) -> None:
        """Takes over everything that `save` wrote. Rate and weight decay stay those of the configuration.

        Raises:
            HodorError: the file is broken, of another model, holds weights only, or had another number of samples at once.
        """
        content = {} if path.suffix == ".safetensors" else read_content(path)
        if not isinstance(content, dict) or not {"model", "optimizer", "progress"} <= content.keys():
            raise HodorError(f"{path}: holds no training to go on with; start a new one from its weights with --restore_path")
        trained = "trained" if "trained" in content else "model"
        for model, key in ((self.result, "model"), (self.model, trained)):
            load_strictly(model, state_dict_in(content, path, key), str(path))
        if self.average is not None:
            self.average.n_averaged.fill_(int(content.get("averaged", 0)))
        configured = [{key: group[key] for key in _CONFIGURED} for group in self.optimizer.param_groups]
        try:
            self.optimizer.load_state_dict(content["optimizer"])
            progress = Progress(**content["progress"])
        except (ValueError, KeyError, TypeError) as error:
            raise HodorError(f"{path}: the optimizer's state doesn't fit the model ({error})") from None
        for group, settings in zip(self.optimizer.param_groups, configured, strict=True):
            group.update(settings)
        then, now = progress.samples_per_batch, self.progress.samples_per_batch
        if then != now:
            raise HodorError(
                f"{path}: was trained with {then} samples at once, not {now}; go on with --max_samples_per_gpu {then}"
            )
        self.progress = progress


def _parameter_groups(model: HODOR, backbone_factor: float) -> list[dict[str, Any]]:
    """What the optimizer learns, by what the learning rate is multiplied by (`rate_factor`)."""
    if backbone_factor == 1:
        return [{"params": list(model.parameters()), "rate_factor": 1.0}]
    backbone = dict.fromkeys(model.feature_extractor.backbone.parameters())
    others = [parameter for parameter in model.parameters() if parameter not in backbone]
    return [{"params": others, "rate_factor": 1.0}, {"params": list(backbone), "rate_factor": backbone_factor}]


def restore_weights(path: Path, model: HODOR) -> None:
    """Takes over the weights of a checkpoint, of this project or of the original. Raises `HodorError` where they don't fit."""
    weights = read_weights(path)
    load_strictly(model, weights.state, str(path), weights.name_in_file)

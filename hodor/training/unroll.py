"""Carrying out cycles on clips: features once, then decode and describe step by step (HODOR section 3.5)."""

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm
from torch.utils.checkpoint import checkpoint

from hodor.config import TrainingConfig
from hodor.data.loader import TrainingBatch
from hodor.modelling.descriptors import DescribedFrames, Descriptors
from hodor.modelling.features import Features
from hodor.modelling.model import HODOR
from hodor.modelling.soft_masks import shrink
from hodor.training.cycles import REFERENCE, PlannedStep


class Prediction(NamedTuple):
    """What a step found, and what it should have found."""

    target: int  # the frame
    logits: torch.Tensor  # [B, 1 + I, H/4, W/4], background first
    labels: torch.Tensor  # [B, H, W] int64 in 0..I


def object_masks(labels: torch.Tensor, num_objects: int) -> torch.Tensor:
    """Labels [B, H, W] with ids 0..I -> masks [B, I, H, W] bool."""
    return labels[:, None] == torch.arange(1, num_objects + 1, device=labels.device)[:, None, None]


def learnable_part(batch: TrainingBatch) -> TrainingBatch | None:
    """A micro-batch whose objects keep a value above 0.5 at stride 8 of the reference in every sample; None where none does.

    The others become background, and those that are kept get the ids 1, 2, ...
    """
    reference_masks = object_masks(batch.labels[:, REFERENCE], batch.presence.shape[2])
    kept = (shrink(reference_masks.float()) > 0.5).flatten(2).any(dim=2).all(dim=0)
    if not kept.any():
        return None
    new_ids = torch.cat([kept.new_zeros(1, dtype=torch.long), kept.cumsum(0) * kept])
    labels = new_ids[batch.labels.long()].to(batch.labels.dtype)
    return batch._replace(labels=labels, presence=batch.presence[:, :, kept])


def unroll(model: HODOR, clips: TrainingBatch, steps: Sequence[PlannedStep], training: TrainingConfig) -> list[Prediction]:
    """Segments frames of clips from each other by the steps of `plan_cycles`: the predictions that count in the loss, in order.

    The configuration says which these are, whether gradients flow through predicted masks that are described again, and whether
    activations are kept for the backward pass or computed again (less memory, more time).
    """
    call = _recomputed(model) if training.activation_checkpointing else lambda function, *arguments: function(*arguments)
    images = model.prepare(clips.images.flatten(0, 1)) * clips.valid.flatten(0, 1)[:, None]
    fine, coarse = (maps.unflatten(0, clips.images.shape[:2]) for maps in call(model.extract_features, images))
    frames = [Features(fine[:, frame], coarse[:, frame]) for frame in range(clips.images.shape[1])]
    reference_masks = object_masks(clips.labels[:, REFERENCE], clips.presence.shape[2])
    descriptors: dict[int, Descriptors] = {0: model.describe_given(frames[REFERENCE], reference_masks)}
    found = []
    for step in steps:
        memory = DescribedFrames.of([descriptors[number] for number in step.sources])
        features = frames[step.target]
        logits = call(model.segment, features, memory)
        if step.descriptors is not None:
            detach = training.detach_intermediate_masks
            descriptors[step.descriptors] = model.describe_predicted(features, logits, detach=detach)
        if step.target == REFERENCE or training.apply_loss_on_intermediate_frames:
            found.append((step, logits))
    return [with_truth(step, logits, clips, training) for step, logits in found]


def with_truth(step: PlannedStep, logits: torch.Tensor, clips: TrainingBatch, training: TrainingConfig) -> Prediction:
    """A prediction from logits [B, K + I, H/4, W/4]: the background is the largest of its K channels.

    Objects that the step could not know of are background in its truth, but for the reference where only that one counts.
    """
    background, objects = logits.tensor_split([logits.shape[1] - clips.presence.shape[2]], dim=1)
    merged = torch.cat([background.amax(dim=1, keepdim=True), objects], dim=1)
    truth = clips.labels[:, step.target].long()
    if training.apply_loss_on_intermediate_frames:
        known = F.pad(trackable(clips.presence, step.source_frames), (1, 0), value=True)
        truth = truth * known.gather(1, truth.flatten(1)).view_as(truth)
    return Prediction(step.target, merged, truth)


def _recomputed(model: nn.Module) -> Callable[..., Any]:
    """Calls functions whose activations are computed again for the backward pass."""
    return functools.partial(
        checkpoint, use_reentrant=False, context_fn=lambda: (contextlib.nullcontext(), _statistics_kept(model))
    )


@contextlib.contextmanager
def _statistics_kept(model: nn.Module) -> Iterator[None]:
    """A context in which batch norms don't count what they see, since they saw it before."""
    norms = [module for module in model.modules() if isinstance(module, BatchNorm) and module.track_running_stats]
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, count


def trackable(presence: torch.Tensor, source_frames: Sequence[Sequence[int]]) -> torch.Tensor:
    """Objects that are present in at least one source of every step so far: [B, F, I] bool -> [B, I] bool."""
    return torch.stack([presence[:, list(frames)].any(dim=1) for frames in source_frames]).all(dim=0)

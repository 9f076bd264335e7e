"""Carrying out cycles on clips: features once, then decode and describe step by step (HODOR section 3.5)."""

import contextlib
import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import nn
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
    """What a step found.

    Attributes:
        target: the frame.
        logits: [B, K + I, H/4, W/4].
        trackable: [B, I] bool; objects that the step could know of. The others' truth is empty here.
    """

    target: int
    logits: torch.Tensor
    trackable: torch.Tensor


def learnable_part(batch: TrainingBatch) -> TrainingBatch | None:
    """A micro-batch without objects whose mask vanishes at stride 8 of the reference in any sample; None where none is left."""
    kept = learnable_objects(object_masks(batch.labels[:, REFERENCE], batch.presence.shape[2]))
    if not kept.any():
        return None
    return batch._replace(labels=keep_objects(batch.labels, kept), presence=batch.presence[:, :, kept])


def object_masks(labels: torch.Tensor, num_objects: int) -> torch.Tensor:
    """Labels [B, H, W] with ids 0..I -> masks [B, I, H, W] bool."""
    return labels[:, None] == torch.arange(1, num_objects + 1, device=labels.device)[:, None, None]


def learnable_objects(reference_masks: torch.Tensor) -> torch.Tensor:
    """Which objects keep a value above 0.5 at stride 8 in every sample: [B, I, H, W] of 0 and 1 -> [I] bool."""
    return (shrink(reference_masks.float()) > 0.5).flatten(2).any(dim=2).all(dim=0)


def keep_objects(labels: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
    """Labels [..., H, W] with ids 0..I -> the same with kept objects renumbered 1, 2, ... and others as background.

    Args:
        labels: of any integer type.
        kept: [I] bool.
    """
    table = torch.cat([kept.new_zeros(1, dtype=torch.long), kept.long().cumsum(0) * kept.long()])
    return table[labels.long()].to(labels.dtype)


def unroll_clips(
    model: HODOR, clips: TrainingBatch, steps: Sequence[PlannedStep], training: TrainingConfig
) -> list[Prediction]:
    """Carries out the steps of some cycles on a micro-batch as the configuration says; see `unroll`."""
    return unroll(
        model,
        prepared_images(model, clips),
        object_masks(clips.labels[:, REFERENCE], clips.presence.shape[2]),
        clips.presence,
        steps,
        detach_masks=training.detach_intermediate_masks,
        recompute=training.activation_checkpointing,
    )


def prepared_images(model: HODOR, clips: TrainingBatch) -> torch.Tensor:
    """Normalised images [B, F, 3, H, W]; zero where a pixel is not of the image."""
    frames = model.prepare(clips.images.flatten(0, 1)) * clips.valid.flatten(0, 1)[:, None]
    return frames.unflatten(0, clips.images.shape[:2])


def unroll(
    model: HODOR,
    images: torch.Tensor,
    reference_masks: torch.Tensor,
    presence: torch.Tensor,
    steps: Sequence[PlannedStep],
    *,
    detach_masks: bool = True,
    recompute: bool = False,
) -> list[Prediction]:
    """Segments frames from each other.

    Args:
        model: the network.
        images: prepared clips [B, F, 3, H, W], the reference first.
        reference_masks: true masks of the reference, [B, I, H, W] of 0 and 1.
        presence: [B, F, I] bool, which object is to be seen in which frame.
        steps: what to do, see `plan_cycles`.
        detach_masks: keep gradients out of predicted masks that are described again.
        recompute: compute activations again for the backward pass instead of keeping them (less memory, more time).

    Returns:
        One prediction per step, in order.
    """
    call = _recomputed(model) if recompute else lambda function, *arguments: function(*arguments)
    features = call(model.extract_features, images.flatten(0, 1))
    fine, coarse = (maps.unflatten(0, images.shape[:2]) for maps in features)
    frames = [Features(fine[:, frame], coarse[:, frame]) for frame in range(images.shape[1])]
    descriptors: dict[int, Descriptors] = {0: model.describe_given(frames[0], reference_masks)}
    predictions = []
    for step in steps:
        memory = DescribedFrames.of([descriptors[number] for number in step.sources])
        logits = call(model.segment, frames[step.target], memory)
        if step.descriptors is not None:
            descriptors[step.descriptors] = model.describe_predicted(frames[step.target], logits, detach=detach_masks)
        predictions.append(Prediction(step.target, logits, trackable(presence, step.source_frames)))
    return predictions


def _recomputed(model: nn.Module) -> Callable[..., Any]:
    """Calls functions whose activations are computed again for the backward pass."""
    return functools.partial(
        checkpoint, use_reentrant=False, context_fn=lambda: (contextlib.nullcontext(), _StatisticsKept(model))
    )


class _StatisticsKept(contextlib.AbstractContextManager[None]):
    """A context in which batch norms don't count what they see, since they saw it before; may be entered several times."""

    def __init__(self, model: nn.Module) -> None:
        self._norms = [module for module in model.modules() if isinstance(module, BatchNorm) and module.track_running_stats]

    def __enter__(self) -> None:
        self._before = [(norm.momentum, norm.num_batches_tracked) for norm in self._norms]
        for norm in self._norms:
            norm.momentum, norm.num_batches_tracked = 0.0, None

    def __exit__(self, *_: object) -> None:
        for norm, (momentum, count) in zip(self._norms, self._before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, count


def trackable(presence: torch.Tensor, source_frames: Sequence[Sequence[int]]) -> torch.Tensor:
    """Objects that are present in at least one source of every step so far: [B, F, I] bool -> [B, I] bool."""
    return torch.stack([presence[:, list(frames)].any(dim=1) for frames in source_frames]).all(dim=0)

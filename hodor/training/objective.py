"""What one micro-batch teaches: clips in, a loss with gradient out."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from hodor.data.loader import TrainingBatch
from hodor.modelling.model import HODOR
from hodor.training.cycles import REFERENCE, PlannedStep
from hodor.training.losses import DiceKind, Loss, merge_background, segmentation_loss
from hodor.training.truth import keep_objects, learnable_objects, object_masks, true_labels
from hodor.training.unroll import unroll


@dataclass(frozen=True)
class Objective:
    """Cycles and loss.

    Attributes:
        plans: steps to carry out, one list per kind of iteration; they take turns.
        detach_masks: keep gradients out of predicted masks that are described again.
        judge_others: predictions for other frames than the reference count; needs their true masks.
        dice_weight: of Dice in the loss.
        cross_entropy_weight: of cross-entropy in the loss.
        dice_kind: see `segmentation_loss`.
        recompute: compute activations again for the backward pass instead of keeping them.
    """

    plans: Sequence[Sequence[PlannedStep]]
    detach_masks: bool = True
    judge_others: bool = True
    dice_weight: float = 1.0
    cross_entropy_weight: float = 1.0
    dice_kind: DiceKind = "pooled"
    recompute: bool = False


@dataclass(frozen=True)
class Outcome:
    """What came of a micro-batch.

    Attributes:
        loss: with gradient.
        targets: the frames that were judged, N of them.
        predictions: merged logits, N times [B, 1 + I, H/4, W/4].
        truth: N times [B, H, W] int64.
    """

    loss: Loss
    targets: list[int]
    predictions: list[torch.Tensor]
    truth: list[torch.Tensor]


def judge(model: HODOR, batch: TrainingBatch, objective: Objective, turn: int) -> Outcome | None:
    """Runs the cycles of a turn on a micro-batch.

    Objects whose mask vanishes at stride 8 of the reference in any sample are taken as background.

    Args:
        model: the network.
        batch: on the model's device.
        objective: cycles and loss.
        turn: which of the plans, modulo their number.

    Returns:
        None where no object is left to learn from.
    """
    masks = object_masks(batch.labels[:, REFERENCE], batch.presence.shape[2])
    kept = learnable_objects(masks)
    if not kept.any():
        return None
    labels, presence = keep_objects(batch.labels, kept), batch.presence[:, :, kept]
    if not objective.judge_others:
        presence = torch.ones_like(presence)
    predictions = unroll(
        model,
        prepared_clips(model, batch),
        masks[:, kept],
        presence,
        objective.plans[turn % len(objective.plans)],
        detach_masks=objective.detach_masks,
        recompute=objective.recompute,
    )
    judged = [prediction for prediction in predictions if objective.judge_others or prediction.target == REFERENCE]
    merged = [merge_background(prediction.logits, model.num_background_channels) for prediction in judged]
    truth = [true_labels(labels[:, prediction.target], prediction.trackable) for prediction in judged]
    loss = segmentation_loss(
        merged,
        truth,
        dice_weight=objective.dice_weight,
        cross_entropy_weight=objective.cross_entropy_weight,
        dice_kind=objective.dice_kind,
    )
    return Outcome(loss, [prediction.target for prediction in judged], merged, truth)


def prepared_clips(model: HODOR, batch: TrainingBatch) -> torch.Tensor:
    """Normalised clips [B, F, 3, H, W]; zero where a pixel is not of the image."""
    frames = model.prepare(batch.images.flatten(0, 1)) * batch.valid.flatten(0, 1)[:, None]
    return frames.unflatten(0, batch.images.shape[:2])

"""The criterion: Dice plus cross-entropy of predictions against full-size true masks (HODOR section 3.5)."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import torch
from torch.nn import functional as F

from hodor.config import TrainingConfig
from hodor.modelling.soft_masks import resize
from hodor.training.cycles import REFERENCE
from hodor.training.unroll import Prediction, object_masks

DiceKind = Literal["pooled", "per_object"]
_EPSILON = 1e-6


class Loss(NamedTuple):
    """A loss and what it is made of; all are scalars.

    Attributes:
        total: the weighted sum, with gradient.
        dice: in 0..1.
        cross_entropy: at least 0.
        intersection: pixels that show the right object, over objects, predictions and batch.
        union: pixels that show or should show an object, likewise.
    """

    total: torch.Tensor
    dice: torch.Tensor
    cross_entropy: torch.Tensor
    intersection: torch.Tensor
    union: torch.Tensor


class SupervisedPrediction(NamedTuple):
    """A prediction that counts in the loss, and what it should be.

    Attributes:
        target: the frame.
        logits: [B, 1 + I, H/4, W/4], background first.
        labels: [B, H, W] int64 in 0..I.
    """

    target: int
    logits: torch.Tensor
    labels: torch.Tensor


def criterion(
    predictions: Sequence[Prediction], labels: torch.Tensor, training: TrainingConfig
) -> tuple[Loss, list[SupervisedPrediction]]:
    """The loss that a configuration asks for, and the predictions that it is of.

    Without `APPLY_LOSS_ON_INTERMEDIATE_FRAMES` these are the ones for the reference, in whose truth no object is ever missing.

    Args:
        predictions: of a micro-batch of B clips.
        labels: the truth, [B, F, H, W] with ids 0..I.
        training: that section of the configuration.
    """
    supervised = []
    for target, logits, trackable in predictions:
        truth = labels[:, target]
        if training.apply_loss_on_intermediate_frames:
            truth = true_labels(truth, trackable)
        elif target != REFERENCE:
            continue
        merged = merge_background(logits, logits.shape[1] - trackable.shape[1])
        supervised.append(SupervisedPrediction(target, merged, truth.long()))
    loss = segmentation_loss(
        [each.logits for each in supervised],
        [each.labels for each in supervised],
        dice_weight=training.loss_weights.dice,
        cross_entropy_weight=training.loss_weights.cross_entropy,
        dice_kind=training.dice,
    )
    return loss, supervised


def true_labels(labels: torch.Tensor, trackable: torch.Tensor) -> torch.Tensor:
    """The truth of a prediction: objects that it could not know of become background.

    Args:
        labels: of the target frame, [B, H, W] with ids 0..I.
        trackable: [B, I] bool.

    Returns:
        [B, H, W] int64.
    """
    known = torch.cat([torch.ones_like(trackable[:, :1]), trackable], dim=1)
    labels = labels.long()
    kept = known.gather(1, labels.flatten(1)).view_as(labels)
    return labels * kept


def merge_background(logits: torch.Tensor, num_background_channels: int) -> torch.Tensor:
    """Logits [B, K + I, h, w] of K background channels and I objects -> [B, 1 + I, h, w]: the background is their maximum."""
    background = logits[:, :num_background_channels].amax(dim=1, keepdim=True)
    return torch.cat([background, logits[:, num_background_channels:]], dim=1)


def segmentation_loss(
    predictions: Sequence[torch.Tensor],
    labels: Sequence[torch.Tensor],
    *,
    dice_weight: float = 1.0,
    cross_entropy_weight: float = 1.0,
    dice_kind: DiceKind = "pooled",
) -> Loss:
    """Compares predictions with the truth.

    Args:
        predictions: N times logits [B, 1 + I, h, w], background first, of any size; they are resized to that of the labels.
        labels: N times [B, H, W] int64 in 0..I.
        dice_weight: of Dice in the total.
        cross_entropy_weight: of cross-entropy in the total.
        dice_kind: "pooled" takes one Dice per sample over all objects, predictions and pixels, and 0 where nothing at all
            overlaps, as the published models were trained; "per_object" averages over objects and never gives up on one.

    Raises:
        ValueError: there are no predictions, or `dice_kind` is unknown.
    """
    if not predictions or dice_kind not in get_args(DiceKind):
        raise ValueError(f"needs at least one prediction, and a dice_kind of {get_args(DiceKind)}, not {dice_kind!r}")
    parts = []
    for logits, truth in zip(predictions, labels, strict=True):
        full = resize(logits.float() if logits.dtype == torch.bfloat16 else logits, (truth.shape[1], truth.shape[2]))
        overlap_and_sum, entropy = _overlap_and_sum(full, truth), F.cross_entropy(full, truth)
        parts.append((*overlap_and_sum, entropy, *_intersection_and_union(full.detach(), truth)))
    overlaps, sums, entropies, intersections, unions = (torch.stack(each) for each in zip(*parts, strict=True))
    dice = _dice(overlaps.mean(dim=0), sums.mean(dim=0), dice_kind)
    cross_entropy = entropies.mean()
    total = dice_weight * dice + cross_entropy_weight * cross_entropy
    return Loss(total, dice, cross_entropy, intersections.sum(), unions.sum())


def _overlap_and_sum(logits: torch.Tensor, truth: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean over pixels of p t and of p + t per sample and object: both [B, I]."""
    probabilities = logits.softmax(dim=1)[:, 1:].flatten(2)
    masks = object_masks(truth, logits.shape[1] - 1).flatten(2).to(logits.dtype)
    return (probabilities * masks).mean(dim=2), probabilities.mean(dim=2) + masks.mean(dim=2)


def _dice(overlap: torch.Tensor, total: torch.Tensor, kind: DiceKind) -> torch.Tensor:
    """Means [B, I] of p t and p + t -> the Dice loss, averaged over the batch."""
    if kind == "per_object":
        return (1 - (2 * overlap + _EPSILON) / (total + _EPSILON)).mean()
    overlap, total = 2 * overlap.mean(dim=1), total.mean(dim=1)
    loss = 1 - (overlap + _EPSILON) / (total + _EPSILON)
    return torch.where(overlap > _EPSILON, loss, torch.zeros_like(loss)).mean()


def _intersection_and_union(logits: torch.Tensor, truth: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Over all objects and samples: pixels labelled rightly, and pixels labelled or to be labelled."""
    found = logits.argmax(dim=1)
    intersection = ((found == truth) & (truth > 0)).sum()
    return intersection, (found > 0).sum() + (truth > 0).sum() - intersection

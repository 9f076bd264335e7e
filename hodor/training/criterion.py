"""The criterion: Dice plus cross-entropy of predictions against full-size true masks (HODOR section 3.5)."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch.nn import functional as F

from hodor.config import TrainingConfig
from hodor.modelling.soft_masks import resize
from hodor.training.cycles import REFERENCE
from hodor.training.unroll import Prediction, object_masks

_EPSILON = 1e-6


class SupervisedPrediction(NamedTuple):
    """A prediction that counts in the loss, and what it should be.

    Attributes:
        target: the frame.
        logits: [B, 1 + I, h, w], background first, of any size.
        labels: [B, H, W] int64 in 0..I.
    """

    target: int
    logits: torch.Tensor
    labels: torch.Tensor


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


def supervise(predictions: Sequence[Prediction], labels: torch.Tensor, training: TrainingConfig) -> list[SupervisedPrediction]:
    """The predictions that count, with the truth from labels [B, F, H, W] in 0..I; the background is its largest channel.

    Objects that a prediction could not know of are background in its truth. Without `APPLY_LOSS_ON_INTERMEDIATE_FRAMES` only
    predictions for the reference count, whose truth stays as it is.
    """
    supervised = []
    for target, logits, trackable in predictions:
        truth = labels[:, target].long()
        if training.apply_loss_on_intermediate_frames:
            known = torch.cat([torch.ones_like(trackable[:, :1]), trackable], dim=1)
            truth = truth * known.gather(1, truth.flatten(1)).view_as(truth)
        elif target != REFERENCE:
            continue
        background, objects = logits.tensor_split([logits.shape[1] - trackable.shape[1]], dim=1)
        merged = torch.cat([background.amax(dim=1, keepdim=True), objects], dim=1)
        supervised.append(SupervisedPrediction(target, merged, truth))
    return supervised


def criterion(predictions: Sequence[SupervisedPrediction], training: TrainingConfig) -> Loss:
    """Compares at least one prediction, resized to its truth, with that, as `TRAINING.LOSS_WEIGHTS` and `DICE` say.

    A "pooled" Dice is one per sample over all objects, predictions and pixels, and 0 where nothing at all overlaps, as the
    published models were trained; "per_object" averages over objects and never gives up on one.
    """
    parts = []
    for _, logits, truth in predictions:
        full = resize(logits.float() if logits.dtype == torch.bfloat16 else logits, (truth.shape[1], truth.shape[2]))
        probabilities = full.softmax(dim=1)[:, 1:].flatten(2)
        masks = object_masks(truth, probabilities.shape[1]).flatten(2).to(full.dtype)
        overlap, total = (probabilities * masks).mean(dim=2), probabilities.mean(dim=2) + masks.mean(dim=2)
        found = full.detach().argmax(dim=1)
        intersection = ((found == truth) & (truth > 0)).sum()
        union = (found > 0).sum() + (truth > 0).sum() - intersection
        parts.append((overlap, total, F.cross_entropy(full, truth), intersection, union))
    overlaps, totals, entropies, intersections, unions = (torch.stack(each) for each in zip(*parts, strict=True))
    overlap, total = 2 * overlaps.mean(dim=0), totals.mean(dim=0)
    pooled = training.dice == "pooled"
    if pooled:
        overlap, total = overlap.mean(dim=1), total.mean(dim=1)
    dice = 1 - (overlap + _EPSILON) / (total + _EPSILON)
    if pooled:
        dice = torch.where(overlap > _EPSILON, dice, torch.zeros_like(dice))
    dice, cross_entropy = dice.mean(), entropies.mean()
    weights = training.loss_weights
    weighted = weights.dice * dice + weights.cross_entropy * cross_entropy
    return Loss(weighted, dice, cross_entropy, intersections.sum(), unions.sum())

"""The criterion: Dice plus cross-entropy of predictions against full-size true masks (HODOR section 3.5)."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch.nn import functional as F

from hodor.config import TrainingConfig
from hodor.modelling.soft_masks import resize
from hodor.training.unroll import Prediction, object_masks

_EPSILON = 1e-6


class Loss(NamedTuple):
    """A loss and what it is made of; all are scalars."""

    total: torch.Tensor  # the weighted sum, with gradient
    dice: torch.Tensor  # in 0..1
    cross_entropy: torch.Tensor  # at least 0
    intersection: torch.Tensor  # pixels that show the right object, over objects, predictions and batch
    union: torch.Tensor  # pixels that show or should show an object, likewise


def criterion(predictions: Sequence[Prediction], training: TrainingConfig) -> Loss:
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

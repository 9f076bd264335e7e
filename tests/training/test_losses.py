"""The loss against its formulas, written out in numpy."""

import numpy as np
import pytest
import torch

from hodor.config import TrainingConfig
from hodor.config.schema import LossWeights
from hodor.data.loader import TrainingBatch
from hodor.training.criterion import criterion
from hodor.training.cycles import PlannedStep
from hodor.training.unroll import Prediction, with_truth

EPSILON = 1e-6


def case(seed=0, batch=2, objects=3, count=2, height=6, width=10, scale=2.0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, scale, (batch, 1 + objects, count, height, width))
    labels = rng.integers(0, 1 + objects, (batch, count, height, width))
    return logits, labels


def compute(logits, labels, **options):
    predictions = [torch.from_numpy(logits[:, :, n]).requires_grad_() for n in range(logits.shape[2])]
    truth = [torch.from_numpy(labels[:, n]) for n in range(labels.shape[1])]
    return segmentation_loss(predictions, truth, **options), predictions


def segmentation_loss(predictions, truth, **options):
    judged = [Prediction(0, logits, labels) for logits, labels in zip(predictions, truth, strict=True)]
    return criterion(judged, TrainingConfig(**options))


def softmax(logits):
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def one_hot(labels, channels):
    return np.stack([labels == channel for channel in range(channels)], axis=1).astype(float)


def literal_dice(logits, labels, per_object=False):
    p, t = softmax(logits)[:, 1:], one_hot(labels, logits.shape[1])[:, 1:]
    values = []
    for sample in range(len(p)):
        parts = [(p[sample, i], t[sample, i]) for i in range(p.shape[1])] if per_object else [(p[sample], t[sample])]
        for own_p, own_t in parts:
            overlap, total = 2 * (own_p * own_t).mean(), (own_p + own_t).mean()
            value = 1 - (overlap + EPSILON) / (total + EPSILON)
            values.append(0.0 if overlap <= EPSILON and not per_object else value)
    return np.mean(values)


def literal_cross_entropy(logits, labels):
    return -(np.log(softmax(logits)) * one_hot(labels, logits.shape[1])).sum(axis=1).mean()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("per_object", [False, True])
def test_dice_and_cross_entropy(seed, per_object):
    logits, labels = case(seed, batch=1 + seed, objects=1 + seed, count=1 + 2 * (seed % 2))
    if seed == 2:
        labels[labels == 2] = 0  # an object that is not there
    loss, predictions = compute(logits, labels, dice="per_object" if per_object else "pooled")
    assert loss.dice.item() == pytest.approx(literal_dice(logits, labels, per_object), rel=1e-9)
    assert loss.cross_entropy.item() == pytest.approx(literal_cross_entropy(logits, labels), rel=1e-9)
    assert loss.total.item() == pytest.approx(loss.dice.item() + loss.cross_entropy.item(), rel=1e-9)
    loss.total.backward()
    assert all(prediction.grad.abs().sum() > 0 for prediction in predictions)


def test_a_complete_miss_gives_a_dice_of_zero_without_gradient_unless_asked_per_object():
    logits, labels = case(batch=2)
    logits[0, 0] = 60.0  # all of the first sample is background
    loss, predictions = compute(logits, labels)
    assert loss.dice.item() == pytest.approx(literal_dice(logits[1:], labels[1:]) / 2, rel=1e-9)
    loss.dice.backward()
    assert all(not prediction.grad[0].any() and prediction.grad[1].any() for prediction in predictions)
    assert compute(logits, labels, dice="per_object")[0].dice.item() == pytest.approx(
        literal_dice(logits, labels, per_object=True), rel=1e-9
    )


@pytest.mark.parametrize(("factor", "zero"), [(0.99, True), (1.01, False)])
def test_the_zero_rule_begins_at_1e_6(factor, zero):
    size = (1000, 1000)
    labels = np.zeros((1, 1, *size), dtype=np.int64)
    labels[0, 0, 0, 0] = 1
    logits = np.full((1, 2, 1, *size), 0.0)
    logits[:, 1] = -60.0
    probability = factor / 2  # 2 mean(p t) = 2 p / 1e6
    logits[0, 1, 0, 0, 0] = np.log(probability / (1 - probability))
    assert (compute(logits, labels)[0].dice.item() == 0) == zero


def test_weights():
    logits, labels = case()
    loss = compute(logits, labels, loss_weights=LossWeights(0.25, 3))[0]
    assert loss.total.item() == pytest.approx(0.25 * loss.dice.item() + 3 * loss.cross_entropy.item(), rel=1e-9)


def test_predictions_are_resized_to_the_truth():
    logits, labels = case(height=16, width=24)
    small = torch.from_numpy(logits[:, :, 0, :4, :6])
    large = torch.nn.functional.interpolate(small, (16, 24), mode="bilinear", align_corners=False)
    resized, _ = compute(large[:, :, None].numpy(), labels[:, :1])
    assert segmentation_loss([small], [torch.from_numpy(labels[:, 0])]).total.item() == pytest.approx(resized.total.item())


def test_intersection_and_union_are_summed_over_objects_predictions_and_batch():
    logits, labels = case()
    found = logits.argmax(axis=1)
    intersection = sum(((found == i) & (labels == i)).sum() for i in range(1, 4))
    union = sum(((found == i) | (labels == i)).sum() for i in range(1, 4))
    loss = compute(logits, labels)[0]
    assert (loss.intersection.item(), loss.union.item()) == (intersection, union)


def test_bfloat16_is_judged_in_float32():
    logits, labels = case()
    coarse = [torch.from_numpy(logits[:, :, n]).bfloat16() for n in range(2)]
    truth = [torch.from_numpy(labels[:, n]) for n in range(2)]
    loss = segmentation_loss(coarse, truth)
    assert loss.total.dtype == torch.float32
    assert loss.total.item() == pytest.approx(segmentation_loss([c.double() for c in coarse], truth).total.item(), rel=1e-5)


def test_the_background_is_the_largest_of_its_channels():
    logits = torch.arange(2 * 5 * 3 * 4).reshape(2, 5, 3, 4).sin()
    labels, presence = torch.zeros(2, 1, 3, 4, dtype=torch.uint8), torch.ones(2, 1, 2, dtype=torch.bool)
    clips = TrainingBatch(torch.zeros(2, 1, 3, 3, 4), labels.bool(), labels, presence, ("a", "b"))
    merged = with_truth(PlannedStep((0,), 0, None, ((0,),)), logits, clips, TrainingConfig()).logits
    assert merged.shape == (2, 3, 3, 4)
    assert torch.equal(merged[:, 0], torch.maximum(torch.maximum(logits[:, 0], logits[:, 1]), logits[:, 2]))
    assert torch.equal(merged[:, 1:], logits[:, 3:])

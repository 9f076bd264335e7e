"""What one micro-batch teaches: every key of the configuration acts on it."""

import copy
import dataclasses

import pytest
import torch
from support.small_models import small_model
from support.small_training import photographs
from torch import nn

from hodor.config import TrainingConfig
from hodor.config.schema import LossWeights
from hodor.data.loader import TrainingBatch
from hodor.training.criterion import criterion
from hodor.training.cycles import parse_cycle, plan_cycles
from hodor.training.unroll import learnable_part, unroll

CYCLES = (["[0]->0", "[0]->1; [0,1]->2 | [2]->1; [1,2]->0"], ["[0]->2 | [2]->0"])
PLANS = [plan_cycles([parse_cycle(text, 3) for text in texts]) for texts in CYCLES]


class OfChannelsLast(nn.BatchNorm2d):
    """Batch norm of [B, H, W, C]."""

    def forward(self, x):
        return super().forward(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


@pytest.fixture(scope="module")
def model():
    return small_model().train()


@pytest.fixture(scope="module")
def batch():
    """Two clips of three frames, each a photograph and shifted copies, with two objects."""
    images, labels = [], []
    for image, masks in photographs(2, (64, 64)):
        frame = torch.from_numpy(image).permute(2, 0, 1).float()
        objects = torch.from_numpy(masks[0] * 1 + masks[1] * 2).to(torch.uint8)
        images.append(torch.stack([frame.roll(4 * shift, 2) for shift in range(3)]))
        labels.append(torch.stack([objects.roll(4 * shift, 1) for shift in range(3)]))
    labels = torch.stack(labels)
    presence = torch.stack([(labels == i).flatten(2).any(2) for i in (1, 2)], dim=2)
    return TrainingBatch(torch.stack(images), torch.ones_like(labels, dtype=torch.bool), labels, presence, ["a", "b"])


def learn(model, batch, turn=0, **keys):
    """Loss of a micro-batch and the predictions that it is of, with these keys of TRAINING."""
    training = dataclasses.replace(TrainingConfig(), **keys)
    clips = learnable_part(batch)
    predictions = unroll(model, clips, PLANS[turn], training)
    return criterion(predictions, training), predictions


def gradients(model, batch, **keys):
    model.zero_grad(set_to_none=True)
    torch.manual_seed(3)
    loss, _ = learn(model, batch, **keys)
    loss.total.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}, loss


def truth_of(predictions):
    return [prediction.labels for prediction in predictions]


def test_activation_checkpointing_changes_nothing_even_with_dropout(model, batch):
    kept, loss = gradients(model, batch)
    again, same_loss = gradients(model, batch, activation_checkpointing=True)
    assert torch.equal(loss.total, same_loss.total) and kept.keys() == again.keys()
    assert all(torch.allclose(kept[name], again[name], rtol=1e-5, atol=1e-7) for name in kept)
    torch.manual_seed(4)
    assert learn(model, batch)[0].total != loss.total  # there is dropout


@pytest.mark.parametrize("recompute", [False, True])
def test_activation_checkpointing_computes_features_again(model, batch, monkeypatch, recompute):
    calls = []
    extract = type(model).extract_features
    monkeypatch.setattr(type(model), "extract_features", lambda *args: calls.append(0) or extract(*args))
    gradients(model, batch, activation_checkpointing=recompute)
    assert len(calls) == 1 + recompute


def test_activation_checkpointing_counts_statistics_once(batch):
    normalised = small_model()
    normalised.feature_extractor.backbone.patch_norm = OfChannelsLast(16)
    counted = []
    for recompute in (False, True):
        twin = copy.deepcopy(normalised).train()
        gradients(twin, batch, activation_checkpointing=recompute)
        norm = twin.feature_extractor.backbone.patch_norm
        assert norm.track_running_stats and norm.running_mean.abs().max() > 0
        counted.append((norm.running_mean, norm.running_var, norm.num_batches_tracked))
    assert all(torch.equal(once, again) for once, again in zip(*counted, strict=True))


def test_every_parameter_gets_a_gradient(model, batch):
    found, _ = gradients(model, batch)
    assert found.keys() == dict(model.named_parameters()).keys()


def test_detached_masks_carry_no_gradient_and_attached_ones_do(model, batch):
    detached, first = gradients(model, batch)
    attached, second = gradients(model, batch, detach_intermediate_masks=False)
    assert torch.equal(first.total, second.total)
    assert any(not torch.allclose(detached[name], attached[name], rtol=1e-3) for name in detached)


def test_plans_are_carried_out(model, batch):
    targets = [[prediction.target for prediction in learn(model, batch, turn)[1]] for turn in (0, 1)]
    assert targets == [[0, 1, 2, 1, 0], [2, 0]]


def test_weights_and_kind_of_dice_act(model, batch):
    model.eval()
    usual = learn(model, batch)[0]
    weighted = learn(model, batch, loss_weights=LossWeights(0.5, 0.25))[0]
    assert weighted.total.item() == pytest.approx(0.5 * usual.dice.item() + 0.25 * usual.cross_entropy.item())
    per_object = learn(model, batch, dice="per_object")[0]
    model.train()
    assert per_object.dice != usual.dice and per_object.cross_entropy == usual.cross_entropy


def test_only_the_reference_has_a_loss_and_everything_is_present(model, batch):
    absent = batch._replace(presence=batch.presence.clone())
    absent.presence[:, 1] = False
    _, predictions = learn(model, absent, apply_loss_on_intermediate_frames=False)
    assert [prediction.target for prediction in predictions] == [0, 0]
    assert all(torch.equal(truth, batch.labels[:, 0].long()) for truth in truth_of(predictions))
    empty = [not truth.any() for truth in truth_of(learn(model, absent)[1])]
    assert empty == [False, False, False, False, False]
    absent.presence[:, 2] = False
    assert [not truth.any() for truth in truth_of(learn(model, absent)[1])] == [False, False, False, True, True]


def test_objects_that_vanish_in_one_sample_are_background_in_all(model, batch):
    labels = batch.labels.clone()
    labels[1, 0][labels[1, 0] == 1] = 0
    labels[1, 0, 0, 0] = 1  # a pixel that stride 8 can't see
    poorer = batch._replace(labels=labels)
    without = batch._replace(labels=(labels == 2).byte(), presence=batch.presence[:, :, 1:])
    torch.manual_seed(0)
    first, predictions = learn(model, poorer)
    torch.manual_seed(0)
    second, _ = learn(model, without)
    assert torch.equal(first.total, second.total)
    assert predictions[0].logits.shape[1] == 2 and all(truth.max() == 1 for truth in truth_of(predictions))
    labels[0, 0][labels[0, 0] == 2] = 0
    assert learnable_part(poorer) is None


def test_what_is_not_of_the_image_is_zero_after_normalisation(model, batch, monkeypatch):
    seen = []
    extract = type(model).extract_features
    monkeypatch.setattr(type(model), "extract_features", lambda model, images: seen.append(images) or extract(model, images))
    valid = batch.valid.clone()
    valid[:, :, 40:] = False
    learn(model, batch._replace(valid=valid))
    clips = seen[0].unflatten(0, (2, 3))
    assert not clips[..., 40:, :].any() and clips[..., :40, :].all(dim=2).float().mean() > 0.9
    assert torch.equal(clips[1, 2, :, :40], model.prepare(batch.images[1, 2:])[0, :, :40])


def test_bf16_learns_too(model, batch):
    exact, loss = gradients(model.eval(), batch)
    with torch.autocast("cpu", torch.bfloat16):
        coarse, rough = gradients(model, batch)
    model.train()
    assert rough.total.dtype == torch.float32
    assert rough.total.item() == pytest.approx(loss.total.item(), rel=0.05)
    name = "decoder.object_projection.weight"
    assert torch.cosine_similarity(exact[name].flatten(), coarse[name].flatten(), dim=0) > 0.9

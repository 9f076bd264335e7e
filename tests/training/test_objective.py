"""What one micro-batch teaches."""

import copy
import dataclasses

import pytest
import torch
from support.small_models import small_model
from support.small_training import photographs
from torch import nn

from hodor.data.loader import TrainingBatch
from hodor.training.cycles import parse_cycle, plan_cycles
from hodor.training.objective import Objective, judge, prepared_clips
from hodor.training.truth import keep_objects

CYCLES = (["[0]->0", "[0]->1; [0,1]->2 | [2]->1; [1,2]->0"], ["[0]->2 | [2]->0"])
OBJECTIVE = Objective([plan_cycles([parse_cycle(text, 3) for text in texts]) for texts in CYCLES])


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
    return TrainingBatch(torch.stack(images), torch.ones_like(labels, dtype=torch.bool), labels, presence, ("a", "b"))


def gradients(model, batch, objective, turn=0):
    model.zero_grad(set_to_none=True)
    torch.manual_seed(3)
    outcome = judge(model, batch, objective, turn)
    outcome.loss.total.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}, outcome


def test_activation_checkpointing_changes_nothing_even_with_dropout(model, batch):
    kept, outcome = gradients(model, batch, OBJECTIVE)
    again, same_outcome = gradients(model, batch, dataclasses.replace(OBJECTIVE, recompute=True))
    assert torch.equal(outcome.loss.total, same_outcome.loss.total) and kept.keys() == again.keys()
    assert all(torch.allclose(kept[name], again[name], rtol=1e-5, atol=1e-7) for name in kept)
    torch.manual_seed(4)
    assert judge(model, batch, OBJECTIVE, 0).loss.total != outcome.loss.total  # there is dropout


def test_activation_checkpointing_counts_statistics_once(batch):
    normalised = small_model()
    normalised.feature_extractor.backbone.patch_norm = OfChannelsLast(16)
    counted = []
    for recompute in (False, True):
        twin = copy.deepcopy(normalised).train()
        gradients(twin, batch, dataclasses.replace(OBJECTIVE, recompute=recompute))
        norm = twin.feature_extractor.backbone.patch_norm
        assert norm.track_running_stats and norm.running_mean.abs().max() > 0
        counted.append((norm.running_mean, norm.running_var, norm.num_batches_tracked))
    assert all(torch.equal(once, again) for once, again in zip(*counted, strict=True))


def test_every_parameter_gets_a_gradient(model, batch):
    found, _ = gradients(model, batch, OBJECTIVE)
    assert found.keys() == dict(model.named_parameters()).keys()


def test_detached_masks_carry_no_gradient_and_attached_ones_do(model, batch):
    detached, first = gradients(model, batch, OBJECTIVE)
    attached, second = gradients(model, batch, dataclasses.replace(OBJECTIVE, detach_masks=False))
    assert torch.equal(first.loss.total, second.loss.total)
    assert any(not torch.allclose(detached[name], attached[name], rtol=1e-3) for name in detached)


def test_turns_take_turns(model, batch):
    targets = [judge(model, batch, OBJECTIVE, turn).targets for turn in range(3)]
    assert targets == [[0, 1, 2, 1, 0], [2, 0], [0, 1, 2, 1, 0]]


def test_only_the_reference_is_judged_and_everything_is_present(model, batch):
    absent = batch._replace(presence=batch.presence.clone())
    absent.presence[:, 1] = False
    sparse = dataclasses.replace(OBJECTIVE, judge_others=False)
    outcome = judge(model, absent, sparse, 0)
    assert outcome.targets == [0, 0]
    assert all(torch.equal(truth, batch.labels[:, 0].long()) for truth in outcome.truth)
    dense = judge(model, absent, OBJECTIVE, 0)
    empty = [not truth.any() for truth in dense.truth]
    assert empty == [False, False, False, False, False]
    absent.presence[:, 2] = False
    assert [not truth.any() for truth in judge(model, absent, OBJECTIVE, 0).truth] == [False, False, False, True, True]


def test_objects_that_vanish_in_one_sample_are_background_in_all(model, batch):
    labels = batch.labels.clone()
    labels[1, 0][labels[1, 0] == 1] = 0
    labels[1, 0, 0, 0] = 1  # a pixel that stride 8 can't see
    poorer = batch._replace(labels=labels)
    without = batch._replace(labels=keep_objects(labels, torch.tensor([False, True])), presence=batch.presence[:, :, 1:])
    torch.manual_seed(0)
    first = judge(model, poorer, OBJECTIVE, 0)
    torch.manual_seed(0)
    second = judge(model, without, OBJECTIVE, 0)
    assert torch.equal(first.loss.total, second.loss.total)
    assert first.predictions[0].shape[1] == 2 and all(truth.max() == 1 for truth in first.truth)
    labels[0, 0][labels[0, 0] == 2] = 0
    assert judge(model, poorer, OBJECTIVE, 0) is None


def test_what_is_not_of_the_image_is_zero_after_normalisation(model, batch):
    valid = batch.valid.clone()
    valid[:, :, 40:] = False
    clips = prepared_clips(model, batch._replace(valid=valid))
    assert not clips[..., 40:, :].any() and clips[..., :40, :].all(dim=2).float().mean() > 0.9
    assert torch.equal(clips[1, 2, :, :40], model.prepare(batch.images[1, 2:])[0, :, :40])


def test_bf16_learns_too(model, batch):
    exact, outcome = gradients(model.eval(), batch, OBJECTIVE)
    with torch.autocast("cpu", torch.bfloat16):
        coarse, rough = gradients(model, batch, OBJECTIVE)
    model.train()
    assert rough.loss.total.dtype == torch.float32
    assert rough.loss.total.item() == pytest.approx(outcome.loss.total.item(), rel=0.05)
    name = "decoder.object_projection.weight"
    assert torch.cosine_similarity(exact[name].flatten(), coarse[name].flatten(), dim=0) > 0.9

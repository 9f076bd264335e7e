import copy
import dataclasses

import pytest
import torch
import torchvision
from support.goldens import DEVICES, golden, relative_difference, training_case

from hodor.checkpoints.original_names import original_name
from hodor.config import TrainingConfig
from hodor.data.loader import TrainingBatch
from hodor.modelling.kernels import deformable_convolution
from hodor.modelling.soft_masks import resize
from hodor.training.criterion import criterion
from hodor.training.cycles import DEFAULT_CYCLES, parse_cycle, plan_cycles
from hodor.training.unroll import unroll

CASES = [
    "train_dense_it0",
    "train_dense_it1",
    "train_dense_absent",
    "train_dense_absent_it1",
    "train_dense_attached",
    "train_one_other",
    "train_sparse_it0",
    "train_sparse_it1",
    "train_sparse_attached",
]
LOSS_TOLERANCE = 1e-4
GRADIENT_TOLERANCE = {torch.float64: 1e-3, torch.float32: 5e-3}
# The goldens were computed in float32. Here one sampling position lies within rounding of a whole number, where the gradient
# has a kink, on the other side than in exact arithmetic: torchvision's own operator in float64 gives 1.2e-3 as well.
AT_A_KINK = {("train_dense_absent_it1", "decoder.attn_layers.2.self_attn_conv_substitute.0.conv_offsets.bias")}


def without_dropout(model):
    """A copy in training mode whose dropout and drop path never drop."""
    model = copy.deepcopy(model).train()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if isinstance(module, torch.nn.MultiheadAttention):
            module.dropout = 0.0
        if hasattr(module, "probability"):
            module.probability = 0.0
    return model


def run_case(model, name):
    """Loss, the steps that were carried out, and the predictions with a loss."""
    spec, _ = golden(name)
    images, labels, presence = (tensor.to(model.device) for tensor in training_case(spec))
    clips = TrainingBatch(images, torch.ones_like(labels, dtype=torch.bool), labels, presence, ())
    model.mean.zero_()  # the images of goldens are normalised already
    model.std.fill_(1)
    others = spec.get("others", 2)
    cycles = DEFAULT_CYCLES[others]
    steps = plan_cycles([parse_cycle(text, 1 + others) for text in cycles[spec["iter_num"] % len(cycles)]])
    sparse = spec["mode"].startswith("sparse")
    training = dataclasses.replace(
        TrainingConfig(),
        detach_intermediate_masks=spec.get("detach", not name.endswith("attached")),
        apply_loss_on_intermediate_frames=not sparse,
    )
    judged = unroll(model, clips, steps, training)
    return criterion(judged, training), steps, judged


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("name", "dtype"), [(name, torch.float64) for name in CASES] + [("train_dense_it1", torch.float32)])
def test_losses_labels_and_gradients_equal_the_original(original_model, name, dtype, device):
    spec, expected = golden(name)
    model = without_dropout(original_model).to(device, dtype)
    loss, steps, judged = run_case(model, name)
    labels = training_case(spec)[1]
    objects = spec["objects"]
    assert [step.target for step in steps] == expected["frame_ids"].tolist()
    assert (torch.stack([each.labels for each in judged], dim=1).cpu().numpy() == expected["gt"]).all()
    size = tuple(labels.shape[2:])
    assert [labels.shape[0], 1 + objects, len(judged), *size] == expected["pred_shape"].tolist()
    means = torch.stack([resize(each.logits, size).mean(dim=(0, 2, 3)) for each in judged], dim=1)
    assert relative_difference(means, expected["pred_mean"]) < LOSS_TOLERANCE
    for actual, key in ((loss.dice, "dice"), (loss.cross_entropy, "ce"), (loss.total, "loss")):
        assert actual.item() == pytest.approx(float(expected[key]), rel=LOSS_TOLERANCE)
    loss.total.backward()
    kinks = {parameter for case, parameter in AT_A_KINK if case == name}
    compare_gradients(model, spec["grad_norms"], GRADIENT_TOLERANCE[dtype], kinks)


def compare_gradients(model, expected, tolerance, kinks):
    compared = set()
    for ours, parameter in model.named_parameters():
        name = original_name(ours)
        compared.add(name)
        if name.endswith("cross_attn.k_proj.bias"):
            assert parameter.grad.norm() < 1e-6
        else:
            allowed = GRADIENT_TOLERANCE[torch.float32] if name in kinks else tolerance
            assert parameter.grad.norm().item() == pytest.approx(expected[name], rel=allowed), name
    missing = {name for name, norm in expected.items() if name not in compared and norm}
    assert not missing


def test_what_lies_at_a_kink_is_what_torchvision_computes(original_model, monkeypatch):
    def by_torchvision(x, offsets, weight, bias):
        return torchvision.ops.deform_conv2d(x.contiguous(), offsets.contiguous(), weight, bias, padding=1)

    ((name, parameter),) = AT_A_KINK
    norms = []
    for replace in (False, True):
        if replace:
            monkeypatch.setattr(deformable_convolution, "deformable_convolution", by_torchvision)
        model = without_dropout(original_model).double()
        run_case(model, name)[0].total.backward()
        norms.append({original_name(ours): p.grad.norm().item() for ours, p in model.named_parameters()}[parameter])
    assert norms[0] == pytest.approx(norms[1], rel=1e-9)


def test_the_goldens_cover_both_parities_and_all_modes():
    modes = {(golden(name)[0]["mode"], golden(name)[0]["iter_num"]) for name in CASES}
    assert {("dense", 0), ("dense", 1), ("sparse", 0), ("sparse", 1)} <= modes

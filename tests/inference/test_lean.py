"""The twin for CPUs gives what the network gives, and leaves it as it is."""

import pytest
import torch
from support.small_models import randomised, small_config, small_model

import hodor
from hodor.inference.fast_network import lean
from hodor.modelling.build import build_model
from hodor.modelling.descriptors import DescribedFrames
from hodor.modelling.model import HODOR
from hodor.synthetic import SyntheticClip


def of_timm() -> HODOR:
    return randomised(build_model(small_config(backbone="resnet10t"))).eval()


@pytest.mark.parametrize("build", [small_model, of_timm])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_its_float_results_are_the_networks(build, dtype):
    model = build().to(dtype)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    twin = lean(model, "float32")
    images, masks = torch.randn(2, 3, 64, 96, dtype=dtype), torch.zeros(1, 2, 64, 96)
    masks[0, 0, 10:40, 8:50] = 1
    masks[0, 1, 44:60, 60:90] = 1
    found = []
    with torch.inference_mode():
        for each in (model, twin):
            seen = [each.extract_features(image[None]) for image in images]
            described = each.describe_given(seen[0], masks)
            logits = each.segment(seen[1], DescribedFrames.of([described]))
            again = each.describe_predicted(seen[1], logits)
            found.append((*described, logits, *again))
    for wanted, got in zip(*found, strict=True):
        assert got.dtype == wanted.dtype and got.shape == wanted.shape
        assert (got - wanted).norm() < (1e-4 if dtype == torch.float32 else 1e-10) * wanted.norm()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_a_segmenter_may_be_made_in_inference_mode(precision):
    clip = SyntheticClip(5, frames=3, height=64, width=96, objects=1)
    labels = []
    for inference in (True, False):
        with torch.inference_mode(inference):
            segmenter = hodor.Segmenter.of("compact", device="cpu", precision=precision)
            labels += [segmenter.step(*clip.frame(0))]
        labels += [segmenter.step(clip.frame(time)[0]) for time in (1, 2)]
    assert torch.equal(torch.stack(labels[:3]), torch.stack(labels[3:])) and labels[2].any()


def test_weights_that_need_no_change_are_shared():
    model = small_model()
    theirs = {each.data_ptr() for each in lean(model, "float32").parameters()}
    shared = sum(each.numel() for each in model.parameters() if each.data_ptr() in theirs)
    assert shared > 0.5 * sum(each.numel() for each in model.parameters())


def test_bf16_keeps_descriptors_in_the_networks_precision_and_nearly_all_labels():
    clip = SyntheticClip(5, frames=6, height=96, width=160, objects=2)
    labels = []
    for precision in ("float32", "bf16"):
        segmenter = hodor.Segmenter.of("compact", device="cpu", precision=precision)
        for time in range(6):
            frame, truth = clip.frame(time)
            labels.append(segmenter.step(frame, truth if time == 0 else None))
        state = segmenter.state_dict()["tracker"]["memory"]
        assert all(value.dtype == torch.float32 for value in tensors_in(state)) and tensors_in(state)
    float32, bf16 = torch.stack(labels[1:6]), torch.stack(labels[7:])
    assert float32.any() and (float32 == bf16).float().mean() > 0.97


def tensors_in(state: object) -> list[torch.Tensor]:
    """All floating-point tensors in nested containers."""
    if isinstance(state, torch.Tensor):
        return [state] if state.is_floating_point() else []
    if isinstance(state, dict):
        state = list(state.values())
    return [tensor for each in state for tensor in tensors_in(each)] if isinstance(state, list | tuple) else []

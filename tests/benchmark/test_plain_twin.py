"""The network without our fast paths: it must compute the same, by other operators, and leave nothing behind."""

import pytest
import torch
from support.goldens import relative_difference
from support.small_models import randomised, small_model
from torch.utils._python_dispatch import TorchDispatchMode

from hodor.benchmark.plain import plain
from hodor.modelling.decoder import Decoder
from hodor.modelling.encoder import Encoder
from hodor.modelling.features import FeatureExtractor
from hodor.modelling.model import HODOR
from hodor.modelling.swin import SwinTransformer

HEIGHT, WIDTH, WIDE = 256, 256, 128  # large enough for products by convolutions


class Calls(TorchDispatchMode):
    """Counts operators by name."""

    def __init__(self):
        super().__init__()
        self.counts = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = str(func).split(".")[1]
        self.counts[name] = self.counts.get(name, 0) + 1
        return func(*args, **(kwargs or {}))


@pytest.fixture(scope="module")
def model():
    backbone = SwinTransformer(16, (1, 1, 1, 1), (1, 2, 4, 8), 0.0)
    extractor = FeatureExtractor(backbone, backbone.out_channels, WIDE)
    return randomised(HODOR(extractor, Encoder(WIDE, 4, 1, 1), Decoder(WIDE, 4, 2, 1))).eval()


@pytest.fixture(scope="module")
def images():
    return torch.randn(1, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0))


def logits_and_calls(model, images):
    """Of a second call: the first one in a process also computes position encodings, which are kept."""
    masks = torch.zeros(1, 1, *images.shape[-2:])
    masks[..., 8:40, 8:40] = 1
    with torch.inference_mode():
        model(images, masks, images)
        with Calls() as calls:
            logits = model(images, masks, images)
    return logits, calls.counts


def test_it_agrees_and_computes_by_other_operators(model, images):
    ours, our_calls = logits_and_calls(model, images)
    with plain(model):
        theirs, their_calls = logits_and_calls(model, images)
    assert 0 < relative_difference(theirs, ours.numpy()) < 1e-3
    assert their_calls["deform_conv2d"] == len(model.decoder.layers) and "deform_conv2d" not in our_calls
    assert our_calls["conv2d"] > their_calls["conv2d"]  # products are convolutions in ours


def test_nothing_is_left_behind(model, images):
    before = logits_and_calls(model, images)
    with plain(model):
        pass
    with pytest.raises(ZeroDivisionError), plain(model):
        logits_and_calls(model, images)
        _ = 1 / 0
    assert not [name for name, module in model.named_modules() if "forward" in vars(module)]
    after = logits_and_calls(model, images)
    assert torch.equal(before[0], after[0]) and before[1] == after[1]


def test_other_networks_are_left_alone():
    one, other = small_model(0), small_model(1)
    images = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with plain(one):
        assert "deform_conv2d" in logits_and_calls(one, images)[1]
        assert "deform_conv2d" not in logits_and_calls(other, images)[1]

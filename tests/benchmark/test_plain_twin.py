"""The network without our fast paths: it must compute the same, by other operators, and leave nothing behind."""

import sys
from pathlib import Path

import pytest
import torch
from support.goldens import relative_difference
from support.small import write_small_checkpoint
from support.small_models import randomised
from torch.utils._python_dispatch import TorchDispatchMode

from hodor.benchmark.bench import Bench
from hodor.modelling.decoder import Decoder
from hodor.modelling.encoder import Encoder
from hodor.modelling.features import FeatureExtractor
from hodor.modelling.model import HODOR
from hodor.modelling.swin import SwinTransformer

sys.path.append(str(Path(__file__).parent.parent.parent / "benchmarks"))
from plain_twin import compared, plain_twin

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
    theirs, their_calls = logits_and_calls(plain_twin(model), images)
    assert 0 < relative_difference(theirs, ours.numpy()) < 1e-3
    assert their_calls["deform_conv2d"] == len(model.decoder.layers) and "deform_conv2d" not in our_calls
    assert our_calls["conv2d"] > their_calls["conv2d"]  # products are convolutions in ours


def test_the_network_itself_stays_as_it_is(model, images):
    before = logits_and_calls(model, images)
    twin = plain_twin(model)
    assert "deform_conv2d" in logits_and_calls(twin, images)[1]
    assert all(ours is theirs for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True))
    assert not [name for name, module in model.named_modules() if "forward" in vars(module)]
    after = logits_and_calls(model, images)
    assert torch.equal(before[0], after[0]) and before[1] == after[1]


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-3), ("bf16", 0.1)])
def test_frames_are_compared(precision, tolerance, tmp_path):
    path = write_small_checkpoint(tmp_path)
    found = compared(Bench(path, "cpu", precision, quick=True))
    against = found["plain_against_ours"]
    assert against["minimum"] == pytest.approx(found["plain"]["minimum"] / found["network"]["minimum"])
    agreement = found["agreement"]
    assert agreement["logits_difference"] < tolerance and agreement["frames"] > 1
    if precision == "float32":
        assert agreement["largest_difference"] < 1e-2 and 0.999 <= agreement["equal_pixels"] <= 1

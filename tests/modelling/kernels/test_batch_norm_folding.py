"""Folded networks give the same maps, and only what may be folded is."""

import copy

import pytest
import torch
from support.small_models import randomised
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm

from hodor.modelling.kernels.batch_norm_folding import fold_batch_norms
from hodor.modelling.timm_backbone import TimmBackbone


def with_statistics(network: nn.Module) -> nn.Module:
    """Random weights, and running statistics that are not those of a fresh norm."""
    randomised(network)
    generator = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, BatchNorm):
            module.running_mean.copy_(torch.randn(module.num_features, generator=generator) / 4)
            module.running_var.copy_(0.5 + torch.rand(module.num_features, generator=generator))
    return network.eval()


@pytest.mark.parametrize("name", ["resnet10t", "tf_efficientnet_lite0", "mobilenetv3_small_050"])
def test_backbones_of_timm_lose_all_batch_norms_and_keep_their_maps(name):
    backbone = with_statistics(TimmBackbone(name))
    images = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        expected = backbone(images)
        count = sum(isinstance(module, BatchNorm) for module in backbone.modules())
        before = {key: value.clone() for key, value in backbone.state_dict().items()}
        folded = copy.deepcopy(backbone)
        assert fold_batch_norms(folded, torch.zeros(1, 3, 32, 32)) == count > 5
        assert not any(isinstance(module, BatchNorm) for module in folded.modules())
        for found, wanted in zip(folded(images), expected, strict=True):
            assert (found - wanted).norm() < 1e-5 * wanted.norm()
    assert all(torch.equal(value, before[key]) for key, value in backbone.state_dict().items())


class Branching(nn.Module):
    """One norm without a convolution before it, one convolution with two norms after it, one ordinary pair."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.BatchNorm2d(3)
        self.shared = nn.Conv2d(3, 4, 3)
        self.left, self.right = nn.BatchNorm2d(4), nn.BatchNorm2d(4)
        self.pair = nn.Sequential(nn.Conv2d(4, 5, 1, bias=False), nn.BatchNorm2d(5), nn.ReLU())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.shared(self.first(x))
        return self.pair(self.left(x) - self.right(x))


def test_only_pairs_are_folded():
    network = with_statistics(Branching())
    x = torch.randn(2, 3, 8, 9)
    with torch.no_grad():
        expected = network(x)
        assert fold_batch_norms(network, x) == 1
        assert (network(x) - expected).norm() < 1e-5 * expected.norm()
    assert isinstance(network.pair[1], nn.Identity) and isinstance(network.left, nn.BatchNorm2d)


def test_a_network_without_batch_norms_is_not_even_run():
    network = nn.Sequential(nn.Conv2d(3, 4, 3))
    network.register_forward_pre_hook(lambda *_: pytest.fail("was run"))
    assert fold_batch_norms(network, torch.zeros(1, 3, 8, 8)) == 0


@pytest.mark.parametrize("inplace", [False, True])
def test_a_norm_behind_an_activation_stays(inplace):
    network = with_statistics(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(inplace=inplace), nn.BatchNorm2d(8)))
    images = torch.randn(1, 3, 12, 12)
    with torch.no_grad():
        expected = network(images)
        assert fold_batch_norms(network, images) == 0
        torch.testing.assert_close(network(images), expected)

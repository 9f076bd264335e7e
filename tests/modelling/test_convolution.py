"""Minimal filtering against the direct convolution."""

import pytest
import torch
from torch.nn import functional as F

from hodor.modelling.convolution import Convolution3x3, minimal_filtering


@pytest.mark.parametrize(
    ("batch", "channels", "results", "height", "width"),
    [(1, 3, 5, 1, 1), (2, 4, 3, 4, 4), (1, 7, 2, 5, 3), (2, 6, 6, 17, 30), (1, 2, 3, 3, 515)],
)
def test_minimal_filtering_is_the_direct_convolution(batch: int, channels: int, results: int, height: int, width: int) -> None:
    random = torch.Generator().manual_seed(0)
    x = torch.randn(batch, channels, height, width, generator=random, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(results, channels, 3, 3, generator=random, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(results, generator=random, dtype=torch.float64)
    found, expected = minimal_filtering(x, weight, bias), F.conv2d(x, weight, bias, padding=1)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_large_maps_are_filtered_minimally_in_inference_and_directly_in_training(memory_format: torch.memory_format) -> None:
    torch.manual_seed(0)
    convolution = Convolution3x3(128, 128)
    x = torch.randn(2, 128, 66, 65).contiguous(memory_format=memory_format)
    direct = F.conv2d(x, convolution.weight, convolution.bias, padding=1)
    assert torch.equal(convolution(x), direct)
    with torch.inference_mode():
        found = convolution(x)
    assert not torch.equal(found, direct)
    assert (found - direct).norm() < 1e-5 * direct.norm()


def test_small_maps_and_other_precisions_are_convolved_directly() -> None:
    convolution = Convolution3x3(128, 128, bias=False)
    small, large = torch.randn(1, 128, 20, 30), torch.randn(1, 128, 64, 64)
    with torch.inference_mode():
        assert torch.equal(convolution(small), F.conv2d(small, convolution.weight, padding=1))
        double = convolution.double()
        assert torch.equal(double(large.double()), F.conv2d(large.double(), double.weight, padding=1))

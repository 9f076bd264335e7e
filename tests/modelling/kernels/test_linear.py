"""Products by 1x1 convolutions against PyTorch's own."""

import pytest
import torch
from torch.nn import functional as F

from hodor.modelling.kernels.linear import Linear, product


@pytest.mark.parametrize("shape", [(300, 20), (2, 11, 13, 20), (1, 256, 20), (0, 20), (3, 20)])
@pytest.mark.parametrize("with_bias", [True, False])
def test_product_is_linear(shape: tuple[int, ...], with_bias: bool) -> None:
    random = torch.Generator().manual_seed(0)
    x = torch.randn(shape, generator=random)
    weight, bias = torch.randn(7, 20, generator=random), torch.randn(7, generator=random) if with_bias else None
    with torch.inference_mode():
        found = product(x, weight, bias)
    assert found.shape == (*shape[:-1], 7) and found.is_contiguous()
    torch.testing.assert_close(found, F.linear(x, weight, bias), rtol=1e-5, atol=1e-5)


def test_views_with_any_strides_are_multiplied() -> None:
    x = torch.randn(2, 20, 30, 40).permute(0, 2, 3, 1)
    weight = torch.randn(20, 20).t()
    with torch.no_grad():
        torch.testing.assert_close(product(x, weight, None), F.linear(x, weight), rtol=1e-5, atol=1e-5)


def test_training_and_other_precisions_multiply_as_usual() -> None:
    linear = Linear(20, 7)
    x = torch.randn(500, 20)
    assert torch.equal(linear(x), F.linear(x, linear.weight, linear.bias))
    linear(x).sum().backward()
    torch.testing.assert_close(linear.weight.grad, x.sum(dim=0).expand(7, -1), rtol=1e-4, atol=1e-4)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        assert linear(x).dtype == torch.bfloat16
    with torch.inference_mode():
        double = linear.double()
        assert torch.equal(double(x.double()), F.linear(x.double(), double.weight, double.bias))

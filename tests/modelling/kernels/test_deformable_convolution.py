import math

import pytest
import torch
from support.goldens import DEVICES
from torch.nn import functional as F
from torchvision.ops import deform_conv2d

from hodor.modelling.kernels.deformable_convolution import DeformableConvolution, deformable_convolution

SIZES = {"square": (1, 5, 5), "batch, wide": (2, 4, 9), "batch, tall": (3, 7, 2), "row": (1, 1, 6), "pixel": (2, 1, 1)}


def tensors(batch, height, width, spread, *, channels=3, out=4):
    """Map, offsets, weight and bias in float64; offsets keep off whole numbers, where sampling has kinks."""
    generator = torch.Generator().manual_seed(height * width + batch)
    x = torch.randn(batch, channels, height, width, dtype=torch.float64, generator=generator)
    offsets = spread * torch.randn(batch, 18, height, width, dtype=torch.float64, generator=generator)
    offsets = offsets.floor() + 0.05 + 0.9 * (offsets - offsets.floor())
    weight = torch.randn(out, channels, 3, 3, dtype=torch.float64, generator=generator)
    bias = torch.randn(out, dtype=torch.float64, generator=generator)
    return x, offsets, weight, bias


def literal(x, offsets, weight, bias):
    """The definition, one number at a time."""
    batch, channels, height, width = x.shape

    def pixel(b, c, row, column):
        return float(x[b, c, row, column]) if 0 <= row < height and 0 <= column < width else 0.0

    def sample(b, c, y, x_):
        top, left = math.floor(y), math.floor(x_)
        return sum(
            pixel(b, c, row, column) * (1 - abs(y - row)) * (1 - abs(x_ - column))
            for row in (top, top + 1)
            for column in (left, left + 1)
        )

    result = torch.zeros(batch, weight.shape[0], height, width, dtype=x.dtype)
    for b in range(batch):
        for i in range(height):
            for j in range(width):
                total = bias.clone()
                for tap in range(9):
                    y = i + tap // 3 - 1 + float(offsets[b, 2 * tap, i, j])
                    x_ = j + tap % 3 - 1 + float(offsets[b, 2 * tap + 1, i, j])
                    for c in range(channels):
                        total += weight[:, c, tap // 3, tap % 3] * sample(b, c, y, x_)
                result[b, :, i, j] = total
    return result


@pytest.mark.parametrize("spread", [0.3, 2.0])
def test_equals_the_definition(spread):
    arguments = tensors(2, 3, 4, spread)
    torch.testing.assert_close(deformable_convolution(*arguments), literal(*arguments), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("spread", [0.1, 1.5, 50.0])
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES.keys())
def test_value_and_gradients_equal_torchvision(size, spread, device):
    arguments = [tensor.to(device) for tensor in tensors(*size, spread)]
    ours, theirs = ([tensor.clone().requires_grad_() for tensor in arguments] for _ in range(2))
    actual, expected = deformable_convolution(*ours), deform_conv2d(*theirs, padding=1)
    torch.testing.assert_close(actual, expected, rtol=1e-11, atol=1e-11)
    direction = torch.randn(expected.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).to(device)
    (actual * direction).sum().backward()
    (expected * direction).sum().backward()
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.grad, other.grad, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("spread", [1, 4])
def test_whole_number_offsets(spread):
    x, _, weight, bias = tensors(2, 6, 5, 1.0)
    generator = torch.Generator().manual_seed(3)
    offsets = torch.randint(-spread, spread + 1, (2, 18, 6, 5), generator=generator).double()
    expected = deform_conv2d(x, offsets, weight, bias, padding=1)
    torch.testing.assert_close(deformable_convolution(x, offsets, weight, bias), expected, rtol=1e-12, atol=1e-12)


def test_zero_offsets_are_a_plain_convolution():
    x, offsets, weight, bias = tensors(2, 6, 5, 1.0)
    actual = deformable_convolution(x, torch.zeros_like(offsets), weight, bias)
    torch.testing.assert_close(actual, F.conv2d(x, weight, bias, padding=1), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("far", [-1e3, 1e6, 1e18, 1e30, -1e30])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_far_outside_the_map_there_are_zeros(far, dtype):
    x, offsets, weight, bias = (tensor.to(dtype) for tensor in tensors(1, 4, 4, 1.0))
    offsets = torch.full_like(offsets, far).requires_grad_()
    result = deformable_convolution(x, offsets, weight, bias)
    assert torch.equal(result, bias.view(1, -1, 1, 1).expand_as(result))
    result.sum().backward()
    assert (offsets.grad == 0).all()


def test_a_border_is_crossed_gradually():
    x = torch.ones(1, 1, 1, 1, dtype=torch.float64)
    weight = torch.zeros(1, 1, 3, 3, dtype=torch.float64)
    weight[0, 0, 1, 1] = 1  # only the central tap
    for shift, expected in ((0.0, 1.0), (0.25, 0.75), (-0.75, 0.25), (1.0, 0.0), (-1.0, 0.0)):
        for axis in (0, 1):
            offsets = torch.zeros(1, 18, 1, 1, dtype=torch.float64)
            offsets[0, 2 * 4 + axis] = shift
            assert deformable_convolution(x, offsets, weight, weight.new_zeros(1)).item() == pytest.approx(expected, abs=1e-15)


def test_offsets_go_down_first_then_right():
    x = torch.arange(12.0).view(1, 1, 3, 4)
    weight = torch.zeros(1, 1, 3, 3)
    weight[0, 0, 1, 1] = 1
    down, right = torch.zeros(1, 18, 3, 4), torch.zeros(1, 18, 3, 4)
    down[:, 8], right[:, 9] = 1, 1
    assert deformable_convolution(x, down, weight, torch.zeros(1))[0, 0].tolist() == [
        [4, 5, 6, 7],
        [8, 9, 10, 11],
        [0, 0, 0, 0],
    ]
    assert deformable_convolution(x, right, weight, torch.zeros(1))[0, 0].tolist() == [
        [1, 2, 3, 0],
        [5, 6, 7, 0],
        [9, 10, 11, 0],
    ]


@pytest.mark.parametrize("device", DEVICES)
def test_bfloat16_is_within_its_rounding(device):
    exact = [tensor.to(torch.bfloat16).to(device) for tensor in tensors(2, 8, 8, 1.0, channels=16, out=16)]
    actual = deformable_convolution(*exact)
    expected = deform_conv2d(*(tensor.double() for tensor in exact), padding=1)
    assert actual.dtype == torch.bfloat16
    difference = (actual.double() - expected).norm() / expected.norm()
    assert difference < 2**-8  # half a unit in the last of 8 bits, for the samples and for the result


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_is_close_to_float32(dtype, device):
    torch.manual_seed(0)
    module = DeformableConvolution(16).to(device)
    x = torch.randn(2, 16, 8, 8, device=device)
    expected = module(x)
    with torch.autocast(device, dtype=dtype):
        actual = module(x)
    assert (actual.float() - expected).norm() / expected.norm() < 0.02


def test_the_module_takes_its_offsets_from_a_plain_convolution():
    torch.manual_seed(0)
    module = DeformableConvolution(4).double()
    x = torch.randn(2, 4, 5, 6, dtype=torch.float64)
    offsets = F.conv2d(x, module.offsets.weight, module.offsets.bias, padding=1)
    expected = deform_conv2d(x, offsets, module.convolution.weight, module.convolution.bias, padding=1)
    torch.testing.assert_close(module(x), expected, rtol=1e-12, atol=1e-12)
    assert module.offsets.weight.shape == (18, 4, 3, 3) and module.offsets.weight.abs().min() > 0  # not zeroed at the start
    module(x).square().sum().backward()
    assert all((parameter.grad != 0).any() for parameter in module.parameters())


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_offsets_that_are_no_numbers_give_results_that_are_none(bad):
    x, offsets, weight, bias = tensors(1, 3, 4, 1.0)
    offsets = torch.full_like(offsets, bad).requires_grad_()
    result = deformable_convolution(x, offsets, weight, bias)
    assert result.isnan().all()
    result.sum().backward()
    assert offsets.grad.isnan().any()

"""Deformable 3x3 convolution (Dai et al. 2017), without modulation and with one group of offsets."""

import importlib.util

import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from hodor.modelling.kernels.linear import product

_TAPS = 9  # of a 3x3 kernel, in row order
_FUSED_WIDTHS = (32, 64, 128, 256)


class DeformableConvolution(nn.Module):
    """A 3x3 convolution that looks, for each of its nine taps, where a plain 3x3 convolution of the same map tells it to."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.offsets = nn.Conv2d(channels, 2 * _TAPS, 3, padding=1)
        self.convolution = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, C, H, W] -> [B, C, H, W]."""
        assert self.convolution.bias is not None
        return deformable_convolution(x, self.offsets(x), self.convolution.weight, self.convolution.bias)


def deformable_convolution(x: torch.Tensor, offsets: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Convolves a map [B, C, H, W] at shifted places, bilinearly sampled and zero outside, with weights [D, C, 3, 3].

    Offsets [B, 18, H, W] are, for tap 0..8 in row order, the shift down, then the shift right, in pixels of the map. The result
    [B, D, H, W] comes on CUDA from torchvision's kernel, or in inference with bf16 from a fused one; elsewhere each sample is a
    sum of four weighted rows of the map in channels-last order, which `embedding_bag` computes without storing the rows.
    """
    if _may_be_fused(x, weight):
        from hodor.modelling.kernels import fused_deformable_convolution as fused  # noqa: PLC0415 (needs Triton)

        if fused.works_on(x.device):
            return fused.fused_deformable_convolution(x.bfloat16(), offsets, weight, bias)
    if x.is_cuda:
        return by_torchvision(x, offsets, weight, bias)
    batch, channels, height, width = x.shape
    index, share = _bilinear_neighbours(offsets, height, width)
    rows = x.permute(0, 2, 3, 1).reshape(-1, channels).contiguous()  # else embedding_bag is 40 times slower
    samples = F.embedding_bag(index.view(-1, 4), rows, per_sample_weights=share.view(-1, 4).to(x.dtype), mode="sum")
    columns = samples.view(batch * height * width, _TAPS * channels).to(x.dtype)
    result = product(columns, weight.permute(0, 2, 3, 1).flatten(1).to(x.dtype), bias.to(x.dtype))
    return result.view(batch, height, width, -1).permute(0, 3, 1, 2)


def by_torchvision(x: torch.Tensor, offsets: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """As `deformable_convolution` by torchvision's kernel, in float32 inside (float64 for float64)."""
    with torch.autocast(x.device.type, enabled=False):
        single = [each if each.dtype == torch.float64 else each.float() for each in (x, offsets, weight, bias)]
        return torchvision.ops.deform_conv2d(*(each.contiguous() for each in single), padding=1).to(x.dtype)


def _may_be_fused(x: torch.Tensor, weight: torch.Tensor) -> bool:
    """Whether the fused kernel is meant: inference with bf16 on an NVIDIA GPU that knows it, for usual widths."""
    return (
        x.is_cuda
        and not torch.is_grad_enabled()
        and torch.is_autocast_enabled("cuda")
        and torch.get_autocast_dtype("cuda") == torch.bfloat16
        and weight.shape[0] in _FUSED_WIDTHS
        and weight.shape[1] in _FUSED_WIDTHS
        and torch.cuda.get_device_capability(x.device) >= (8, 0)
        and importlib.util.find_spec("triton") is not None
    )


def _bilinear_neighbours(offsets: torch.Tensor, height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """For every sample its four neighbours as rows of the flattened map, and their shares, 0 outside: both [B, H, W, 9, 4]."""
    batch = offsets.shape[0]
    device = offsets.device
    precision = torch.float64 if offsets.dtype == torch.float64 else torch.float32
    shift = offsets.permute(0, 2, 3, 1).to(precision).view(batch, height, width, _TAPS, 2)
    tap = torch.arange(_TAPS, device=device)
    y = shift[..., 0] + (torch.arange(height, device=device)[:, None, None] + tap // 3 - 1)
    x = shift[..., 1] + (torch.arange(width, device=device)[None, :, None] + tap % 3 - 1)
    top, left = y.detach().floor(), x.detach().floor()
    down, right = y - top, x - left
    rows, columns = torch.stack([top, top + 1], dim=4), torch.stack([left, left + 1], dim=4)
    row_share = torch.stack([1 - down, down], dim=4) * ((rows >= 0) & (rows < height))
    column_share = torch.stack([1 - right, right], dim=4) * ((columns >= 0) & (columns < width))
    first = torch.arange(batch, device=device).view(-1, 1, 1, 1, 1) * height
    rows = rows.clamp(0, height - 1).nan_to_num().long() + first  # offsets that are NaN have NaN shares, but need a row
    columns = columns.clamp(0, width - 1).nan_to_num().long()
    index = rows[..., :, None] * width + columns[..., None, :]
    share = row_share[..., :, None] * column_share[..., None, :]
    return index.flatten(4), share.flatten(4)

"""Where a pixel is, as numbers that attention can compare: DETR's sine encoding."""

import math

import torch

from hodor.modelling.kernels.cached import cached

_TEMPERATURE = 10000.0
_EPSILON = 1e-6


@cached
def sine_position_encoding(height: int, width: int, channels: int, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """Sine encoding of every pixel of a map (Carion et al. 2020, section A.4): [1, height * width, channels], in row order.

    The first half of the channels (a multiple of 4) encodes the row, the second the column. With the 1-based position p of n,
    scaled to p' = 2 pi p / (n + 1e-6), and D = channels / 2, feature 2k of an axis is sin(p' / 10000^(2k / D)) and 2k + 1 its
    cosine. Computed in float32 (float64 for float64), and shared between calls: don't write to it.
    """
    precision = torch.float64 if dtype == torch.float64 else torch.float32
    rows = _encode_axis(height, channels // 2, precision)
    columns = _encode_axis(width, channels // 2, precision)
    encoding = torch.cat([rows[:, None].expand(-1, width, -1), columns[None].expand(height, -1, -1)], dim=2)
    return encoding.reshape(1, height * width, channels).to(device, dtype)


def _encode_axis(length: int, features: int, dtype: torch.dtype) -> torch.Tensor:
    """[length, features]: sines at even, cosines at odd indices."""
    position = torch.arange(1, length + 1, dtype=dtype) / (length + _EPSILON) * (2 * math.pi)
    frequency = _TEMPERATURE ** (torch.arange(0, features, 2, dtype=dtype) / features)
    angle = position[:, None] / frequency
    return torch.stack([angle.sin(), angle.cos()], dim=2).flatten(1)

"""Image features: a backbone, a feature pyramid, and a normalisation of the two levels that HODOR reads."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

_GROUPS = 16


class Features(NamedTuple):
    """Maps of images [B, 3, H, W]: [B, C, H/4, W/4] and [B, C, H/8, W/8]."""

    stride_4: torch.Tensor
    stride_8: torch.Tensor


class FeaturePyramid(nn.Module):
    """Coarse maps flow down into fine ones (Lin et al. 2017).

    1x1 convolutions bring four maps to the same width; each takes up the next coarser one; 3x3 convolutions smooth them. Only
    the two finest levels are computed, which are all that HODOR reads.
    """

    def __init__(self, in_channels: Sequence[int], channels: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(count, channels, 1) for count in in_channels)
        self.output = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))

    def forward(self, maps: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """Four maps `[B, in_channels[k], H / 2^(k + 2), W / 2^(k + 2)]` -> `[B, C, H/4, W/4]` and `[B, C, H/8, W/8]`."""
        level = self.lateral[-1](maps[-1])
        levels = [level]
        for lateral, finer in zip(reversed(self.lateral[:-1]), reversed(maps[:-1]), strict=True):
            level = lateral(finer) + F.interpolate(level, size=finer.shape[-2:], mode="nearest")
            levels.append(level)
        return self.output[0](levels[-1]), self.output[1](levels[-2])


class FeatureExtractor(nn.Module):
    """Images -> features at strides 4 and 8."""

    def __init__(self, backbone: nn.Module, backbone_channels: Sequence[int], channels: int) -> None:
        """Puts a pyramid of width C = `channels`, a multiple of 16, on a backbone.

        The backbone gives four maps at strides 4, 8, 16, 32 of images [B, 3, H, W]; `backbone_channels` are their widths.
        """
        super().__init__()
        self.backbone = backbone
        self.pyramid = FeaturePyramid(backbone_channels, channels)
        self.norm_4 = nn.GroupNorm(_GROUPS, channels)
        self.norm_8 = nn.GroupNorm(_GROUPS, channels)

    def forward(self, images: torch.Tensor) -> Features:
        """Normalised images [B, 3, H, W], H and W multiples of 32 -> features."""
        stride_4, stride_8 = self.pyramid(self.backbone(images))
        return Features(self.norm_4(stride_4), self.norm_8(stride_8))

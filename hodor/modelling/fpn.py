"""Feature pyramid (Lin et al. 2017): coarse maps flow down into fine ones."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F


class FeaturePyramid(nn.Module):
    """1x1 convolutions bring four maps to the same width; each takes up the next coarser one; 3x3 convolutions smooth them.

    Only the two finest levels are computed, which are all that HODOR reads.
    """

    def __init__(self, in_channels: Sequence[int], channels: int) -> None:
        """Builds the convolutions for maps of `in_channels` channels (finest first) and outputs of `channels`."""
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

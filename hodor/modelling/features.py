"""Image features: a backbone, a feature pyramid, and a normalisation of the two levels that HODOR reads."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn

from hodor.modelling.fpn import FeaturePyramid

_GROUPS = 16


class Features(NamedTuple):
    """What is known of images.

    Attributes:
        stride_4: [B, C, H/4, W/4].
        stride_8: [B, C, H/8, W/8].
    """

    stride_4: torch.Tensor
    stride_8: torch.Tensor


class FeatureExtractor(nn.Module):
    """Images -> features at strides 4 and 8."""

    def __init__(self, backbone: nn.Module, backbone_channels: Sequence[int], channels: int) -> None:
        """Puts a pyramid on a backbone.

        Args:
            backbone: images [B, 3, H, W] -> four maps at strides 4, 8, 16, 32.
            backbone_channels: widths of the four maps.
            channels: width C of the features, a multiple of 16.
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

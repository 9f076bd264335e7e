"""Any feature extractor of timm as backbone: whatever has maps at strides 4, 8, 16 and 32."""

from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm

_STRIDES = (4, 8, 16, 32)


class TimmBackbone(nn.Module):
    """Images -> four maps at strides 4, 8, 16 and 32, which are `out_channels` wide, by a model of timm."""

    def __init__(self, name: str, *, pretrained: bool = False, frozen_batch_norm: bool = False) -> None:
        """Builds a model by timm's name, such as "resnet50"; `pretrained` with timm's weights, which are downloaded.

        With `frozen_batch_norm` norms never take a batch's own statistics, also in training; scale and shift are learned. A
        ValueError tells that timm has no such model, or that it lacks one of the strides.
        """
        super().__init__()
        import timm  # noqa: PLC0415 (takes seconds, and the usual backbones don't need it)

        if not timm.is_model(name):
            raise ValueError(f"timm has no model {name!r}")
        try:
            probe: Any = timm.create_model(name, features_only=True)
        except (RuntimeError, AttributeError, TypeError) as error:
            raise ValueError(f"timm's model {name!r} gives no features ({error})") from None
        strides = probe.feature_info.reduction()
        if not set(_STRIDES) <= set(strides):
            raise ValueError(f"timm's model {name!r} has features at strides {strides}, but {list(_STRIDES)} are needed")
        levels = tuple(strides.index(stride) for stride in _STRIDES)
        chosen: Any = timm.create_model(name, features_only=True, out_indices=levels, pretrained=pretrained)
        self.model: nn.Module = chosen
        self.out_channels: tuple[int, ...] = tuple(chosen.feature_info.channels())
        self._frozen_batch_norm = frozen_batch_norm

    def train(self, mode: bool = True) -> "TimmBackbone":
        super().train(mode)
        if self._frozen_batch_norm:
            for module in self.modules():
                if isinstance(module, BatchNorm):
                    module.eval()
        return self

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        """[B, 3, H, W] -> `[B, out_channels[k], H / 2^(k + 2), W / 2^(k + 2)]` for k = 0..3."""
        maps = self.model(images)
        return [
            x if x.shape[1] == channels else x.permute(0, 3, 1, 2) for x, channels in zip(maps, self.out_channels, strict=True)
        ]

"""Swin Transformer (Liu et al. 2021) as detectors use it: any image size, and always the same rule for the shifted windows.

Unlike ports made for classification, maps are padded to whole windows before they are shifted, and odd blocks shift even where
the map is a single window.
"""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

from hodor.modelling.kernels.cached import cached
from hodor.modelling.kernels.linear import Linear

_WINDOW = 7
_SHIFT = _WINDOW // 2
_PATCH = 4
_MLP_RATIO = 4
_FORBIDDEN = -100.0  # added to the attention logits of pixels that only the shift brought together


SWIN_SIZES = {
    "swin_compact": (48, (2, 2, 4, 2), (2, 4, 8, 16), 0.1),
    "swin_tiny": (96, (2, 2, 6, 2), (3, 6, 12, 24), 0.2),
    "swin_small": (96, (2, 2, 18, 2), (3, 6, 12, 24), 0.2),
    "swin_base": (128, (2, 2, 18, 2), (4, 8, 16, 32), 0.3),
}
"""Name of a variant -> what `SwinTransformer` is built with."""


class DropPath(nn.Module):
    """Stochastic depth: in training the whole branch of a sample is dropped with this probability, else scaled up."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, ...] -> [B, ...]."""
        if not self.training or self.probability == 0:
            return x
        keep = 1 - self.probability
        kept = torch.rand(x.shape[0], *[1] * (x.dim() - 1), device=x.device) < keep
        return x * kept.to(x.dtype) / keep


@cached
def relative_position_index(device: torch.device | None = None) -> torch.Tensor:
    """[49, 49]: which entry of the bias table holds for a pair of pixels of a window (row-major differences, +6 each)."""
    position = torch.cartesian_prod(torch.arange(_WINDOW), torch.arange(_WINDOW))
    difference = position[:, None] - position[None] + _WINDOW - 1
    return (difference[..., 0] * (2 * _WINDOW - 1) + difference[..., 1]).to(device)


@cached
def _shifted_window_mask(height: int, width: int, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """[windows, 1, 49, 49]: 0 between pixels of one region of the shifted padded map, -100 between others."""
    row, column = torch.arange(height), torch.arange(width)
    below = (row >= height - _WINDOW).long() + (row >= height - _SHIFT).long()
    right = (column >= width - _WINDOW).long() + (column >= width - _SHIFT).long()
    windows = _partition((3 * below[:, None] + right)[None, :, :, None]).squeeze(2)
    mask = torch.where(windows[:, :, None] == windows[:, None], 0.0, _FORBIDDEN)
    return mask[:, None].to(device, dtype)


def _partition(x: torch.Tensor) -> torch.Tensor:
    """[B, H, W, C] with H, W multiples of 7 -> [B * H/7 * W/7, 49, C]."""
    batch, height, width, channels = x.shape
    x = x.view(batch, height // _WINDOW, _WINDOW, width // _WINDOW, _WINDOW, channels)
    return x.transpose(2, 3).reshape(-1, _WINDOW * _WINDOW, channels)


def _merge(windows: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """The inverse of `_partition`: [B * H/7 * W/7, 49, C] -> [B, H, W, C]."""
    x = windows.view(-1, height // _WINDOW, width // _WINDOW, _WINDOW, _WINDOW, windows.shape[-1])
    return x.transpose(2, 3).reshape(-1, height, width, windows.shape[-1])


class WindowAttention(nn.Module):
    """Self-attention within windows of 7x7 pixels, with a learned bias per relative position and head."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = Linear(dim, 3 * dim)
        self.projection = Linear(dim, dim)
        self.relative_position_bias = nn.Parameter(torch.empty((2 * _WINDOW - 1) ** 2, num_heads))
        nn.init.trunc_normal_(self.relative_position_bias, std=0.02)

    def forward(self, windows: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """N windows per image [B * N, 49, C] -> [B * N, 49, C]; a mask [N, 1, 49, 49] is added to the logits."""
        count, pixels, channels = windows.shape
        q, k, v = self.qkv(windows).view(count, pixels, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        index = relative_position_index(windows.device)
        bias = self.relative_position_bias[index.flatten()].view(1, pixels, pixels, -1).permute(0, 3, 1, 2).to(q.dtype)
        if mask is not None:
            bias = (bias + mask).repeat(count // mask.shape[0], 1, 1, 1)
        result = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        return self.projection(result.transpose(1, 2).reshape(count, pixels, channels))


class SwinBlock(nn.Module):
    """Window attention and an MLP, each normalised before and added to its input."""

    def __init__(self, dim: int, num_heads: int, *, shifted: bool, drop_path: float) -> None:
        super().__init__()
        self.shifted = shifted
        self.norm_attention = nn.LayerNorm(dim)
        self.attention = WindowAttention(dim, num_heads)
        self.norm_mlp = nn.LayerNorm(dim)
        self.mlp_in = Linear(dim, _MLP_RATIO * dim)
        self.mlp_out = Linear(_MLP_RATIO * dim, dim)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, H, W, C] -> [B, H, W, C]."""
        x = x + self.drop_path(self._attend(self.norm_attention(x)))
        return x + self.drop_path(self.mlp_out(F.gelu(self.mlp_in(self.norm_mlp(x)))))

    def _attend(self, x: torch.Tensor) -> torch.Tensor:
        height, width = x.shape[1:3]
        padded_height, padded_width = ((length + _WINDOW - 1) // _WINDOW * _WINDOW for length in (height, width))
        x = F.pad(x, (0, 0, 0, padded_width - width, 0, padded_height - height))
        mask = None
        if self.shifted:
            x = x.roll((-_SHIFT, -_SHIFT), dims=(1, 2))
            mask = _shifted_window_mask(padded_height, padded_width, x.device, x.dtype)
        x = _merge(self.attention(_partition(x), mask), padded_height, padded_width)
        if self.shifted:
            x = x.roll((_SHIFT, _SHIFT), dims=(1, 2))
        return x[:, :height, :width]


class PatchMerging(nn.Module):
    """Halves a map and doubles its channels: 2x2 neighbours side by side, normalised, projected."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * dim)
        self.reduction = Linear(4 * dim, 2 * dim, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, H, W, C] -> [B, ceil(H / 2), ceil(W / 2), 2 C]."""
        x = F.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        neighbours = [x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        return self.reduction(self.norm(torch.cat(neighbours, dim=3)))


class SwinTransformer(nn.Module):
    """Images -> four maps at strides 4, 8, 16 and 32, which are `out_channels` wide."""

    def __init__(self, embed_dim: int, depths: Sequence[int], num_heads: Sequence[int], drop_path: float) -> None:
        """Builds the stages, of `depths` blocks with `num_heads` heads each.

        `embed_dim` is the width of the first stage and doubles from one to the next; `drop_path` is the stochastic depth of the
        last block, which grows linearly from 0 at the first.
        """
        super().__init__()
        self.out_channels = tuple(embed_dim * 2**stage for stage in range(len(depths)))
        self.patch_embedding = nn.Conv2d(3, embed_dim, _PATCH, stride=_PATCH)
        self.patch_norm = nn.LayerNorm(embed_dim)
        last = max(sum(depths) - 1, 1)
        rates = iter([drop_path * index / last for index in range(sum(depths))])
        self.stages = nn.ModuleList()
        for depth, heads, dim in zip(depths, num_heads, self.out_channels, strict=True):
            blocks = [SwinBlock(dim, heads, shifted=index % 2 == 1, drop_path=next(rates)) for index in range(depth)]
            self.stages.append(nn.Sequential(*blocks))
        self.mergers = nn.ModuleList(PatchMerging(dim) for dim in self.out_channels[:-1])
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for dim in self.out_channels)

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        """[B, 3, H, W] -> `[B, out_channels[k], H / 2^(k + 2), W / 2^(k + 2)]` for k = 0..3, sizes rounded up."""
        images = F.pad(images, (0, -images.shape[3] % _PATCH, 0, -images.shape[2] % _PATCH))
        x = self.patch_norm(self.patch_embedding(images).permute(0, 2, 3, 1))
        maps = []
        for stage, blocks in enumerate(self.stages):
            if stage:
                x = self.mergers[stage - 1](x)
            x = blocks(x)
            maps.append(self.norms[stage](x).permute(0, 3, 1, 2))
        return maps

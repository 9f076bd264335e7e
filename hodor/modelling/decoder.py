"""The decoder: features of a frame and descriptors of others -> mask logits (HODOR section 3.3)."""

import copy

import torch
from torch import nn
from torch.nn import functional as F

from hodor.modelling.descriptors import DescribedFrames, Embeddings
from hodor.modelling.features import Features
from hodor.modelling.kernels.deformable_convolution import DeformableConvolution
from hodor.modelling.kernels.linear import Linear
from hodor.modelling.kernels.projected_attention import split_heads
from hodor.modelling.position_encoding import sine_position_encoding


class DescriptorAttention(nn.Module):
    """Multi-head attention from pixels to descriptors, with own projections for objects and background and none after it."""

    def __init__(self, channels: int, num_heads: int, *, dropout: float, logit_dropout: bool) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.logit_dropout = logit_dropout
        self.query_projection = Linear(channels, channels)
        self.object_key_projection = nn.Linear(channels, channels)
        self.object_value_projection = nn.Linear(channels, channels)
        self.background_key_projection = nn.Linear(channels, channels)
        self.background_value_projection = nn.Linear(channels, channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, query: torch.Tensor, memory: DescribedFrames, embeddings: Embeddings) -> torch.Tensor:
        """Pixels [B, P, C] -> [B, P, C], weighted sums of projected descriptors."""
        object_keys = self.object_key_projection(memory.objects + embeddings.object)
        background_keys = self.background_key_projection(memory.background + embeddings.background[:, None])
        object_values = self.object_value_projection(memory.objects)
        background_values = self.background_value_projection(memory.background)
        keys = torch.cat([object_keys.flatten(1, 2), background_keys.flatten(1, 2)], dim=1)
        values = torch.cat([object_values.flatten(1, 2), background_values.flatten(1, 2)], dim=1)
        q, k, v = (split_heads(x, self.num_heads) for x in (self.query_projection(query), keys, values))
        absent = memory.absent()
        if self.training:  # also without dropout: the backward pass of fused attention is slow on CPUs for so few keys
            result = self._weights_in_training(q, k, absent) @ v
        else:
            mask = None if absent is None else ~absent[:, None, None]
            result = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return result.transpose(1, 2).flatten(2)

    def _weights_in_training(self, q: torch.Tensor, k: torch.Tensor, absent: torch.Tensor | None) -> torch.Tensor:
        """[B, heads, P, d], [B, heads, N, d], [B, N] -> [B, heads, P, N]."""
        logits = (q * q.shape[-1] ** -0.5) @ k.transpose(2, 3)
        if self.logit_dropout:
            logits = self.dropout(logits)
        if absent is not None:
            logits = logits.masked_fill(absent[:, None, None], float("-inf"))
        weights = logits.softmax(dim=3)
        return weights if self.logit_dropout else self.dropout(weights)


class DecoderLayer(nn.Module):
    """Neighbouring pixels talk to each other by a convolution, every pixel looks at the descriptors, then is transformed.

    `pre_norm` is a variant without a norm after attention and with one on the final map (not the usual pre-norm).
    """

    def __init__(
        self, channels: int, num_heads: int, *, dropout: float, pre_norm: bool, deformable: bool, logit_dropout: bool
    ) -> None:
        super().__init__()
        self.pre_norm = pre_norm
        self.convolution = DeformableConvolution(channels) if deformable else nn.Conv2d(channels, channels, 3, padding=1)
        self.norm_convolution = nn.GroupNorm(16, channels)
        self.attention = DescriptorAttention(channels, num_heads, dropout=dropout, logit_dropout=logit_dropout)
        self.norm_attention = nn.Identity() if self.pre_norm else nn.LayerNorm(channels)
        self.linear_in = Linear(channels, channels)
        self.linear_out = Linear(channels, channels)
        self.norm_feed_forward = nn.LayerNorm(channels)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: torch.Tensor, position: torch.Tensor | None, memory: DescribedFrames, embeddings: Embeddings
    ) -> torch.Tensor:
        """A map [B, h, w, C] -> [B, h, w, C]; `position` [1, h * w, C] is what queries add, if anything."""
        convolved = self.norm_convolution(self.convolution(x.permute(0, 3, 1, 2)).relu())
        x = x + convolved.permute(0, 2, 3, 1)
        pixels = x.flatten(1, 2)
        query = pixels if position is None else pixels + position
        pixels = self.norm_attention(pixels + self.dropout(self.attention(query, memory, embeddings)))
        change = self.dropout(self.linear_out(self.dropout(self.linear_in(pixels).relu())))
        pixels = pixels + self.norm_feed_forward(change) if self.pre_norm else self.norm_feed_forward(pixels + change)
        return pixels.view_as(x)


class Decoder(nn.Module):
    """Features at strides 4 and 8, and descriptors -> mask logits at stride 4, by layers that start as copies of one."""

    def __init__(
        self,
        channels: int,
        num_heads: int,
        num_layers: int,
        num_background: int,
        *,
        dropout: float = 0.1,
        pre_norm: bool = False,
        deformable: bool = True,
        position_encoding: bool = True,
        catch_all: bool = True,
        logit_dropout: bool = True,
    ) -> None:
        """Builds layers of `channels` C, a multiple of 32 and of `num_heads`, for `num_background` cells.

        With `position_encoding` queries know where their pixel is; `catch_all` is one more channel for "none of the
        descriptors"; `logit_dropout` drops attention logits instead of weights, as the published models were trained.
        """
        super().__init__()
        self.position_encoding = position_encoding
        layer = DecoderLayer(
            channels, num_heads, dropout=dropout, pre_norm=pre_norm, deformable=deformable, logit_dropout=logit_dropout
        )
        self.layers = nn.ModuleList(copy.deepcopy(layer) for _ in range(num_layers))
        self.norm = nn.GroupNorm(1, channels) if pre_norm else nn.Identity()
        self.reduce_4 = nn.Sequential(
            nn.Conv2d(channels, channels // 4, 1, bias=False), nn.ReLU(), nn.GroupNorm(8, channels // 4)
        )
        self.smooth_4 = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.ReLU(), nn.GroupNorm(8, channels)
        )
        self.object_projection = nn.Linear(channels, channels)
        self.background_projection = nn.Linear(channels, channels)
        self.num_background_channels = num_background + int(catch_all)
        self.catch_all = None
        if catch_all:
            self.catch_all = nn.Sequential(
                nn.Conv2d(channels, channels // 2, 3, padding=1, bias=False),
                nn.GroupNorm(8, channels // 2),
                nn.ReLU(),
                nn.Conv2d(channels // 2, 1, 1, bias=False),
            )

    def forward(self, features: Features, memory: DescribedFrames, embeddings: Embeddings) -> torch.Tensor:
        """Segments a frame by what is known of others; `embeddings` are the encoder's.

        The logits [B, K + I, H/4, W/4] are of the catch-all (if any) and the background cells, K channels, and of the objects.
        """
        x = features.stride_8.permute(0, 2, 3, 1)
        _, height, width, channels = x.shape
        position = None
        if self.position_encoding:
            position = sine_position_encoding(height, width, channels, x.device, x.dtype)
        for layer in self.layers:
            x = layer(x, position, memory, embeddings)
        coarse = self.norm(x.permute(0, 3, 1, 2))
        coarse = F.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)
        detail = self.reduce_4(features.stride_4)
        detailed, others = coarse.split([detail.shape[1], channels - detail.shape[1]], dim=1)
        fine = self.smooth_4(torch.cat([detailed + detail, others], dim=1))
        logits = [
            _similarity(self.background_projection(memory.background), fine, memory.background_absent),
            _similarity(self.object_projection(memory.objects), fine, memory.objects_absent),
        ]
        if self.catch_all is not None:
            logits.insert(0, self.catch_all(fine))
        return torch.cat(logits, dim=1)


def _similarity(queries: torch.Tensor, fine: torch.Tensor, absent: torch.Tensor | None) -> torch.Tensor:
    """Queries [B, N, T, C] and a map [B, C, h, w] -> [B, N, h, w]: the best scaled product over the T frames."""
    batch, count, frames, channels = queries.shape
    products = (queries.flatten(1, 2) * channels**-0.5) @ fine.flatten(2)
    products = products.view(batch, count, frames, *fine.shape[2:])
    if absent is not None:
        products = products.masked_fill(absent[..., None, None], float("-inf"))
    return products.amax(dim=2)

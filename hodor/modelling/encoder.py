"""The encoder: features and soft masks -> descriptors (HODOR section 3.2)."""

import copy
from collections.abc import Callable

import torch
from torch import nn

from hodor.modelling.descriptors import Descriptors, Embeddings
from hodor.modelling.position_encoding import sine_position_encoding
from hodor.modelling.soft_masked_attention import Masking, SoftMaskedAttention


def initial_descriptors(features: torch.Tensor, masks: torch.Tensor, *, fall_back_to_peak: bool) -> torch.Tensor:
    """Mean features [B, N, C] of the pixels [B, P, C] where masks [B, N, P] are above 0.5, without gradient.

    Where no pixel is above 0.5, it is the feature at the mask's first maximum with `fall_back_to_peak`, else zeros.
    """
    with torch.no_grad():
        inside = masks > 0.5
        if fall_back_to_peak:
            peak = masks.argmax(dim=2, keepdim=True) == torch.arange(masks.shape[2], device=masks.device)
            inside = inside | (peak & ~inside.any(dim=2, keepdim=True))
        count = inside.sum(dim=2, keepdim=True).clamp(min=1)
        return (inside.to(features.dtype) @ features) / count.to(features.dtype)


class EncoderLayer(nn.Module):
    """Descriptors talk to each other, look at the image through their soft masks, and are transformed one by one."""

    def __init__(
        self, channels: int, num_heads: int, *, dropout: float, pre_norm: bool, masking: Masking, interaction: bool
    ) -> None:
        super().__init__()
        self.pre_norm = pre_norm
        self.interaction = interaction
        if interaction:
            self.self_attention = nn.MultiheadAttention(channels, num_heads, dropout=dropout, batch_first=True)
            self.norm_self_attention = nn.LayerNorm(channels)
        self.masked_attention = SoftMaskedAttention(channels, num_heads, dropout=dropout, masking=masking)
        self.norm_masked_attention = nn.LayerNorm(channels)
        self.feed_forward = nn.Sequential(
            nn.Linear(channels, 4 * channels), nn.ReLU(), nn.Dropout(dropout), nn.Linear(4 * channels, channels)
        )
        self.norm_feed_forward = nn.LayerNorm(channels)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: torch.Tensor, embedding: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, masks: torch.Tensor
    ) -> torch.Tensor:
        """Descriptors and their embeddings [B, N, C], pixels as keys and values [B, P, C], masks [B, N, P] -> [B, N, C]."""
        if self.interaction:
            x = self._branch(
                x,
                self.norm_self_attention,
                lambda y: self.self_attention(y + embedding, y + embedding, y, need_weights=False)[0],
            )
        x = self._branch(x, self.norm_masked_attention, lambda y: self.masked_attention(y, keys, values, masks)[0])
        return self._branch(x, self.norm_feed_forward, self.feed_forward)

    def _branch(self, x: torch.Tensor, norm: nn.LayerNorm, branch: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        if self.pre_norm:
            return x + self.dropout(branch(norm(x)))
        return norm(x + self.dropout(branch(x)))


class Encoder(nn.Module):
    """Features at stride 8 and soft masks -> descriptors, by layers that start as copies of one."""

    def __init__(
        self,
        channels: int,
        num_heads: int,
        num_layers: int,
        num_background: int,
        *,
        dropout: float = 0.1,
        pre_norm: bool = False,
        masking: Masking = "soft_learnable",
        interaction: bool = True,
        position_encoding: bool = False,
    ) -> None:
        """Builds layers of `channels` C for `num_background` cells Qb.

        `pre_norm` normalises the input of each branch instead of its sum with the branch; for `masking` see
        `SoftMaskedAttention`; with `interaction` descriptors attend to each other; with `position_encoding` keys know where
        their pixel is.
        """
        super().__init__()
        self.position_encoding = position_encoding
        self.object_embedding = nn.Parameter(torch.randn(channels))
        self.background_embedding = nn.Parameter(torch.randn(num_background, channels))
        layer = EncoderLayer(channels, num_heads, dropout=dropout, pre_norm=pre_norm, masking=masking, interaction=interaction)
        self.layers = nn.ModuleList(copy.deepcopy(layer) for _ in range(num_layers))
        self.norm = nn.LayerNorm(channels) if pre_norm else nn.Identity()

    @property
    def embeddings(self) -> Embeddings:
        """Those of objects and background, as the decoder takes them."""
        return Embeddings(self.object_embedding, self.background_embedding)

    def forward(self, features: torch.Tensor, object_masks: torch.Tensor, background_masks: torch.Tensor) -> Descriptors:
        """Features [B, C, H/8, W/8], masks [B, I, H/8, W/8] and [B, Qb, H/8, W/8] in [0, 1] -> descriptors."""
        batch, channels, height, width = features.shape
        keys = values = features.flatten(2).transpose(1, 2)
        if self.position_encoding:
            keys = values + sine_position_encoding(height, width, channels, values.device, values.dtype)
        object_masks, background_masks = object_masks.flatten(2), background_masks.flatten(2)
        masks = torch.cat([background_masks, object_masks], dim=1)
        of_background = initial_descriptors(values, background_masks, fall_back_to_peak=False)
        of_objects = initial_descriptors(values, object_masks, fall_back_to_peak=True)
        x = torch.cat([of_background, of_objects], dim=1)
        embedding = torch.cat([self.background_embedding, self.object_embedding.expand(object_masks.shape[1], -1)])
        embedding = embedding.expand(batch, -1, -1)
        for layer in self.layers:
            x = layer(x, embedding, keys, values, masks)
        x = self.norm(x)
        num_background = background_masks.shape[1]
        return Descriptors(x[:, num_background:], x[:, :num_background])

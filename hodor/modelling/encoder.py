"""The encoder: features and soft masks -> descriptors (HODOR section 3.2)."""

import copy

import torch
from torch import nn

from hodor.modelling.descriptors import Descriptors, Embeddings
from hodor.modelling.position_encoding import sine_position_encoding
from hodor.modelling.soft_masked_attention import Masking, SoftMaskedAttention


def initial_descriptors(features: torch.Tensor, masks: torch.Tensor, *, fall_back_to_peak: bool) -> torch.Tensor:
    """Mean feature of the pixels with mask > 0.5, without gradient.

    Args:
        features: [B, P, C], P pixels in row order.
        masks: [B, N, P] in [0, 1].
        fall_back_to_peak: where no pixel is above 0.5, take the feature at the mask's first maximum; else zeros.

    Returns:
        [B, N, C].
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
        self,
        channels: int,
        num_heads: int,
        *,
        feed_forward_channels: int,
        dropout: float,
        pre_norm: bool,
        masking: Masking,
        interaction: bool,
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
            nn.Linear(channels, feed_forward_channels),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(feed_forward_channels, channels),
        )
        self.norm_feed_forward = nn.LayerNorm(channels)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: torch.Tensor, embedding: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, masks: torch.Tensor
    ) -> torch.Tensor:
        """Improves descriptors.

        Args:
            x: descriptors [B, N, C].
            embedding: learned embeddings [B, N, C], which tell objects from background cells.
            keys: [B, P, C].
            values: [B, P, C].
            masks: [B, N, P] in [0, 1].

        Returns:
            [B, N, C].
        """
        if self.interaction:
            y = self.norm_self_attention(x) if self.pre_norm else x
            change = self.self_attention(y + embedding, y + embedding, y, need_weights=False)[0]
            x = self._add(x, change, self.norm_self_attention)
        y = self.norm_masked_attention(x) if self.pre_norm else x
        x = self._add(x, self.masked_attention(y, keys, values, masks)[0], self.norm_masked_attention)
        y = self.norm_feed_forward(x) if self.pre_norm else x
        return self._add(x, self.feed_forward(y), self.norm_feed_forward)

    def _add(self, x: torch.Tensor, change: torch.Tensor, norm: nn.LayerNorm) -> torch.Tensor:
        x = x + self.dropout(change)
        return x if self.pre_norm else norm(x)


class Encoder(nn.Module):
    """Features at stride 8 and soft masks -> descriptors.

    Attributes:
        object_embedding: [C], shared by all objects.
        background_embedding: [Qb, C], one per background cell.
    """

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
        """Builds the layers, which start as copies of one.

        Args:
            channels: width C of features and descriptors.
            num_heads: attention heads.
            num_layers: depth.
            num_background: number of background descriptors Qb.
            dropout: share dropped in training.
            pre_norm: normalise the input of each branch instead of its sum with the branch.
            masking: how masks steer attention, see `SoftMaskedAttention`.
            interaction: whether descriptors attend to each other.
            position_encoding: whether attention keys know where their pixel is.
        """
        super().__init__()
        self.position_encoding = position_encoding
        self.object_embedding = nn.Parameter(torch.randn(channels))
        self.background_embedding = nn.Parameter(torch.randn(num_background, channels))
        layer = EncoderLayer(
            channels,
            num_heads,
            feed_forward_channels=4 * channels,
            dropout=dropout,
            pre_norm=pre_norm,
            masking=masking,
            interaction=interaction,
        )
        self.layers = nn.ModuleList(copy.deepcopy(layer) for _ in range(num_layers))
        self.norm = nn.LayerNorm(channels) if pre_norm else nn.Identity()

    @property
    def embeddings(self) -> Embeddings:
        """Both, as the decoder takes them."""
        return Embeddings(self.object_embedding, self.background_embedding)

    def forward(self, features: torch.Tensor, object_masks: torch.Tensor, background_masks: torch.Tensor) -> Descriptors:
        """Describes.

        Args:
            features: [B, C, H/8, W/8].
            object_masks: [B, I, H/8, W/8] in [0, 1].
            background_masks: [B, Qb, H/8, W/8] in [0, 1].
        """
        batch, channels, height, width = features.shape
        num_background = background_masks.shape[1]
        values = features.flatten(2).transpose(1, 2)
        keys = values
        if self.position_encoding:
            keys = values + sine_position_encoding(height, width, channels, values.device, values.dtype)
        object_masks, background_masks = object_masks.flatten(2), background_masks.flatten(2)
        masks = torch.cat([background_masks, object_masks], dim=1)
        x = torch.cat(
            [
                initial_descriptors(values, background_masks, fall_back_to_peak=False),
                initial_descriptors(values, object_masks, fall_back_to_peak=True),
            ],
            dim=1,
        )
        embedding = torch.cat(
            [self.background_embedding, self.object_embedding.expand(object_masks.shape[1], -1)], dim=0
        ).expand(batch, -1, -1)
        for layer in self.layers:
            x = layer(x, embedding, keys, values, masks)
        x = self.norm(x)
        return Descriptors(x[:, num_background:], x[:, :num_background])

"""How the decoder's pixels look at the descriptors of other frames (HODOR section 3.3)."""

from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from hodor.modelling.kernels.linear import Linear


class DescribedFrames(NamedTuple):
    """Descriptors of T frames, with the learned embeddings that tell their kinds apart.

    Attributes:
        objects: [B, I, T, C].
        background: [B, Qb, T, C].
        object_embedding: [C].
        background_embedding: [Qb, C].
        objects_absent: [B, I, T] bool, True = not known in that frame; None = all are known.
        background_absent: [B, Qb, T] bool, likewise.
    """

    objects: torch.Tensor
    background: torch.Tensor
    object_embedding: torch.Tensor
    background_embedding: torch.Tensor
    objects_absent: torch.Tensor | None = None
    background_absent: torch.Tensor | None = None

    def absent(self) -> torch.Tensor | None:
        """[B, I * T + Qb * T] bool in the order objects, background; None where everything is known."""
        if self.objects_absent is None and self.background_absent is None:
            return None
        parts = [
            torch.zeros_like(known[..., 0], dtype=torch.bool) if absent is None else absent
            for known, absent in ((self.objects, self.objects_absent), (self.background, self.background_absent))
        ]
        return torch.cat([part.flatten(1) for part in parts], dim=1)


class DescriptorAttention(nn.Module):
    """Multi-head attention from pixels to descriptors, with own projections for objects and background and none after it."""

    def __init__(self, channels: int, num_heads: int, *, dropout: float, logit_dropout: bool) -> None:
        super().__init__()
        if channels % num_heads:
            raise ValueError(f"{num_heads} heads don't divide {channels} channels")
        self.num_heads = num_heads
        self.logit_dropout = logit_dropout
        self.query_projection = Linear(channels, channels)
        self.object_key_projection = nn.Linear(channels, channels)
        self.object_value_projection = nn.Linear(channels, channels)
        self.background_key_projection = nn.Linear(channels, channels)
        self.background_value_projection = nn.Linear(channels, channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, query: torch.Tensor, memory: DescribedFrames) -> torch.Tensor:
        """Pixels [B, P, C] -> [B, P, C], weighted sums of projected descriptors."""
        object_keys = memory.objects + memory.object_embedding
        background_keys = memory.background + memory.background_embedding[:, None]
        keys = _sequence(self.object_key_projection(object_keys), self.background_key_projection(background_keys))
        values = _sequence(self.object_value_projection(memory.objects), self.background_value_projection(memory.background))
        q, k, v = (self._split_heads(x) for x in (self.query_projection(query), keys, values))
        absent = memory.absent()
        if self.training:  # also without dropout: the backward pass of fused attention is slow on CPUs for so few keys
            result = self._attend_in_training(q, k, v, absent)
        else:
            mask = None if absent is None else ~absent[:, None, None]
            result = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return result.transpose(1, 2).flatten(2)

    def _attend_in_training(
        self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, absent: torch.Tensor | None
    ) -> torch.Tensor:
        """[B, heads, P, d], twice [B, heads, N, d], [B, N] -> [B, heads, P, d]."""
        logits = (q * q.shape[-1] ** -0.5) @ k.transpose(2, 3)
        if self.logit_dropout:
            logits = self.dropout(logits)
        if absent is not None:
            logits = logits.masked_fill(absent[:, None, None], float("-inf"))
        weights = logits.softmax(dim=3)
        if not self.logit_dropout:
            weights = self.dropout(weights)
        return weights @ v

    def _split_heads(self, x: torch.Tensor) -> torch.Tensor:
        """[B, N, C] -> [B, heads, N, C / heads]."""
        return x.unflatten(2, (self.num_heads, -1)).transpose(1, 2)


def _sequence(objects: torch.Tensor, background: torch.Tensor) -> torch.Tensor:
    """[B, I, T, C] and [B, Qb, T, C] -> [B, I * T + Qb * T, C]."""
    return torch.cat([objects.flatten(1, 2), background.flatten(1, 2)], dim=1)

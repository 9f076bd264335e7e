"""Differentiable soft-masked attention (Athar et al. 2022, arXiv 2206.00182; HODOR section 3.2)."""

from typing import Literal, get_args

import torch
from torch import nn

from hodor.modelling.kernels.linear import Linear
from hodor.modelling.kernels.projected_attention import projected_logits, projected_sums, split_heads

Masking = Literal["none", "hard", "soft_fixed", "soft_learnable"]


def initial_alpha(num_heads: int) -> torch.Tensor:
    """Strength of the mask in each head [num_heads]: 32 in the first quarter of the heads, then 16, 8 and 4."""
    return torch.tensor([32.0 / 2 ** (4 * head // num_heads) for head in range(num_heads)])


class SoftMaskedAttention(nn.Module):
    """Multi-head attention whose every query looks through a mask of its own, with values between 0 and 1.

    Per head h: softmax(Q K^T / sqrt(d) - alpha_h (1 - M)) V. Where M is 1 the attention is left alone, where it is 0 it is held
    back by alpha_h. Gradients flow into M, so whatever predicted the masks can learn from the result. The call reads like that
    of `torch.nn.MultiheadAttention(batch_first=True)` with a `mask`.
    """

    spares_projections = True
    """Whether few queries are projected instead of the keys and values of all pixels, which gives the same."""

    def __init__(self, embed_dim: int, num_heads: int, *, dropout: float = 0.0, masking: Masking = "soft_learnable") -> None:
        """Builds the projections.

        Args:
            embed_dim: channels C of queries, keys, values and output; a multiple of `num_heads`.
            num_heads: number of heads.
            dropout: share of attention weights dropped in training.
            masking: "soft_learnable" (alpha is learned), "soft_fixed" (alpha stays as initialised), "hard" (pixels with
                M <= 0.5 are invisible; a row without any other is left unmasked) or "none" (M is ignored).

        Raises:
            ValueError: `num_heads` doesn't divide `embed_dim`, or `masking` is none of these.
        """
        super().__init__()
        if embed_dim % num_heads:
            raise ValueError(f"{num_heads} heads don't divide {embed_dim} channels")
        if masking not in get_args(Masking):
            raise ValueError(f"masking must be one of {', '.join(get_args(Masking))}, not {masking!r}")
        self.num_heads = num_heads
        self.masking = masking
        self.query_projection = nn.Linear(embed_dim, embed_dim)
        self.key_projection = Linear(embed_dim, embed_dim)
        self.value_projection = Linear(embed_dim, embed_dim)
        self.output_projection = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout)
        if masking == "soft_learnable":
            self.alpha = nn.Parameter(initial_alpha(num_heads))
        elif masking == "soft_fixed":
            self.register_buffer("alpha", initial_alpha(num_heads))

    def forward(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        mask: torch.Tensor | None = None,
        *,
        key_padding_mask: torch.Tensor | None = None,
        need_weights: bool = False,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Attends.

        Args:
            query: [B, Q, C].
            key: [B, P, C], P pixels.
            value: [B, P, C].
            mask: [B, Q, P] in [0, 1]; None = every query sees everything.
            key_padding_mask: [B, P] bool, True = this key doesn't exist. At least one per sample must.
            need_weights: also return the attention weights.

        Returns:
            The result [B, Q, C], and the weights after softmax [B, heads, Q, P] or None.

        Raises:
            ValueError: the mask has another shape.
        """
        q = split_heads(self.query_projection(query), self.num_heads)
        few = self.spares_projections and 0 < self.num_heads * q.shape[2] < key.shape[2]
        logits = projected_logits(q * q.shape[-1] ** -0.5, key, self.key_projection, few=few)
        if mask is not None:
            wanted = (query.shape[0], query.shape[1], key.shape[1])
            if mask.shape != wanted:
                raise ValueError(f"the mask must be {list(wanted)}, not {list(mask.shape)}")
            logits = self._apply_mask(logits, mask)
        if key_padding_mask is not None:
            logits = logits.masked_fill(key_padding_mask[:, None, None], float("-inf"))
        weights = logits.softmax(dim=3)
        attended = projected_sums(self.dropout(weights), value, self.value_projection, few=few)
        return self.output_projection(attended.transpose(1, 2).flatten(2)), weights if need_weights else None

    def _apply_mask(self, logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Holds the logits [B, heads, Q, P] back where `mask` [B, Q, P] says so."""
        if self.masking == "none":
            return logits
        if self.masking == "hard":
            visible = mask > 0.5
            visible = visible | ~visible.any(dim=2, keepdim=True)
            return logits.masked_fill(~visible[:, None], float("-inf"))
        return logits - self.alpha.view(1, -1, 1, 1).to(logits.dtype) * (1 - mask.to(logits.dtype))[:, None]

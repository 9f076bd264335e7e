"""The two products of attention whose keys and values are projections; for few queries the projections needn't be computed.

With heads * Q < C it is cheaper to project the queries and the sums than all P pixels: 7 of 267 GFLOP less, half of the
encoder's time.
"""

import torch
from torch import nn


def projected_logits(q: torch.Tensor, key: torch.Tensor, projection: nn.Linear, *, few: bool) -> torch.Tensor:
    """Queries [B, heads, Q, C / heads] times projected keys [B, P, C]: [B, heads, Q, P].

    Of few queries q (W key + b) = (q W) key + q b.
    """
    if not few:
        return q @ split_heads(projection(key), q.shape[1]).transpose(2, 3)
    weight, bias = _of_heads(projection, q.shape[1])
    projected = (q @ weight).flatten(1, 2) @ key.transpose(1, 2)
    return projected.view(*q.shape[:3], -1) + q @ bias[..., None]


def projected_sums(weights: torch.Tensor, value: torch.Tensor, projection: nn.Linear, *, few: bool) -> torch.Tensor:
    """Sums of projected values [B, P, C] with weights [B, heads, Q, P]: [B, heads, Q, C / heads]; `few` likewise."""
    if not few:
        return weights @ split_heads(projection(value), weights.shape[1])
    matrix, bias = _of_heads(projection, weights.shape[1])
    sums = (weights.flatten(1, 2) @ value).view(*weights.shape[:3], -1)
    return sums @ matrix.transpose(1, 2) + weights.sum(dim=3, keepdim=True) * bias[:, None]


def split_heads(x: torch.Tensor, num_heads: int) -> torch.Tensor:
    """[B, N, C] -> [B, heads, N, C / heads]."""
    return x.unflatten(2, (num_heads, -1)).transpose(1, 2)


def _of_heads(projection: nn.Linear, num_heads: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights [heads, C / heads, C] and biases [heads, C / heads] of a projection."""
    return projection.weight.unflatten(0, (num_heads, -1)), projection.bias.unflatten(0, (num_heads, -1))

"""What predictions are compared with, and which objects of a batch can be learned from."""

import torch

from hodor.modelling.soft_masks import shrink


def object_masks(labels: torch.Tensor, num_objects: int) -> torch.Tensor:
    """Labels [B, H, W] with ids 0..I -> masks [B, I, H, W] bool."""
    return labels[:, None] == torch.arange(1, num_objects + 1, device=labels.device)[:, None, None]


def true_labels(labels: torch.Tensor, trackable: torch.Tensor) -> torch.Tensor:
    """The truth of a prediction: objects that it could not know of become background.

    Args:
        labels: of the target frame, [B, H, W] with ids 0..I.
        trackable: [B, I] bool.

    Returns:
        [B, H, W] int64.
    """
    known = torch.cat([torch.ones_like(trackable[:, :1]), trackable], dim=1)
    labels = labels.long()
    kept = known.gather(1, labels.flatten(1)).view_as(labels)
    return labels * kept


def learnable_objects(reference_masks: torch.Tensor) -> torch.Tensor:
    """Which objects keep a value above 0.5 at stride 8 in every sample: [B, I, H, W] of 0 and 1 -> [I] bool."""
    return (shrink(reference_masks.float()) > 0.5).flatten(2).any(dim=2).all(dim=0)


def keep_objects(labels: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
    """Labels [..., H, W] with ids 0..I -> the same with kept objects renumbered 1, 2, ... and others as background.

    Args:
        labels: of any integer type.
        kept: [I] bool.
    """
    table = torch.cat([kept.new_zeros(1, dtype=torch.long), kept.long().cumsum(0) * kept.long()])
    return table[labels.long()].to(labels.dtype)

"""What the network knows of objects and background, whatever the frames' size: descriptors of one frame and of several."""

from collections.abc import Sequence
from typing import NamedTuple

import torch


class Descriptors(NamedTuple):
    """What is known of the objects and the background of one frame.

    Attributes:
        objects: [B, I, C].
        background: [B, Qb, C], one per cell of the background grid.
    """

    objects: torch.Tensor
    background: torch.Tensor


class Embeddings(NamedTuple):
    """The learned vectors that tell the kinds of descriptors apart.

    Attributes:
        object: [C], shared by all objects.
        background: [Qb, C], one per background cell.
    """

    object: torch.Tensor
    background: torch.Tensor


class DescribedFrames(NamedTuple):
    """Descriptors of T frames: the memory that another frame is segmented with.

    Attributes:
        objects: [B, I, T, C].
        background: [B, Qb, T, C].
        objects_absent: [B, I, T] bool, True = not known in that frame; None = all are known. Every object must be known in one.
        background_absent: [B, Qb, T] bool, likewise.
    """

    objects: torch.Tensor
    background: torch.Tensor
    objects_absent: torch.Tensor | None = None
    background_absent: torch.Tensor | None = None

    @classmethod
    def of(cls, frames: Sequence[Descriptors]) -> "DescribedFrames":
        """Frames in each of which everything is known."""
        return cls(
            torch.stack([frame.objects for frame in frames], dim=2), torch.stack([frame.background for frame in frames], dim=2)
        )

    def absent(self) -> torch.Tensor | None:
        """[B, I * T + Qb * T] bool in the order objects, background; None where everything is known."""
        if self.objects_absent is None and self.background_absent is None:
            return None
        parts = [
            torch.zeros_like(known[..., 0], dtype=torch.bool) if absent is None else absent
            for known, absent in ((self.objects, self.objects_absent), (self.background, self.background_absent))
        ]
        return torch.cat([part.flatten(1) for part in parts], dim=1)

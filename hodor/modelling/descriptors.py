"""What the network knows of objects and background, whatever the frames' size: descriptors of one frame and of several."""

from collections.abc import Sequence
from typing import NamedTuple

import torch


class Descriptors(NamedTuple):
    """What is known of one frame: of objects [B, I, C], and of the background [B, Qb, C] one per cell of its grid."""

    objects: torch.Tensor
    background: torch.Tensor


class Embeddings(NamedTuple):
    """The learned vectors that tell descriptors apart: [C], shared by all objects, and [Qb, C], one per background cell."""

    object: torch.Tensor
    background: torch.Tensor


class DescribedFrames(NamedTuple):
    """Descriptors of T frames: the memory that another frame is segmented with, [B, I, T, C] and [B, Qb, T, C].

    Flags [B, I, T] and [B, Qb, T] bool tell which are not known in a frame; None = all are known. Each must be known in one.
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

"""Samples put together as a batch."""

from collections.abc import Sequence
from typing import NamedTuple

import torch

from hodor.data.samples.sample import TrainingSample

STRIDE = 32


class TrainingBatch(NamedTuple):
    """B clips of F frames with I objects; H and W are multiples of 32.

    Attributes:
        images: `[B, F, 3, H, W]` float32, R, G, B, 0..255, not normalised.
        valid: `[B, F, H, W]` bool, False where a pixel is padding or comes from outside the image (the image is 0 there).
        labels: `[B, F, H, W]` uint8, objects 1..I; 0 for the background, and where a pixel is not valid.
        presence: `[B, F, I]` bool, which object is to be seen in which frame.
        names: B names, for messages.
    """

    images: torch.Tensor
    valid: torch.Tensor
    labels: torch.Tensor
    presence: torch.Tensor
    names: tuple[str, ...]

    def pin_memory(self) -> "TrainingBatch":
        """The batch in page-locked memory, from which copies to a GPU don't wait."""
        images, valid, labels, presence = (part.pin_memory() for part in self[:4])
        return TrainingBatch(images, valid, labels, presence, self.names)

    def to(self, device: torch.device) -> "TrainingBatch":
        """The batch on a device; copies from pinned memory run behind."""
        images, valid, labels, presence = (part.to(device, non_blocking=True) for part in self[:4])
        return TrainingBatch(images, valid, labels, presence, self.names)


def collate(samples: Sequence[TrainingSample]) -> TrainingBatch:
    """Stacks samples, padded at the right and at the bottom to the largest of them in multiples of 32.

    Where objects that others cover made samples lose some, all samples keep as many as the poorest has.
    """
    height, width = (-(-max(sample.labels.shape[axis] for sample in samples) // STRIDE) * STRIDE for axis in (-2, -1))
    num_objects = min(sample.presence.shape[1] for sample in samples)
    images, valid, labels = (
        torch.stack([_padded(tensor, height, width) for tensor in tensors])
        for tensors in zip(*(sample[:3] for sample in samples), strict=True)
    )
    labels[labels > num_objects] = 0
    presence = torch.stack([sample.presence[:, :num_objects] for sample in samples])
    return TrainingBatch(images, valid, labels, presence, tuple(sample.name for sample in samples))


def _padded(tensor: torch.Tensor, height: int, width: int) -> torch.Tensor:
    padding = (0, width - tensor.shape[-1], 0, height - tensor.shape[-2])
    return torch.nn.functional.pad(tensor, padding)

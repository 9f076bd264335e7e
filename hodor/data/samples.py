"""Training samples, short clips with labels: what they are, how they are asked for, how they are finished, data sets joined."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch

from hodor.data.augmentation.geometry import Frame, finish


class SampleRequest(NamedTuple):
    """Names one sample; equal requests give equal samples.

    Attributes:
        item: which of the data set's items.
        num_objects: how many of its objects to take, at most as many as it has.
        seed: of every choice in the sample.
    """

    item: int
    num_objects: int
    seed: int


class TrainingSample(NamedTuple):
    """A clip; F = 1 + other frames, the reference is frame 0.

    Attributes:
        images: `[F, 3, H, W]` float32, R, G, B, 0..255, not normalised.
        valid: `[F, H, W]` bool, False where the pixel comes from outside the image (the image is 0 there).
        labels: `[F, H, W]` uint8, objects 1..I; 0 for the background, and where a pixel is not valid.
        presence: `[F, I]` bool, which object is to be seen in which frame.
        name: the image, or sequence and frames, for messages.
    """

    images: torch.Tensor
    valid: torch.Tensor
    labels: torch.Tensor
    presence: torch.Tensor
    name: str


class TrainingSamples(Protocol):
    """A data set of samples.

    Attributes:
        num_objects: `[N]` int64, how many objects each item has, at least 1.
        aspect_ratios: `[N]` float64, height / width of each item's frames.
    """

    num_objects: np.ndarray
    aspect_ratios: np.ndarray

    def __len__(self) -> int: ...

    def __getitem__(self, request: SampleRequest) -> TrainingSample: ...


class JoinedSamples:
    """Data sets one after the other.

    Attributes:
        starts: `[D + 1]` int64; data set d has the items starts[d] .. starts[d + 1] - 1.
        num_objects: `[N]` int64, of all items.
        aspect_ratios: `[N]` float64, of all items.
    """

    def __init__(self, parts: Sequence[TrainingSamples]) -> None:
        """
        Args:
            parts: at least one data set.
        """
        self._parts = list(parts)
        self.starts = np.cumsum([0, *(len(part) for part in parts)])
        self.num_objects = np.concatenate([part.num_objects for part in parts])
        self.aspect_ratios = np.concatenate([part.aspect_ratios for part in parts])

    def __len__(self) -> int:
        return int(self.starts[-1])

    def __getitem__(self, request: SampleRequest) -> TrainingSample:
        """Makes the sample of a request.

        Raises:
            HodorError: its files are missing or broken.
        """
        part = int(np.searchsorted(self.starts, request.item, side="right")) - 1
        return self._parts[part][request._replace(item=request.item - int(self.starts[part]))]


def finish_sample(
    frames: Sequence[Frame], size: tuple[int, int], num_objects: int, name: str, *, only_reference: bool = False
) -> TrainingSample:
    """Brings a clip to its size and looks which object is to be seen where.

    An object that has no pixel left in the reference frame leaves the sample, and the ids behind it move up; the first object
    stays in any case, so that there is one.

    Args:
        frames: the clip, with labels 0..num_objects.
        size: (height, width).
        num_objects: 1..255.
        name: for messages.
        only_reference: the other frames' masks are not known: labels 0 there, and every object counts as present everywhere.
    """
    finished = [finish(frame, size) for frame in frames]
    labels = np.stack([frame.labels for frame in finished])
    if only_reference:
        labels[1:] = 0
    counts = [np.bincount(frame.ravel(), minlength=num_objects + 1)[1:] for frame in labels]
    kept = counts[0] > 0
    kept[0] |= not kept.any()
    if not kept.all():
        labels = np.concatenate([[0], np.cumsum(kept) * kept]).astype(np.uint8)[labels]
    presence = np.stack(counts)[:, kept] > 0
    return TrainingSample(
        torch.from_numpy(np.stack([frame.image for frame in finished])),
        torch.from_numpy(np.stack([frame.valid for frame in finished])),
        torch.from_numpy(labels),
        torch.from_numpy(presence | only_reference),
        name,
    )

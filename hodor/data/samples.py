"""Training samples, short clips with labels: how they are asked for, how frames are read and finished, data sets joined."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import torch

from hodor.data.geometry import Frame, finish
from hodor.errors import HodorError
from hodor.formats.label_maps import present_ids
from hodor.formats.mask_table import MaskTable
from hodor.media.images import read_image

_CHOICES = 5  # draws of objects that might all be seen


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
    """Data sets, at least one, one after the other; attributes as in `TrainingSamples`, and

    Attributes:
        starts: `[D + 1]` int64; data set d has the items starts[d] .. starts[d + 1] - 1.
    """

    def __init__(self, parts: Sequence[TrainingSamples]) -> None:
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


def read_frame(path: Path, height: int, width: int, where: str) -> np.ndarray:
    """Reads an image as `[height, width, 3]` (uint8, R, G, B), whose size in pixels the JSON knows.

    Raises:
        HodorError: the file is missing, broken, or has another size; `where` names the place in the JSON.
    """
    try:
        image = read_image(path)
    except HodorError as error:
        raise HodorError(f"{error} ({where} needs it)") from None
    if image.shape[:2] != (height, width):
        raise HodorError(
            f"{path}: has {image.shape[1]}x{image.shape[0]} pixels, but {where} says {width}x{height}; "
            "convert the data set again"
        )
    return image


class Scene:
    """The objects of one image or frame, whose masks are decoded when they are needed."""

    def __init__(self, masks: MaskTable, height: int, width: int, where: str) -> None:
        self._masks = masks
        self._size = (height, width)
        self._where = where
        self._decoded: dict[int, np.ndarray] = {}

    def choose(self, rows: np.ndarray, count: int, random: np.random.Generator) -> tuple[list[int], np.ndarray]:
        """Draws `count` of some rows of the table whose objects can all be seen; where masks overlap the later one is on top.

        Where a few draws don't give such objects, smaller ones lie on top, and those still covered are left out.

        Returns:
            The chosen rows, ascending, at least one; labels `[H, W]` uint8, where the i-th of them is i + 1.

        Raises:
            HodorError: a mask is broken, or all are empty.
        """
        for _ in range(_CHOICES if count < len(rows) else 1):
            chosen = sorted(random.choice(rows, count, replace=False).tolist())
            ids = {row: index + 1 for index, row in enumerate(chosen)}
            labels = self.paint(ids)
            if len(present_ids(labels)) == count:
                return chosen, labels
        by_area = sorted(chosen, key=lambda row: -np.count_nonzero(self._mask(row)))
        labels = self.paint({row: ids[row] for row in by_area})
        present = present_ids(labels)
        if not present:
            raise HodorError(f"{self._where}: its masks are empty; convert the data set again")
        new_ids = np.zeros(count + 1, dtype=np.uint8)
        new_ids[present] = range(1, len(present) + 1)
        return [chosen[object_id - 1] for object_id in present], new_ids[labels]

    def paint(self, object_ids: dict[int, int]) -> np.ndarray:
        """Labels `[H, W]` uint8 of some masks, {row of the table: id}; later ones lie on top."""
        labels = np.zeros(self._size, dtype=np.uint8)
        for row, object_id in object_ids.items():
            labels[self._mask(row)] = object_id
        return labels

    def _mask(self, row: int) -> np.ndarray:
        if row not in self._decoded:
            self._decoded[row] = self._masks.decode(row, *self._size, self._where)
        return self._decoded[row]


def finish_sample(
    frames: Sequence[Frame], size: tuple[int, int], num_objects: int, name: str, *, only_reference: bool = False
) -> TrainingSample:
    """Brings a clip with labels 0..num_objects to its size (height, width) and looks which object is to be seen where.

    An object that has no pixel left in the reference frame leaves the sample, and the ids behind it move up; the first object
    stays in any case, so that there is one. With `only_reference` the other frames' masks are not known: labels are 0 there,
    and every object counts as present everywhere.
    """
    images, valid, labels = (np.stack(parts) for parts in zip(*(finish(frame, size) for frame in frames), strict=True))
    if only_reference:
        labels[1:] = 0
    counts = [np.bincount(frame.ravel(), minlength=num_objects + 1)[1:] for frame in labels]
    kept = counts[0] > 0
    kept[0] |= not kept.any()
    if not kept.all():
        labels = np.concatenate([[0], np.cumsum(kept) * kept]).astype(np.uint8)[labels]
    presence = (np.stack(counts)[:, kept] > 0) | only_reference
    return TrainingSample(
        torch.from_numpy(images), torch.from_numpy(valid), torch.from_numpy(labels), torch.from_numpy(presence), name
    )

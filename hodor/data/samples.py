"""Training samples, short clips with labels: how they are asked for, how frames and masks are read, how clips are finished."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np
import torch

from hodor.data.geometry import Frame, Shape, finish
from hodor.errors import HodorError
from hodor.formats.label_maps import present_ids
from hodor.formats.training_json import AnnotatedSequences
from hodor.media.images import read_image

_CHOICES = 5  # draws of objects that might all be seen


class SampleRequest(NamedTuple):
    """Names one sample; equal requests give equal samples."""

    item: int  # which of the data set's
    num_objects: int  # how many of the item's objects to take, at most as many as it has
    seed: int  # of every choice in the sample
    part: int = 0  # which of the data sets


class TrainingBatch(NamedTuple):
    """B clips of F frames with I objects; H and W are multiples of 32."""

    images: torch.Tensor  # [B, F, 3, H, W] float32, R, G, B, 0..255, not normalised
    valid: torch.Tensor  # [B, F, H, W] bool, False where a pixel is padding or from outside the image (which is 0 there)
    labels: torch.Tensor  # [B, F, H, W] uint8, objects 1..I; 0 for the background, and where a pixel is not valid
    presence: torch.Tensor  # [B, F, I] bool, which object is to be seen in which frame
    names: list[str]  # B names, for messages

    def to(self, device: torch.device) -> "TrainingBatch":
        """The batch on a device; copies from pinned memory run behind."""
        images, valid, labels, presence = (part.to(device, non_blocking=True) for part in self[:4])
        return TrainingBatch(images, valid, labels, presence, self.names)


TrainingSample: TypeAlias = TrainingBatch
"""One clip: the dimension B is missing, sides are any, and the one name is that of the image, or of sequence and frames."""


class TrainingSamples(Protocol):
    """A data set of samples."""

    num_objects: np.ndarray  # [N] int64, how many objects each item has, at least 1
    aspect_ratios: np.ndarray  # [N] float64, height / width of each item's frames

    def __getitem__(self, request: SampleRequest) -> TrainingSample:
        """Makes the sample of a request; it has fewer objects only where others cover them completely, or leave no place.

        Raises:
            HodorError: an image or a mask is missing or broken, or their sizes differ.
        """


class Scene:
    """An image or a frame of a video and the objects in it, whose pixels and masks are read when they are needed."""

    def __init__(self, data: AnnotatedSequences, sequence: int, frame: int, usable: np.ndarray | None = None) -> None:
        """Takes those objects of a frame (numbered through all sequences) that are `usable`, `[M]` bool; None = all."""
        rows = data.masks.rows(frame)
        rows = rows if usable is None else rows[usable[rows]]
        row_of = dict(zip(data.masks.object_ids[rows].tolist(), rows.tolist(), strict=True))
        self._ids = list(row_of)
        self._path = data.folder / data.paths[frame]
        self._where = where = data.where(sequence, frame)
        self.shape = shape = int(data.heights[sequence]), int(data.widths[sequence])
        self._mask = cache(lambda object_id: data.masks.decode(row_of[object_id], *shape, where))

    def image(self) -> np.ndarray:
        """The image, `[H, W, 3]` uint8, R, G, B."""
        try:
            image = read_image(self._path)
        except HodorError as error:
            raise HodorError(f"{error} ({self._where} needs it)") from None
        if image.shape[:2] != self.shape:
            sizes = "{1}x{0} pixels, but {where} says {3}x{2}".format(*image.shape[:2], *self.shape, where=self._where)
            raise HodorError(f"{self._path}: has {sizes}; convert the data set again")
        return image

    def choose(self, count: int, random: np.random.Generator) -> tuple[dict[int, int], np.ndarray]:
        """Draws `count` objects that can all be seen: {object: id}, ascending, the ids from 1 on; and labels `[H, W]` uint8.

        Where masks overlap the later one is on top. Where a few draws don't give such objects, smaller ones lie on top, and
        those still covered are left out; at least one is there.
        """
        for _ in range(_CHOICES if count < len(self._ids) else 1):
            drawn = sorted(random.choice(self._ids, count, replace=False).tolist())
            chosen = {each: new_id for new_id, each in enumerate(drawn, start=1)}
            labels = self.paint(chosen)
            if len(present_ids(labels)) == count:
                return chosen, labels
        by_area = sorted(chosen, key=lambda each: -np.count_nonzero(self._mask(each)))
        present = present_ids(self.paint({each: chosen[each] for each in by_area}))
        if not present:
            raise HodorError(f"{self._where}: its masks are empty; convert the data set again")
        seen = {drawn[new_id - 1]: index for index, new_id in enumerate(present, start=1)}
        return seen, self.paint({each: seen[each] for each in by_area if each in seen})

    def paint(self, new_ids: Mapping[int, int]) -> np.ndarray:
        """Labels `[H, W]` uint8 of those of some objects that are here, {object: id}; later ones lie on top."""
        labels = np.zeros(self.shape, dtype=np.uint8)
        for object_id, new_id in new_ids.items():
            if object_id in self._ids:
                labels[self._mask(object_id)] = new_id
        return labels


def finish_sample(frames: Sequence[Frame], shape: Shape, name: str, *, only_reference: bool) -> TrainingSample:
    """Brings a clip to its shape (height, width) and looks which object is to be seen where.

    An object that has no pixel left in the reference frame leaves the sample, and the ids behind it move up; the first object
    stays in any case, so that there is one. With `only_reference` the other frames' masks are not known: labels are 0 there,
    and every object counts as present everywhere.
    """
    images, valid, labels = (np.stack(parts) for parts in zip(*(finish(frame, shape) for frame in frames), strict=True))
    if only_reference:
        labels[1:] = 0
    most = max(int(labels.max()), 1)
    counts = np.stack([np.bincount(frame.ravel(), minlength=most + 1)[1:] for frame in labels])
    kept = counts[0] > 0
    kept[0] |= not kept.any()
    if not kept.all():
        labels = np.concatenate([[0], np.cumsum(kept) * kept]).astype(np.uint8)[labels]
    presence = torch.from_numpy((counts[:, kept] > 0) | only_reference)
    return TrainingSample(torch.from_numpy(images), torch.from_numpy(valid), torch.from_numpy(labels), presence, [name])

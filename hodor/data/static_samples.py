"""Clips made of photographs."""

import numpy as np

from hodor.config import TrainingConfig
from hodor.data.appearance import change_colours, degrade, draw_colour_change
from hodor.data.clips import cut_out, paste, static_clip
from hodor.data.geometry import Frame, area_size
from hodor.data.samples import SampleRequest, Scene, TrainingSample, finish_sample, read_frame
from hodor.errors import HodorError
from hodor.formats.training_json import AnnotatedSequences


class StaticImageSamples:
    """Every image with a large enough object is an item; a sample is a clip made of it.

    Attributes:
        num_objects: `[N]` int64, large enough objects of each item, and those that may be pasted in.
        aspect_ratios: `[N]` float64, height / width of each item.
    """

    def __init__(self, images: AnnotatedSequences, training: TrainingConfig, area: int) -> None:
        """Clips of these images, brought to `area` pixels.

        Raises:
            HodorError: no object is large enough.
        """
        self._images = images
        self._training = training
        self._area = area
        self._strengths = training.augmentations.static
        min_area, min_side = training.min_ref_mask_area, training.min_ref_mask_dim
        self._usable = images.masks.larger_than(min_area, min_side)
        counts = images.masks.count(self._usable)
        self._items = np.flatnonzero(counts)
        self._num_own = counts[self._items]
        self.num_objects = self._num_own + self._strengths.pasted_objects
        self.aspect_ratios = (images.heights / images.widths)[self._items]
        if not len(self._items):
            raise HodorError(
                f"{images.source}: none of its {len(images)} images has an object of more than {min_area:g} pixels and "
                f"{min_side:g} wide and high; lower TRAINING.MIN_REF_MASK_AREA and TRAINING.MIN_REF_MASK_DIM"
            )

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, request: SampleRequest) -> TrainingSample:
        """Makes the sample of a request; it has fewer objects only where others cover them completely, or leave no place.

        Raises:
            HodorError: the image or a mask is missing or broken, or their sizes differ.
        """
        index = int(self._items[request.item])
        random = np.random.default_rng(request.seed)
        pasted = self._strengths.pasted_objects
        own = min(request.num_objects, int(self._num_own[request.item]))
        if pasted:
            own = int(random.integers(max(request.num_objects - pasted, 1), own + 1))
        frame, count = self._scene(index, own, random)
        training = self._training
        copies, min_area, cropping = training.num_other_frames, training.min_ref_mask_area, training.augmentations.cropping
        frames = static_clip(frame, copies, self._strengths, min_area, random, cropping=cropping)
        if pasted:
            frames, count = self._paste(frames, count, request.num_objects - own, random)
        frames = [degrade(each, self._strengths, random) for each in frames]
        size = area_size(frame.labels.shape[0], frame.labels.shape[1], self._area)
        name = str(self._images.folder / self._images.paths[index])
        return finish_sample(frames, size, count, name, only_reference=not training.intermediate_frame_gt_available)

    def _scene(self, index: int, count: int, random: np.random.Generator) -> tuple[Frame, int]:
        """An image with `count` of its objects, fewer where others cover them completely; and how many they are."""
        height, width = int(self._images.heights[index]), int(self._images.widths[index])
        where = self._images.where(index)
        image = read_frame(self._images.folder / self._images.paths[index], height, width, where)
        if self._training.augmentations.color:
            image = change_colours(image, draw_colour_change(self._strengths, random))
        rows = self._images.masks.rows(index)
        scene = Scene(self._images.masks, height, width, where)
        chosen, labels = scene.choose(rows[self._usable[rows]], count, random)
        return Frame(image, labels), len(chosen)

    def _paste(self, frames: list[Frame], count: int, wanted: int, random: np.random.Generator) -> tuple[list[Frame], int]:
        """A clip of `count` objects with `wanted` pasted ones, and some that only get in the way; and how many it has then."""
        in_the_way = int(random.integers(self._strengths.pasted_objects - wanted + 1))
        for is_object in random.permutation([True] * wanted + [False] * in_the_way):
            label = count + 1 if is_object else 0
            other, _ = self._scene(int(random.choice(self._items)), 1, random)
            pasted = paste(frames, cut_out(other.image, other.labels > 0), label, self._strengths, random)
            if pasted is not None:
                frames, count = pasted, max(count, label)
        return frames, count

"""Clips made of photographs: a reference frame and copies that moved."""

import numpy as np

from hodor.config import TrainingConfig
from hodor.config.schema import StaticStrengths
from hodor.data.appearance import degrade, draw_colour_change
from hodor.data.geometry import Frame, draw_affine, draw_perspective, draw_reference_window, draw_window, enlarge, flip, warp
from hodor.data.pasting import paste
from hodor.data.samples import SampleRequest, Scene, TrainingSample, finish_sample
from hodor.errors import HodorError
from hodor.formats.training_json import AnnotatedSequences


class StaticImageSamples:
    """`TrainingSamples` of photographs: every one with a large enough object is an item, a sample is a clip made of it.

    An item's objects are its own, and those that may be pasted in.
    """

    def __init__(self, images: AnnotatedSequences, training: TrainingConfig, area: int) -> None:
        """Clips of these images, brought to `area` pixels. Raises HodorError where no object is large enough."""
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

    def __getitem__(self, request: SampleRequest) -> TrainingSample:
        index = int(self._items[request.item])
        random = np.random.default_rng(request.seed)
        own = min(request.num_objects, int(self._num_own[request.item]))
        own = int(random.integers(max(request.num_objects - self._strengths.pasted_objects, 1), own + 1))
        photograph = self._photograph(index, own, random)
        frames = static_clip(photograph, self._training, random)
        count, wanted = int(photograph.labels.max()), request.num_objects - own
        in_the_way = int(random.integers(self._strengths.pasted_objects - wanted + 1))
        for is_object in random.permutation([True] * wanted + [False] * in_the_way):
            other = self._photograph(int(random.choice(self._items)), 1, random)
            count += int(is_object)
            frames = paste(frames, other, count if is_object else 0, self._strengths, random)
        frames = [degrade(frame, self._strengths, random) for frame in frames]
        shape = area_shape(photograph.labels.shape, self._area)
        name = str(self._images.folder / self._images.paths[index])
        return finish_sample(frames, shape, name, only_reference=not self._training.intermediate_frame_gt_available)

    def _photograph(self, index: int, count: int, random: np.random.Generator) -> Frame:
        """An image with `count` of its objects, fewer where others cover them completely."""
        scene = Scene(self._images, index, index, self._usable)
        image = scene.image()
        if self._training.augmentations.color:
            image = draw_colour_change(self._strengths, random)(image)
        return Frame(image, scene.choose(count, random)[1])


def area_shape(shape: tuple[int, ...], area: int) -> tuple[int, int]:
    """The shape of about `area` pixels with the aspect of an image."""
    height = max(int(np.sqrt(shape[0] / shape[1] * area)), 1)
    return height, max(area // height, 1)


def static_clip(photograph: Frame, training: TrainingConfig, random: np.random.Generator) -> list[Frame]:
    """Makes a clip of a photograph, whose colours were changed already: the reference first, then some copies.

    The reference keeps enough of every object, and MIN_REF_MASK_AREA pixels where it is cropped. Without cropping all clips are
    of the strong kind.
    """
    strengths, copies = training.augmentations.static, range(training.num_other_frames)
    if random.random() < strengths.strong_share or not training.augmentations.cropping:
        frames = [photograph, *(_strong_copy(photograph, strengths, random) for _ in copies)]
    else:
        window = draw_reference_window(photograph.labels, strengths, training.min_ref_mask_area, random)
        reference = photograph if window is None else enlarge(photograph, window)
        factor = random.choice(strengths.crop_factors)
        frames = [reference, *(_cropped_copy(photograph, factor, strengths, random) for _ in copies)]
    return [flip(frame) for frame in frames] if random.random() < strengths.flip_share else frames


def _strong_copy(photograph: Frame, strengths: StaticStrengths, random: np.random.Generator) -> Frame:
    height, width = photograph.labels.shape
    weights = np.array(strengths.strong_kinds)
    kind = random.choice(len(weights), p=weights / weights.sum())
    if kind == 0:
        turns = {"rotation": strengths.rotation, "shear": strengths.shear}
        matrix = draw_affine((height, width), random, **turns, shift=strengths.shift, scale=strengths.scale)
        return warp(photograph, matrix)
    if kind == 1:
        return warp(photograph, draw_perspective((height, width), strengths.perspective, random))
    margin = random.uniform(strengths.margin[0], strengths.margin[1])
    top, left = round(margin * height), round(margin * width)
    return enlarge(photograph, np.s_[top : top + max(height - 2 * top, 1), left : left + max(width - 2 * left, 1)])


def _cropped_copy(photograph: Frame, factor: float, strengths: StaticStrengths, random: np.random.Generator) -> Frame:
    shape = photograph.labels.shape
    frame = enlarge(photograph, draw_window(shape, factor, random))
    if random.random() < strengths.copy_warp_share:
        frame = warp(frame, draw_affine(shape, random, rotation=strengths.copy_rotation, shear=strengths.copy_shear))
    return frame

"""Clips made of photographs."""

import numpy as np

from hodor.config.strengths import StaticStrengths
from hodor.data.annotated_images import AnnotatedImages
from hodor.data.augmentation.colour import change_colours, draw_colour_change
from hodor.data.augmentation.geometry import Frame, area_size
from hodor.data.augmentation.static_clip import static_clip
from hodor.data.training_samples.sample import SampleRequest, TrainingSample, finish_sample
from hodor.data.training_samples.scenes import Scene, read_frame
from hodor.errors import HodorError


class StaticImageSamples:
    """Every image with a large enough object is an item; a sample is a clip made of it.

    Attributes:
        num_objects: `[N]` int64, large enough objects of each item.
        aspect_ratios: `[N]` float64, height / width of each item.
    """

    def __init__(
        self,
        images: AnnotatedImages,
        *,
        num_other_frames: int,
        area: int,
        min_area: float,
        min_side: float,
        strengths: StaticStrengths | None = None,
        colour: bool = True,
        cropping: bool = True,
        only_reference: bool = False,
    ) -> None:
        """
        Args:
            images: the data set.
            num_other_frames: frames of a clip besides the reference.
            area: pixels that images are brought to.
            min_area: objects have more pixels than this in the original image.
            min_side: both sides of their boxes are longer than this.
            strengths: of the augmentations; None = those of the published models.
            colour: whether colours change.
            cropping: whether half of the clips are crops; else all are of the strong kind.
            only_reference: withhold the masks of the other frames.

        Raises:
            HodorError: no object is large enough.
        """
        self._images = images
        self._num_other_frames = num_other_frames
        self._area = area
        self._min_area = min_area
        self._strengths = StaticStrengths() if strengths is None else strengths
        self._colour = colour
        self._cropping = cropping
        self._only_reference = only_reference
        self._usable = images.masks.larger_than(min_area, min_side)
        counts = images.masks.count(self._usable)
        self._items = np.flatnonzero(counts)
        self.num_objects = counts[self._items]
        self.aspect_ratios = (images.heights / images.widths)[self._items]
        if not len(self._items):
            raise HodorError(
                f"{images.source}: none of its {len(images)} images has an object of more than {min_area:g} pixels and "
                f"{min_side:g} wide and high; lower TRAINING.MIN_REF_MASK_AREA and TRAINING.MIN_REF_MASK_DIM"
            )

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, request: SampleRequest) -> TrainingSample:
        """Makes the sample of a request; it has fewer objects only where others cover them completely.

        Raises:
            HodorError: the image or a mask is missing or broken, or their sizes differ.
        """
        index = int(self._items[request.item])
        random = np.random.default_rng(request.seed)
        height, width = int(self._images.heights[index]), int(self._images.widths[index])
        path, where = self._images.folder / self._images.paths[index], self._images.where(index)
        image = read_frame(path, height, width, where)
        if self._colour:
            image = change_colours(image, draw_colour_change(self._strengths, random))
        rows = self._images.masks.rows(index)
        scene = Scene(self._images.masks, height, width, where)
        chosen, labels = scene.choose(rows[self._usable[rows]], request.num_objects, random)
        frame = Frame(image, labels)
        frames = static_clip(frame, self._num_other_frames, self._strengths, self._min_area, random, cropping=self._cropping)
        size = area_size(height, width, self._area)
        return finish_sample(frames, size, len(chosen), str(path), only_reference=self._only_reference)

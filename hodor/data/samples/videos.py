"""What samples of densely and of sparsely annotated videos share."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import numpy as np

from hodor.config.strengths import VideoStrengths
from hodor.data.augmentation.colour import change_colours, draw_colour_change
from hodor.data.augmentation.geometry import Frame
from hodor.data.augmentation.video_clip import augment_video_clip
from hodor.data.samples.sample import SampleRequest, TrainingSample, finish_sample
from hodor.data.samples.scenes import Scene, read_frame
from hodor.errors import HodorError
from hodor.formats.training_json import AnnotatedVideos
from hodor.media.sizes import network_size


@dataclass(frozen=True)
class VideoSettings:
    """How clips are taken from videos.

    Attributes:
        num_other_frames: frames of a clip besides the reference.
        min_delta: dense: least distance of the other frames from the reference.
        max_delta: dense: they are nearer than this; sparse: at most as far as this.
        min_area: objects have at least so many pixels in the reference frame.
        min_side: both sides of their boxes are at least so long.
        min_dim: length that frames' shorter sides are brought to.
        max_dim: limit of their longer sides.
        strengths: of the augmentations.
        colour: whether colours change.
        cropping: whether clips are cropped.
        geometric: whether clips are warped.
    """

    num_other_frames: int
    min_delta: int
    max_delta: int
    min_area: float
    min_side: float
    min_dim: int
    max_dim: int
    strengths: VideoStrengths = field(default_factory=VideoStrengths)
    colour: bool = True
    cropping: bool = True
    geometric: bool = True


class VideoSamples(ABC):
    """Clips of videos; an item is a reference frame, and a clip is this frame and some others near it.

    Attributes:
        num_objects: `[N]` int64, large enough objects of each item's reference.
        aspect_ratios: `[N]` float64, height / width of each item.
    """

    def __init__(
        self,
        videos: AnnotatedVideos,
        settings: VideoSettings,
        *,
        only_reference: bool,
        one_colour_change: bool,
    ) -> None:
        """
        Args:
            videos: the data set.
            settings: sizes, distances and augmentations.
            only_reference: withhold the masks of the other frames.
            one_colour_change: colours change alike in all frames of a clip, not in each frame in its own way.

        Raises:
            HodorError: no object is large enough, or no frame can be a reference.
        """
        self._videos = videos
        self._settings = settings
        self._only_reference = only_reference
        self._one_colour_change = one_colour_change
        self._usable = _large_enough(videos, settings)
        self._shown = np.zeros_like(self._usable)  # the masks that are read in the other frames
        counts = videos.masks.count(self._usable)
        self._references = self._find_references(counts)
        self._sequences = np.searchsorted(videos.starts, self._references, side="right") - 1
        self.num_objects = counts[self._references]
        self.aspect_ratios = (videos.heights / videos.widths)[self._sequences]

    @abstractmethod
    def _find_references(self, counts: np.ndarray) -> np.ndarray:
        """The items' references, `[N]` int64, numbered through all sequences.

        Args:
            counts: `[F]`, large enough objects of each frame.

        Raises:
            HodorError: there is none.
        """

    @abstractmethod
    def _draw_frames(self, item: int, random: np.random.Generator) -> list[int]:
        """The reference, then the others."""

    def __len__(self) -> int:
        return len(self._references)

    def frames(self, request: SampleRequest) -> list[int]:
        """The frames of a sample, numbered through all sequences: the reference, then the others."""
        return self._draw_frames(request.item, np.random.default_rng(request.seed))

    def __getitem__(self, request: SampleRequest) -> TrainingSample:
        """Makes the sample of a request; it has fewer objects only where others cover them completely.

        Raises:
            HodorError: an image or a mask is missing or broken, or their sizes differ.
        """
        videos, settings = self._videos, self._settings
        random = np.random.default_rng(request.seed)
        sequence = int(self._sequences[request.item])
        height, width = int(videos.heights[sequence]), int(videos.widths[sequence])
        frames = self._draw_frames(request.item, random)
        rows = videos.masks.rows(frames[0])
        scene = self._scene(sequence, frames[0])
        chosen, labels = scene.choose(rows[self._usable[rows]], request.num_objects, random)
        new_ids = {int(videos.masks.object_ids[row]): index + 1 for index, row in enumerate(chosen)}
        clip_change = draw_colour_change(settings.strengths, random) if self._one_colour_change else None
        clip = []
        for position, frame in enumerate(frames):
            image = read_frame(videos.folder / videos.paths[frame], height, width, videos.where(sequence, frame))
            if settings.colour:
                image = change_colours(image, clip_change or draw_colour_change(settings.strengths, random))
            clip.append(Frame(image, labels if position == 0 else self._labels(sequence, frame, new_ids)))
        clip = augment_video_clip(
            clip, settings.strengths, settings.min_area, random, cropping=settings.cropping, geometric=settings.geometric
        )
        size = network_size(height, width, settings.min_dim, settings.max_dim)
        stems = ", ".join(PurePosixPath(videos.paths[frame]).stem for frame in frames)
        name = f"{videos.folder / videos.names[sequence]}: frames {stems}"
        return finish_sample(clip, size, len(chosen), name, only_reference=self._only_reference)

    def _scene(self, sequence: int, frame: int) -> Scene:
        videos = self._videos
        return Scene(videos.masks, int(videos.heights[sequence]), int(videos.widths[sequence]), videos.where(sequence, frame))

    def _labels(self, sequence: int, frame: int, new_ids: dict[int, int]) -> np.ndarray:
        """The chosen objects in one of the other frames, `[H, W]` uint8."""
        masks = self._videos.masks
        rows = [row for row in masks.rows(frame).tolist() if self._shown[row] and int(masks.object_ids[row]) in new_ids]
        ids = {row: new_ids[int(masks.object_ids[row])] for row in rows}
        return self._scene(sequence, frame).paint(ids, rows)


def _large_enough(videos: AnnotatedVideos, settings: VideoSettings) -> np.ndarray:
    """Which masks are large enough, `[M]` bool.

    Raises:
        HodorError: none is.
    """
    usable = videos.masks.larger_than(settings.min_area, settings.min_side, or_equal=True)
    if not usable.any():
        raise HodorError(
            f"{videos.source}: no object has at least {settings.min_area:g} pixels and is {settings.min_side:g} wide and high "
            "in any frame; lower TRAINING.MIN_REF_MASK_AREA and TRAINING.MIN_REF_MASK_DIM"
        )
    return usable

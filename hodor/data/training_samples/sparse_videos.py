"""Clips of videos of which only one frame is annotated, for training by cyclic consistency."""

import numpy as np

from hodor.data.annotated_videos import AnnotatedVideos
from hodor.data.augmentation.colour import change_colours, draw_colour_change
from hodor.data.augmentation.geometry import Frame
from hodor.data.augmentation.video_clip import augment_video_clip
from hodor.data.sizes import network_size
from hodor.data.training_samples.sample import SampleRequest, TrainingSample, finish_sample
from hodor.data.training_samples.videos import (
    VideoSettings,
    aspect_ratios,
    clip_name,
    large_enough,
    read_image_of,
    scene_of,
)
from hodor.errors import HodorError


class SparseVideoSamples:
    """Every sequence that is long enough is an item; one of its annotated frames is the reference of all its samples.

    Attributes:
        num_objects: `[N]` int64, large enough objects of each item's reference.
        aspect_ratios: `[N]` float64, height / width of each item.
    """

    def __init__(self, videos: AnnotatedVideos, settings: VideoSettings, *, last_annotated: bool = False) -> None:
        """
        Args:
            videos: the data set; of each sequence only the masks of one frame are used.
            settings: sizes, distances and augmentations; `min_delta` has no effect.
            last_annotated: the reference is the last frame with a large enough object (as in the original), not the one closest
                to the middle.

        Raises:
            HodorError: no object is large enough, or every sequence is too short.
        """
        self._videos = videos
        self._settings = settings
        self._usable = large_enough(videos, settings)
        counts = videos.masks.count(self._usable)
        chosen = [self._reference(sequence, counts, last_annotated) for sequence in range(len(videos))]
        references = np.array([-1 if frame is None else frame for frame in chosen], dtype=np.int64)
        long_enough = [frame is not None and bool(self._sides(s, frame)) for s, frame in enumerate(chosen)]
        self._sequences = np.flatnonzero(long_enough)
        self._references = references[self._sequences]
        if not len(self._sequences):
            raise HodorError(
                f"{videos.source}: no sequence has {settings.num_other_frames} frames before or behind its annotated frame, at "
                f"most {settings.max_delta} away; lower TRAINING.NUM_OTHER_FRAMES or raise TRAINING.MAX_CLIP_DELTA"
            )
        self.num_objects = counts[self._references]
        self.aspect_ratios = aspect_ratios(videos, self._sequences)

    def __len__(self) -> int:
        return len(self._sequences)

    def frames(self, request: SampleRequest) -> list[int]:
        """The frames of a sample, numbered through all sequences: the reference, then the others in any order."""
        return self._draw_frames(request.item, np.random.default_rng(request.seed))

    def __getitem__(self, request: SampleRequest) -> TrainingSample:
        """Makes the sample of a request; it has fewer objects only where others cover them completely.

        Raises:
            HodorError: an image or a mask is missing or broken, or their sizes differ.
        """
        videos, settings = self._videos, self._settings
        random = np.random.default_rng(request.seed)
        sequence = int(self._sequences[request.item])
        frames = self._draw_frames(request.item, random)
        rows = videos.masks.rows(frames[0])
        scene = scene_of(videos, sequence, frames[0])
        chosen, labels = scene.choose(rows[self._usable[rows]], request.num_objects, random)
        clip = []
        for position, frame in enumerate(frames):
            image = read_image_of(videos, sequence, frame)
            if settings.colour:
                image = change_colours(image, draw_colour_change(settings.strengths, random))
            clip.append(Frame(image, labels if position == 0 else np.zeros_like(labels)))
        clip = augment_video_clip(
            clip, settings.strengths, settings.min_area, random, cropping=settings.cropping, geometric=settings.geometric
        )
        size = network_size(int(videos.heights[sequence]), int(videos.widths[sequence]), settings.min_dim, settings.max_dim)
        return finish_sample(clip, size, len(chosen), clip_name(videos, sequence, frames), only_reference=True)

    def _reference(self, sequence: int, counts: np.ndarray, last: bool) -> int | None:
        """The frame (numbered through all sequences) whose masks are used; None where no frame has large enough ones."""
        start, end = self._videos.starts[sequence], self._videos.starts[sequence + 1]
        annotated = np.flatnonzero(counts[start:end])
        if not len(annotated):
            return None
        position = annotated[-1] if last else annotated[np.abs(annotated - (end - start) / 2).argmin()]
        return int(start + position)

    def _sides(self, sequence: int, reference: int) -> list[np.ndarray]:
        """The frames before and those behind a reference that are near enough, if they suffice for a clip."""
        start, end = self._videos.starts[sequence], self._videos.starts[sequence + 1]
        reach = self._settings.max_delta
        before = np.arange(max(reference - reach, start), reference)
        behind = np.arange(reference + 1, min(reference + reach + 1, end))
        return [side for side in (before, behind) if len(side) >= self._settings.num_other_frames]

    def _draw_frames(self, item: int, random: np.random.Generator) -> list[int]:
        reference = int(self._references[item])
        sides = self._sides(int(self._sequences[item]), reference)
        side = sides[random.integers(len(sides))]
        return [reference, *random.choice(side, self._settings.num_other_frames, replace=False).tolist()]

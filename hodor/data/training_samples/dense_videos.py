"""Clips of videos whose every frame is annotated."""

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


class DenseVideoSamples:
    """Every frame that can be a reference is an item: enough frames follow it, and it has a large enough object.

    Attributes:
        num_objects: `[N]` int64, large enough objects of each item.
        aspect_ratios: `[N]` float64, height / width of each item.
    """

    def __init__(
        self,
        videos: AnnotatedVideos,
        settings: VideoSettings,
        *,
        filter_every_frame: bool = False,
        only_reference: bool = False,
        all_present: bool = False,
    ) -> None:
        """
        Args:
            videos: the data set.
            settings: sizes, distances and augmentations.
            filter_every_frame: objects that are too small in a frame become background there (as the original did), not only
                in the reference.
            only_reference: withhold the masks of the other frames.
            all_present: every object counts as present in every frame.

        Raises:
            HodorError: no object is large enough, or every sequence is too short.
        """
        self._videos = videos
        self._settings = settings
        self._only_reference = only_reference
        self._all_present = all_present
        self._usable = large_enough(videos, settings)
        self._shown = self._usable if filter_every_frame else np.ones_like(self._usable)
        counts = videos.masks.count(self._usable)
        self._references, self._sequences = self._find_items(counts)
        self.num_objects = counts[self._references]
        self.aspect_ratios = aspect_ratios(videos, self._sequences)

    def _find_items(self, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The reference frames, numbered through all sequences, and their sequences."""
        videos, needed = self._videos, self._settings.num_other_frames + self._settings.min_delta
        sequence_of_frame = np.repeat(np.arange(len(videos)), videos.lengths)
        following = videos.starts[1:][sequence_of_frame] - np.arange(len(sequence_of_frame))
        references = np.flatnonzero((following > needed) & (counts > 0))
        if not len(references):
            raise HodorError(
                f"{videos.source}: no frame with a large enough object is followed by the {needed} frames that a clip needs; "
                "lower TRAINING.NUM_OTHER_FRAMES, TRAINING.MIN_CLIP_DELTA or TRAINING.MIN_REF_MASK_AREA"
            )
        return references, sequence_of_frame[references]

    def __len__(self) -> int:
        return len(self._references)

    def frames(self, request: SampleRequest) -> list[int]:
        """The frames of a sample, numbered through all sequences: the reference, then the others in order of time."""
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
        new_ids = {int(videos.masks.object_ids[row]): index + 1 for index, row in enumerate(chosen)}
        change = draw_colour_change(settings.strengths, random)
        clip = []
        for position, frame in enumerate(frames):
            image = read_image_of(videos, sequence, frame)
            frame_labels = labels if position == 0 else self._labels(sequence, frame, new_ids)
            clip.append(Frame(change_colours(image, change) if settings.colour else image, frame_labels))
        clip = augment_video_clip(
            clip, settings.strengths, settings.min_area, random, cropping=settings.cropping, geometric=settings.geometric
        )
        size = network_size(int(videos.heights[sequence]), int(videos.widths[sequence]), settings.min_dim, settings.max_dim)
        name = clip_name(videos, sequence, frames)
        sample = finish_sample(clip, size, len(chosen), name, only_reference=self._only_reference)
        return sample._replace(presence=sample.presence | self._all_present)

    def _draw_frames(self, item: int, random: np.random.Generator) -> list[int]:
        settings, reference = self._settings, int(self._references[item])
        end = int(self._videos.starts[self._sequences[item] + 1])
        candidates = np.arange(reference + settings.min_delta, min(reference + settings.max_delta, end))
        return [reference, *sorted(random.choice(candidates, settings.num_other_frames, replace=False).tolist())]

    def _labels(self, sequence: int, frame: int, new_ids: dict[int, int]) -> np.ndarray:
        """The chosen objects in one of the other frames."""
        masks = self._videos.masks
        rows = [row for row in masks.rows(frame).tolist() if int(masks.object_ids[row]) in new_ids and self._shown[row]]
        ids = {row: new_ids[int(masks.object_ids[row])] for row in rows}
        return scene_of(self._videos, sequence, frame).paint(ids, rows)

"""Clips of videos: of those whose every frame is annotated, and of those where one frame is enough."""

from abc import ABC, abstractmethod
from pathlib import PurePosixPath
from typing import ClassVar

import numpy as np

from hodor.config import InputConfig, TrainingConfig
from hodor.data.appearance import change_colours, draw_colour_change
from hodor.data.clips import augment_video_clip
from hodor.data.geometry import Frame
from hodor.data.samples import SampleRequest, Scene, TrainingSample, finish_sample, read_frame
from hodor.errors import HodorError
from hodor.formats.training_json import AnnotatedSequences
from hodor.media.images import network_size


class VideoSamples(ABC):
    """Clips of videos; an item is a reference frame, and a clip is this frame and some others near it.

    Attributes:
        num_objects: `[N]` int64, large enough objects of each item's reference.
        aspect_ratios: `[N]` float64, height / width of each item.
    """

    _dense: ClassVar[bool]
    """Whether the masks of the other frames may be used and colours change alike in all frames, not in each in its own way."""

    def __init__(self, videos: AnnotatedSequences, training: TrainingConfig, frames: InputConfig, max_delta: int) -> None:
        """Clips of a data set; `max_delta` is `training.max_clip_delta` at its frame rate.

        Raises:
            HodorError: no object is large enough, or no frame can be a reference.
        """
        self._videos = videos
        self._training = training
        self._frame_size = frames
        self._max_delta = max_delta
        self._only_reference = not (self._dense and training.intermediate_frame_gt_available)
        area, side = training.min_ref_mask_area, training.min_ref_mask_dim
        self._usable = videos.masks.larger_than(area, side, or_equal=True)
        if not self._usable.any():
            raise HodorError(
                f"{videos.source}: no object has at least {area:g} pixels and is {side:g} wide and high "
                "in any frame; lower TRAINING.MIN_REF_MASK_AREA and TRAINING.MIN_REF_MASK_DIM"
            )
        counts = videos.masks.count(self._usable)
        self._references = self._find_references(counts)
        self._sequences = np.searchsorted(videos.starts, self._references, side="right") - 1
        self.num_objects = counts[self._references]
        self.aspect_ratios = (videos.heights / videos.widths)[self._sequences]

    @abstractmethod
    def _find_references(self, counts: np.ndarray) -> np.ndarray:
        """The items' references, `[N]` int64, by the large enough objects of each frame, `[F]`; frames are numbered through.

        Raises:
            HodorError: there is none.
        """

    @abstractmethod
    def draw_frames(self, item: int, random: np.random.Generator) -> list[int]:
        """The frames of a clip, numbered through all sequences: the reference, then the others."""

    def __len__(self) -> int:
        return len(self._references)

    def __getitem__(self, request: SampleRequest) -> TrainingSample:
        """Makes the sample of a request; it has fewer objects only where others cover them completely.

        Raises:
            HodorError: an image or a mask is missing or broken, or their sizes differ.
        """
        videos, augmentations = self._videos, self._training.augmentations
        random = np.random.default_rng(request.seed)
        sequence = int(self._sequences[request.item])
        height, width = int(videos.heights[sequence]), int(videos.widths[sequence])
        frames = self.draw_frames(request.item, random)
        rows = videos.masks.rows(frames[0])
        scene = Scene(videos.masks, height, width, videos.where(sequence, frames[0]))
        chosen, labels = scene.choose(rows[self._usable[rows]], request.num_objects, random)
        new_ids = {int(videos.masks.object_ids[row]): index + 1 for index, row in enumerate(chosen)}
        clip_change = draw_colour_change(augmentations.video, random) if self._dense else None
        clip = []
        for position, frame in enumerate(frames):
            where = videos.where(sequence, frame)
            image = read_frame(videos.folder / videos.paths[frame], height, width, where)
            if augmentations.color:
                image = change_colours(image, clip_change or draw_colour_change(augmentations.video, random))
            if position:
                labels = Scene(videos.masks, height, width, where).paint(self._other_ids(frame, new_ids))
            clip.append(Frame(image, labels))
        switches = {"cropping": augmentations.cropping, "geometric": augmentations.video_geometric}
        clip = augment_video_clip(clip, augmentations.video, self._training.min_ref_mask_area, random, **switches)
        size = network_size(height, width, self._frame_size.min_dim, self._frame_size.max_dim)
        stems = ", ".join(PurePosixPath(videos.paths[frame]).stem for frame in frames)
        name = f"{videos.folder / videos.names[sequence]}: frames {stems}"
        sample = finish_sample(clip, size, len(chosen), name, only_reference=self._only_reference)
        return sample._replace(presence=sample.presence | (not self._training.apply_loss_on_intermediate_frames))

    def _other_ids(self, frame: int, new_ids: dict[int, int]) -> dict[int, int]:
        """The chosen objects in one of the other frames, {row of the table: id}."""
        if self._only_reference:
            return {}
        masks = self._videos.masks
        rows = [row for row in masks.rows(frame).tolist() if self._usable[row] or not self._training.filter_every_frame]
        ids = {row: new_ids.get(int(masks.object_ids[row]), 0) for row in rows}
        return {row: object_id for row, object_id in ids.items() if object_id}


class DenseVideoSamples(VideoSamples):
    """Every frame that can be a reference is an item: enough frames follow it, and it has a large enough object.

    The other frames of a clip follow the reference, in order of time.
    """

    _dense = True

    def _find_references(self, counts: np.ndarray) -> np.ndarray:
        videos, needed = self._videos, self._training.num_other_frames + self._training.min_clip_delta
        following = np.repeat(videos.starts[1:], np.diff(videos.starts)) - np.arange(len(counts))
        references = np.flatnonzero((following > needed) & (counts > 0))
        if not len(references):
            raise HodorError(
                f"{videos.source}: no frame with a large enough object is followed by the {needed} frames that a clip needs; "
                "lower TRAINING.NUM_OTHER_FRAMES, TRAINING.MIN_CLIP_DELTA or TRAINING.MIN_REF_MASK_AREA"
            )
        return references

    def draw_frames(self, item: int, random: np.random.Generator) -> list[int]:
        """The frames of a clip, numbered through all sequences: the reference, then the others."""
        training, reference = self._training, int(self._references[item])
        end = int(self._videos.starts[self._sequences[item] + 1])
        candidates = np.arange(reference + training.min_clip_delta, min(reference + self._max_delta, end))
        return [reference, *sorted(random.choice(candidates, training.num_other_frames, replace=False).tolist())]


class SparseVideoSamples(VideoSamples):
    """Every sequence that is long enough is an item; one of its annotated frames is the reference of all its samples.

    The other frames of a clip are all before or all behind the reference, in any order; their masks are not used.
    """

    _dense = False

    def _find_references(self, counts: np.ndarray) -> np.ndarray:
        candidates = [self._reference(sequence, counts) for sequence in range(len(self._videos))]
        references = [frame for s, frame in enumerate(candidates) if frame is not None and self._sides(s, frame)]
        if not references:
            others = self._training.num_other_frames
            raise HodorError(
                f"{self._videos.source}: no sequence has {others} frames before or behind its annotated "
                f"frame, at most {self._max_delta} away; lower TRAINING.NUM_OTHER_FRAMES or raise TRAINING.MAX_CLIP_DELTA"
            )
        return np.array(references, dtype=np.int64)

    def _reference(self, sequence: int, counts: np.ndarray) -> int | None:
        """The frame (numbered through all sequences) whose masks are used; None where no frame has large enough ones."""
        start, end = self._videos.starts[sequence], self._videos.starts[sequence + 1]
        annotated = np.flatnonzero(counts[start:end])
        if not len(annotated):
            return None
        middle = np.abs(annotated - (end - start) / 2).argmin()
        return int(start + annotated[-1 if self._training.sparse_reference == "last" else middle])

    def _sides(self, sequence: int, reference: int) -> list[np.ndarray]:
        """The frames before and those behind a reference that are near enough, if they suffice for a clip."""
        start, end = self._videos.starts[sequence], self._videos.starts[sequence + 1]
        before = np.arange(max(reference - self._max_delta, start), reference)
        behind = np.arange(reference + 1, min(reference + self._max_delta + 1, end))
        return [side for side in (before, behind) if len(side) >= self._training.num_other_frames]

    def draw_frames(self, item: int, random: np.random.Generator) -> list[int]:
        """The frames of a clip, numbered through all sequences: the reference, then the others."""
        reference = int(self._references[item])
        sides = self._sides(int(self._sequences[item]), reference)
        side = sides[random.integers(len(sides))]
        return [reference, *random.choice(side, self._training.num_other_frames, replace=False).tolist()]

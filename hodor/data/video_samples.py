"""Clips of videos: of those whose every frame is annotated, and of those where one frame is enough."""

from itertools import pairwise
from pathlib import PurePosixPath

import numpy as np

from hodor.config import InputConfig, TrainingConfig
from hodor.data.appearance import draw_colour_change
from hodor.data.geometry import Frame, draw_affine, draw_perspective, draw_reference_window, enlarge, flip, keeps_enough, warp
from hodor.data.samples import SampleRequest, Scene, TrainingSample, finish_sample
from hodor.errors import HodorError
from hodor.formats.training_json import AnnotatedSequences
from hodor.media.images import network_size


class VideoSamples:
    """`TrainingSamples` of videos: an item is a reference frame, and a clip is this frame and some others near it.

    With TRAINING.MODE dense_video every frame that can be a reference is an item: enough frames follow it, and it has a large
    enough object. The other frames of a clip follow the reference, in order of time; colours change alike in all of them.

    With sparse_video every sequence that is long enough is an item; one of its annotated frames is the reference of all its
    samples. The other frames of a clip are all before or all behind the reference, in any order; their masks are not used, and
    colours change in each frame in its own way.
    """

    def __init__(self, videos: AnnotatedSequences, training: TrainingConfig, frames: InputConfig, max_delta: int) -> None:
        """Clips of a data set; `max_delta` is `training.max_clip_delta` at its frame rate.

        Raises:
            HodorError: no object is large enough, or no frame can be a reference.
        """
        self._videos = videos
        self._training = training
        self._frame_size = frames
        self._max_delta = max_delta
        self._dense = training.mode == "dense_video"
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

    def _find_references(self, counts: np.ndarray) -> list[int]:
        """The items' references by the large enough objects of each frame, `[F]`; frames are numbered through all sequences."""
        videos, training, references = self._videos, self._training, []
        needed = training.num_other_frames + training.min_clip_delta
        for sequence, (start, end) in enumerate(pairwise(videos.starts.tolist())):
            annotated = np.flatnonzero(counts[start:end])
            if self._dense:
                annotated = annotated[annotated < end - start - needed]
            elif training.sparse_reference == "last":
                annotated = annotated[-1:]
            elif len(annotated):
                annotated = annotated[[np.abs(annotated - (end - start) / 2).argmin()]]
            references += [frame for frame in (start + annotated).tolist() if self._sides(sequence, frame)]
        if references:
            return references
        if self._dense:
            raise HodorError(
                f"{videos.source}: no frame with a large enough object is followed by the {needed} frames that a clip needs; "
                "lower TRAINING.NUM_OTHER_FRAMES, TRAINING.MIN_CLIP_DELTA or TRAINING.MIN_REF_MASK_AREA"
            )
        raise HodorError(
            f"{videos.source}: no sequence has {training.num_other_frames} frames before or behind its annotated "
            f"frame, at most {self._max_delta} away; lower TRAINING.NUM_OTHER_FRAMES or raise TRAINING.MAX_CLIP_DELTA"
        )

    def _sides(self, sequence: int, reference: int) -> list[np.ndarray]:
        """The frames that the others of a clip are drawn from: before or behind the reference, where they suffice."""
        start, end = self._videos.starts[sequence], self._videos.starts[sequence + 1]
        if self._dense:
            return [np.arange(reference + self._training.min_clip_delta, min(reference + self._max_delta, end))]
        before = np.arange(max(reference - self._max_delta, start), reference)
        behind = np.arange(reference + 1, min(reference + self._max_delta + 1, end))
        return [side for side in (before, behind) if len(side) >= self._training.num_other_frames]

    def draw_frames(self, item: int, random: np.random.Generator) -> list[int]:
        """The frames of a clip, numbered through all sequences: the reference, then the others."""
        reference = self._references[item]
        sides = self._sides(int(self._sequences[item]), reference)
        others = random.choice(sides[random.integers(len(sides))], self._training.num_other_frames, replace=False).tolist()
        return [reference, *(sorted(others) if self._dense else others)]

    def __getitem__(self, request: SampleRequest) -> TrainingSample:
        videos, training = self._videos, self._training
        random = np.random.default_rng(request.seed)
        sequence = int(self._sequences[request.item])
        frames = self.draw_frames(request.item, random)
        clip: list[Frame] = []
        for frame in frames:
            usable = self._usable if not clip or training.filter_every_frame else None
            scene = Scene(videos, sequence, frame, usable)
            if not clip:
                chosen, labels = scene.choose(request.num_objects, random)
            else:
                labels = scene.paint({} if self._only_reference else chosen)
            wants_change = not clip if self._dense else training.augmentations.color
            if wants_change:
                change = draw_colour_change(training.augmentations.video, random)
            image = scene.image()
            clip.append(Frame(change(image) if training.augmentations.color else image, labels))
        clip = video_clip(clip, training, random)
        size = network_size(*scene.shape, self._frame_size.min_dim, self._frame_size.max_dim)
        stems = ", ".join(PurePosixPath(videos.paths[frame]).stem for frame in frames)
        name = f"{videos.folder / videos.names[sequence]}: frames {stems}"
        sample = finish_sample(clip, size, name, only_reference=self._only_reference)
        return sample._replace(presence=sample.presence | (not training.apply_loss_on_intermediate_frames))


def video_clip(frames: list[Frame], training: TrainingConfig, random: np.random.Generator) -> list[Frame]:
    """Mirrors some clips (the reference is first), then crops some and warps the others.

    The reference's objects keep enough of their area and MIN_REF_MASK_AREA pixels. Without cropping, what would be cropped
    stays as it is; without geometric changes, what would be warped; and what loses too much however it is drawn.
    """
    strengths, min_area = training.augmentations.video, training.min_ref_mask_area
    if random.random() < strengths.flip_share:
        frames = [flip(frame) for frame in frames]
    labels = frames[0].labels
    if random.random() < strengths.crop_share:
        window = training.augmentations.cropping and draw_reference_window(labels, strengths, min_area, random)
        return [enlarge(frame, window) for frame in frames] if window else frames
    for _ in range(strengths.warp_tries if training.augmentations.video_geometric else 0):
        if random.random() < strengths.perspective_share:
            matrix = draw_perspective(labels.shape, strengths.perspective, random)
        else:
            matrix = draw_affine(labels.shape, random, rotation=strengths.rotation, shear=strengths.shear)
        reference = warp(frames[0], matrix)
        if keeps_enough(labels, reference.labels, strengths.kept_area, min_area):
            return [reference, *(warp(frame, matrix) for frame in frames[1:])]
    return frames

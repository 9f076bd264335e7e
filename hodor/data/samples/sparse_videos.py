"""Clips of videos of which only one frame is annotated, for training by cyclic consistency."""

import numpy as np

from hodor.data.samples.videos import VideoSamples, VideoSettings
from hodor.errors import HodorError
from hodor.formats.training_json import AnnotatedVideos


class SparseVideoSamples(VideoSamples):
    """Every sequence that is long enough is an item; one of its annotated frames is the reference of all its samples.

    The other frames of a clip are all before or all behind the reference, in any order.
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
        self._last_annotated = last_annotated
        super().__init__(videos, settings, only_reference=True, one_colour_change=False)

    def _find_references(self, counts: np.ndarray) -> np.ndarray:
        candidates = [self._reference(sequence, counts) for sequence in range(len(self._videos))]
        references = [frame for s, frame in enumerate(candidates) if frame is not None and self._sides(s, frame)]
        if not references:
            settings = self._settings
            raise HodorError(
                f"{self._videos.source}: no sequence has {settings.num_other_frames} frames before or behind its annotated "
                f"frame, at most {settings.max_delta} away; lower TRAINING.NUM_OTHER_FRAMES or raise TRAINING.MAX_CLIP_DELTA"
            )
        return np.array(references, dtype=np.int64)

    def _reference(self, sequence: int, counts: np.ndarray) -> int | None:
        """The frame (numbered through all sequences) whose masks are used; None where no frame has large enough ones."""
        start, end = self._videos.starts[sequence], self._videos.starts[sequence + 1]
        annotated = np.flatnonzero(counts[start:end])
        if not len(annotated):
            return None
        middle = np.abs(annotated - (end - start) / 2).argmin()
        return int(start + annotated[-1 if self._last_annotated else middle])

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

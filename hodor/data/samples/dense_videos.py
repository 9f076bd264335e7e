"""Clips of videos whose every frame is annotated."""

import numpy as np

from hodor.data.samples.sample import SampleRequest, TrainingSample
from hodor.data.samples.videos import VideoSamples, VideoSettings
from hodor.errors import HodorError
from hodor.formats.training_json import AnnotatedVideos


class DenseVideoSamples(VideoSamples):
    """Every frame that can be a reference is an item: enough frames follow it, and it has a large enough object.

    The other frames of a clip follow the reference, in order of time.
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
        super().__init__(videos, settings, only_reference=only_reference, one_colour_change=True)
        self._all_present = all_present
        self._shown = self._usable if filter_every_frame else np.ones_like(self._usable)

    def __getitem__(self, request: SampleRequest) -> TrainingSample:
        """Makes the sample of a request; it has fewer objects only where others cover them completely.

        Raises:
            HodorError: an image or a mask is missing or broken, or their sizes differ.
        """
        sample = super().__getitem__(request)
        return sample._replace(presence=sample.presence | self._all_present)

    def _find_references(self, counts: np.ndarray) -> np.ndarray:
        videos, needed = self._videos, self._settings.num_other_frames + self._settings.min_delta
        following = np.repeat(videos.starts[1:], videos.lengths) - np.arange(len(counts))
        references = np.flatnonzero((following > needed) & (counts > 0))
        if not len(references):
            raise HodorError(
                f"{videos.source}: no frame with a large enough object is followed by the {needed} frames that a clip needs; "
                "lower TRAINING.NUM_OTHER_FRAMES, TRAINING.MIN_CLIP_DELTA or TRAINING.MIN_REF_MASK_AREA"
            )
        return references

    def _draw_frames(self, item: int, random: np.random.Generator) -> list[int]:
        settings, reference = self._settings, int(self._references[item])
        end = int(self._videos.starts[self._sequences[item] + 1])
        candidates = np.arange(reference + settings.min_delta, min(reference + settings.max_delta, end))
        return [reference, *sorted(random.choice(candidates, settings.num_other_frames, replace=False).tolist())]

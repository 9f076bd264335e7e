"""What samples of densely and of sparsely annotated videos share."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import numpy as np

from hodor.config.strengths import VideoStrengths
from hodor.data.annotated_videos import AnnotatedVideos
from hodor.data.training_samples.scenes import Scene, read_frame
from hodor.errors import HodorError


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


def large_enough(videos: AnnotatedVideos, settings: VideoSettings) -> np.ndarray:
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


def aspect_ratios(videos: AnnotatedVideos, sequences: np.ndarray) -> np.ndarray:
    """Height / width of some sequences, float64."""
    ratios: np.ndarray = (videos.heights / videos.widths)[sequences]
    return ratios


def read_image_of(videos: AnnotatedVideos, sequence: int, frame: int) -> np.ndarray:
    """The image `[H, W, 3]` of a frame (numbered through all sequences).

    Raises:
        HodorError: it is missing, broken, or has another size than its sequence.
    """
    height, width = int(videos.heights[sequence]), int(videos.widths[sequence])
    return read_frame(videos.folder / videos.paths[frame], height, width, videos.where(sequence, frame))


def scene_of(videos: AnnotatedVideos, sequence: int, frame: int) -> Scene:
    """The objects of a frame (numbered through all sequences)."""
    height, width = int(videos.heights[sequence]), int(videos.widths[sequence])
    return Scene(videos.masks, height, width, videos.where(sequence, frame))


def clip_name(videos: AnnotatedVideos, sequence: int, frames: Sequence[int]) -> str:
    """Sequence and frames, for messages."""
    stems = ", ".join(PurePosixPath(videos.paths[frame]).stem for frame in frames)
    return f"{videos.folder / videos.names[sequence]}: frames {stems}"

"""Segmenting a sequence from files to files."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import torch

from hodor.errors import HodorError
from hodor.formats.inference_json import InferenceSequence
from hodor.inference.given import Masks, Picture
from hodor.inference.results import Write
from hodor.inference.segmenter import Segmenter
from hodor.media.images import MAX_PIXELS, read_image
from hodor.media.streams import read_ahead, write_behind

Frame = TypeVar("Frame")
_Frame = tuple[np.ndarray, dict[int, np.ndarray]]
"""An image [H, W, 3] and the masks that are given in it."""


class Timing(NamedTuple):
    """Where the time went.

    Attributes:
        frames: number of frames segmented.
        total: seconds from the first file read to the last one written.
        network: seconds of `total` in the segmenter (a frame in memory -> its label map), without the time spent waiting for
            files; on a GPU, which works while files are waited for, all of `total`.
    """

    frames: int
    total: float
    network: float


def segment_sequence(
    segmenter: Segmenter,
    sequence: InferenceSequence,
    images: Path,
    write: Write,
    on_frame: Callable[[], object] = lambda: None,
    *,
    max_pixels: int = MAX_PIXELS,
) -> Timing:
    """Segments the frames of a sequence and writes their masks.

    Args:
        segmenter: used afresh.
        sequence: the frames and the given masks.
        images: folder that the sequence's image paths are relative to.
        write: called in other threads with what was found.
        on_frame: called after each frame.
        max_pixels: how many a frame may have.

    Raises:
        HodorError: no mask is given, or a frame or mask is broken; the message names sequence and frame.
    """
    if not any(sequence.segmentations.values()):
        raise HodorError(f"sequence {sequence.id!r}: no mask is given, so there is nothing to track")
    segmenter.reset(sequence.id)
    waiting, start = 0.0, time.perf_counter()
    with write_behind() as submit, closing(read_ahead(_frames(sequence, images, max_pixels))) as frames:
        reading = Reading(frames, lambda frame: frame)
        label_maps = segmenter.follow(reading)
        for image_path in sequence.image_paths:
            try:
                labels = next(label_maps, None)
            except HodorError as error:
                raise HodorError(f"sequence {sequence.id!r}, frame {images / image_path}: {error}") from None
            if labels is None:
                break
            handed_over = time.perf_counter()
            submit(_write, write, image_path, reading.shown.popleft()[0], labels)
            waiting += time.perf_counter() - handed_over
            on_frame()
        if reading.broken is not None:
            raise reading.broken
        network = time.perf_counter() - start - waiting - reading.waiting
    total = time.perf_counter() - start
    return Timing(len(sequence.image_paths), total, total if segmenter.device.type == "cuda" else network)


class Reading(Iterator[tuple[Picture, Masks | None]], Generic[Frame]):
    """A video as `Segmenter.follow` takes it, of frames that come from files; where these can't be read it ends.

    Attributes:
        shown: the frames whose label maps are to come; who gets a label map takes the first one away.
        broken: what made the reading fail.
        waiting: seconds spent on waiting for frames.
    """

    def __init__(self, frames: Iterator[Frame], pair: Callable[[Frame], tuple[Picture, Masks | None]]) -> None:
        """`pair` makes of a frame what `follow` takes."""
        self._frames = frames
        self._pair = pair
        self.shown: deque[Frame] = deque()
        self.broken: HodorError | None = None
        self.waiting = 0.0

    def __next__(self) -> tuple[Picture, Masks | None]:
        asked = time.perf_counter()
        try:
            frame = next(self._frames)
        except HodorError as error:
            self.broken = error
            raise StopIteration from None
        finally:
            self.waiting += time.perf_counter() - asked
        self.shown.append(frame)
        return self._pair(frame)


def _frames(sequence: InferenceSequence, images: Path, max_pixels: int) -> Iterator[_Frame]:
    for index, image_path in enumerate(sequence.image_paths):
        image = read_image(images / image_path, max_pixels)
        yield image, sequence.masks(index, image.shape[0], image.shape[1])


def _write(write: Write, image_path: str, image: np.ndarray, labels: torch.Tensor) -> None:
    write(image_path, image, labels.cpu().numpy())

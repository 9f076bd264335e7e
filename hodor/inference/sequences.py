"""Segmenting a sequence from files to files."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from hodor.errors import HodorError
from hodor.formats.inference_json import InferenceSequence
from hodor.inference.results import Write
from hodor.inference.segmenter import Segmenter
from hodor.media.images import MAX_PIXELS, read_image
from hodor.media.streams import read_ahead, write_behind

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
        reading = _Reading(frames)
        label_maps = segmenter.follow(reading)
        for image_path in sequence.image_paths:
            try:
                labels = next(label_maps)
            except HodorError as error:
                if error is reading.error:
                    raise
                raise HodorError(f"sequence {sequence.id!r}, frame {images / image_path}: {error}") from None
            handed_over = time.perf_counter()
            submit(_write, write, image_path, reading.images.popleft(), labels)
            waiting += time.perf_counter() - handed_over
            on_frame()
        network = time.perf_counter() - start - waiting - reading.waiting
    total = time.perf_counter() - start
    return Timing(len(sequence.image_paths), total, total if segmenter.device.type == "cuda" else network)


class _Reading(Iterator[_Frame]):
    """Frames as they come from files, with what is to be known of that afterwards."""

    def __init__(self, frames: Iterator[_Frame]) -> None:
        self._frames = frames
        self.images: deque[np.ndarray] = deque()  # that were read; who has used one takes it away
        self.waiting = 0.0  # seconds
        self.error: HodorError | None = None  # what made the reading fail

    def __next__(self) -> _Frame:
        asked = time.perf_counter()
        try:
            frame = next(self._frames)
        except HodorError as error:
            self.error = error
            raise
        finally:
            self.waiting += time.perf_counter() - asked
        self.images.append(frame[0])
        return frame


def _frames(sequence: InferenceSequence, images: Path, max_pixels: int) -> Iterator[_Frame]:
    for index, image_path in enumerate(sequence.image_paths):
        image = read_image(images / image_path, max_pixels)
        yield image, sequence.masks(index, image.shape[0], image.shape[1])


def _write(write: Write, image_path: str, image: np.ndarray, labels: torch.Tensor) -> None:
    write(image_path, image, labels.cpu().numpy())

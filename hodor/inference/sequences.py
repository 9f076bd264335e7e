"""Segmenting one sequence of files."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from hodor.data.formats import InferenceSequence
from hodor.errors import HodorError
from hodor.inference.results import SequenceWriter
from hodor.inference.segmenter import Segmenter
from hodor.media.images import read_image
from hodor.media.streams import WriteBehind, read_ahead


@dataclass
class Timing:
    """Where the time went.

    Attributes:
        frames: number of frames segmented.
        total: seconds from the first file read to the last one written.
        network: seconds of `total` in the segmenter (a frame in memory -> its label map), measured with the device idle at
            both ends of the sequence; without the time spent waiting for files.
    """

    frames: int = 0
    total: float = 0.0
    network: float = 0.0

    def add(self, other: "Timing") -> None:
        self.frames += other.frames
        self.total += other.total
        self.network += other.network


def segment_sequence(
    segmenter: Segmenter,
    sequence: InferenceSequence,
    images: Path,
    writer: SequenceWriter,
    on_frame: Callable[[], object],
) -> Timing:
    """Segments the frames of a sequence and writes their masks.

    Args:
        segmenter: used afresh.
        sequence: the frames and the given masks.
        images: folder that the sequence's image paths are relative to.
        writer: where the masks go.
        on_frame: called after each frame.

    Raises:
        HodorError: no mask is given, or a frame or mask is broken; the message names sequence and frame.
    """
    if not any(sequence.segmentations.values()):
        raise HodorError(f"sequence {sequence.id!r}: no mask is given, so there is nothing to track")
    segmenter.reset(sequence.id)
    timing = Timing(frames=len(sequence.image_paths))
    start = time.perf_counter()
    waiting = 0.0
    with WriteBehind() as behind, closing(read_ahead(_frames(sequence, images))) as frames:
        for index, image_path in enumerate(sequence.image_paths):
            asked = time.perf_counter()
            image, masks = next(frames)
            waiting += time.perf_counter() - asked
            try:
                labels = segmenter.step(image, masks, last=index == timing.frames - 1)
            except HodorError as error:
                raise HodorError(f"sequence {sequence.id!r}, frame {images / image_path}: {error}") from None
            handed_over = time.perf_counter()
            behind.submit(_write, writer, image_path, image, labels)
            waiting += time.perf_counter() - handed_over
            on_frame()
        if segmenter.device.type == "cuda":
            torch.cuda.synchronize(segmenter.device)
        timing.network = time.perf_counter() - start - waiting
    timing.total = time.perf_counter() - start
    return timing


def _frames(sequence: InferenceSequence, images: Path) -> Iterator[tuple[np.ndarray, dict[int, np.ndarray]]]:
    """Each frame [H, W, 3] with the masks given in it."""
    for index, image_path in enumerate(sequence.image_paths):
        image = read_image(images / image_path)
        yield image, sequence.masks(index, image.shape[0], image.shape[1])


def _write(writer: SequenceWriter, image_path: str, image: np.ndarray, labels: torch.Tensor) -> None:
    writer.write(image_path, image, labels.cpu().numpy())

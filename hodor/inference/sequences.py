"""Segmenting sequences of files."""

import errno
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from hodor.devices import is_out_of_memory
from hodor.errors import HodorError
from hodor.formats.inference_json import InferenceSequence
from hodor.inference.results import ResultsFolder, SequenceWriter
from hodor.inference.segmenter import Segmenter
from hodor.media.images import MAX_PIXELS, read_image
from hodor.media.streams import WriteBehind, read_ahead
from hodor.program import describe_os_error


@dataclass
class Timing:
    """Where the time went.

    Attributes:
        frames: number of frames segmented.
        total: seconds from the first file read to the last one written.
        network: seconds of `total` in the segmenter (a frame in memory -> its label map), without the time spent waiting for
            files; on a GPU, which works while files are waited for, all of `total`.
    """

    frames: int = 0
    total: float = 0.0
    network: float = 0.0

    def add(self, other: "Timing") -> None:
        self.frames += other.frames
        self.total += other.total
        self.network += other.network


@dataclass(frozen=True)
class SegmentationJob:
    """What is to be done for one sequence.

    Attributes:
        sequence: the frames and the given masks.
        settings: what its masks depend on, as JSON knows it.
    """

    sequence: InferenceSequence
    settings: dict[str, Any]

    @property
    def frames(self) -> int:
        return len(self.sequence.image_paths)


@dataclass
class SegmentationOutcome:
    """What came of several sequences.

    Attributes:
        timing: of those that were finished.
        failures: {name of a sequence: why it failed, in one line}.
    """

    timing: Timing = field(default_factory=Timing)
    failures: dict[str, str] = field(default_factory=dict)


def segment_sequences(
    segmenter: Segmenter,
    jobs: Sequence[SegmentationJob],
    images: Path,
    results: ResultsFolder,
    progress: "tqdm[Any]",
    *,
    max_pixels: int = MAX_PIXELS,
) -> SegmentationOutcome:
    """Segments sequences one after the other; one that fails doesn't stop the others.

    Args:
        segmenter: used afresh for each.
        jobs: the sequences.
        images: folder that their image paths are relative to.
        results: where the masks go.
        progress: counts frames.
        max_pixels: how many a frame may have.

    Raises:
        OSError: the disk is full.
    """
    outcome = SegmentationOutcome()
    for job in jobs:
        name = job.sequence.id
        progress.set_description(name)
        before = progress.n
        try:
            with results.writing(job.sequence, job.settings) as writer:
                outcome.timing.add(
                    segment_sequence(segmenter, job.sequence, images, writer, progress.update, max_pixels=max_pixels)
                )
        except HodorError as error:
            outcome.failures[name] = str(error)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise
            outcome.failures[name] = f"sequence {name!r}: {describe_os_error(error)}"
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            outcome.failures[name] = (
                f"sequence {name!r}: not enough memory; use a smaller --min_image_dim or --look_ahead, or fewer objects"
            )
        progress.update(before + job.frames - progress.n)
    return outcome


def segment_sequence(
    segmenter: Segmenter,
    sequence: InferenceSequence,
    images: Path,
    writer: SequenceWriter,
    on_frame: Callable[[], object],
    *,
    max_pixels: int = MAX_PIXELS,
) -> Timing:
    """Segments the frames of a sequence and writes their masks.

    Args:
        segmenter: used afresh.
        sequence: the frames and the given masks.
        images: folder that the sequence's image paths are relative to.
        writer: where the masks go.
        on_frame: called after each frame.
        max_pixels: how many a frame may have.

    Raises:
        HodorError: no mask is given, or a frame or mask is broken; the message names sequence and frame.
    """
    if not any(sequence.segmentations.values()):
        raise HodorError(f"sequence {sequence.id!r}: no mask is given, so there is nothing to track")
    segmenter.reset(sequence.id)
    timing = Timing(frames=len(sequence.image_paths))
    start = time.perf_counter()
    waiting = 0.0
    with WriteBehind() as behind, closing(read_ahead(_frames(sequence, images, max_pixels))) as frames:
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
            behind.submit(_write, writer, image_path, reading.images.popleft(), labels)
            waiting += time.perf_counter() - handed_over
            on_frame()
        timing.network = time.perf_counter() - start - waiting - reading.waiting
    timing.total = time.perf_counter() - start
    if segmenter.device.type == "cuda":
        timing.network = timing.total
    return timing


class _Reading(Iterator[tuple[np.ndarray, dict[int, np.ndarray]]]):
    """Frames with their masks, as an iterator gives them.

    Attributes:
        images: frames that were read; who has used one takes it away.
        waiting: seconds spent on waiting for frames.
        error: what made the reading fail.
    """

    def __init__(self, frames: Iterator[tuple[np.ndarray, dict[int, np.ndarray]]]) -> None:
        self._frames = frames
        self.images: deque[np.ndarray] = deque()
        self.waiting = 0.0
        self.error: HodorError | None = None

    def __next__(self) -> tuple[np.ndarray, dict[int, np.ndarray]]:
        asked = time.perf_counter()
        try:
            image, masks = next(self._frames)
        except HodorError as error:
            self.error = error
            raise
        finally:
            self.waiting += time.perf_counter() - asked
        self.images.append(image)
        return image, masks


def _frames(sequence: InferenceSequence, images: Path, max_pixels: int) -> Iterator[tuple[np.ndarray, dict[int, np.ndarray]]]:
    """Each frame [H, W, 3] with the masks given in it."""
    for index, image_path in enumerate(sequence.image_paths):
        image = read_image(images / image_path, max_pixels)
        yield image, sequence.masks(index, image.shape[0], image.shape[1])


def _write(writer: SequenceWriter, image_path: str, image: np.ndarray, labels: torch.Tensor) -> None:
    writer.write(image_path, image, labels.cpu().numpy())

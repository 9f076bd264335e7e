"""The evaluation of one sequence from its masks to scores and pictures: what a worker process does."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hodor.evaluation.masks import SequenceMasks
from hodor.evaluation.protocols import ObjectScores, SequencePair, davis, youtube_vos
from hodor.evaluation.thumbnails import find_image, thumbnail


@dataclass(frozen=True)
class SequenceJob:
    """What is to be done for one sequence.

    Attributes:
        prediction, truth: its masks.
        protocol: one of `PROTOCOLS`.
        include_prompt_frame: in `youtube_vos`, the frame of an object's first appearance counts.
        images: folder of <sequence>/<frame>.jpg to draw the masks on; None = masks alone.
    """

    prediction: SequenceMasks
    truth: SequenceMasks
    protocol: str
    include_prompt_frame: bool = False
    images: Path | None = None


@dataclass(frozen=True)
class FramePictures:
    """One frame to look at.

    Attributes:
        frame: its name.
        score: J&F, averaged over the objects.
        truth, prediction: pictures of the masks, `data:` addresses.
    """

    frame: str
    score: float
    truth: str
    prediction: str


@dataclass(frozen=True)
class SequenceResult:
    """What came out for one sequence.

    Attributes:
        sequence: its name.
        frames: names of all frames in which an object was scored, in order.
        objects: their scores.
        best, worst: the frames with the highest and the lowest score; None if no frame, or no second one, was scored.
    """

    sequence: str
    frames: tuple[str, ...]
    objects: tuple[ObjectScores, ...]
    best: FramePictures | None
    worst: FramePictures | None


def evaluate_sequence(job: SequenceJob) -> SequenceResult:
    """Scores one sequence and draws its best and its worst frame.

    Raises:
        HodorError: a mask or an image is missing, broken or doesn't fit; the message names it.
    """
    pair = SequencePair.of(job.prediction, job.truth)
    objects = davis(pair) if job.protocol == "davis" else youtube_vos(pair, job.include_prompt_frame)
    means = _frame_scores(job.truth.frames, objects)
    best = worst = None
    if means:
        best_frame, worst_frame = max(means, key=means.__getitem__), min(means, key=means.__getitem__)
        best = _pictures(job, pair, best_frame, means[best_frame])
        if worst_frame != best_frame:
            worst = _pictures(job, pair, worst_frame, means[worst_frame])
    return SequenceResult(job.truth.sequence, tuple(means), tuple(objects), best, worst)


def _frame_scores(frames: tuple[str, ...], objects: list[ObjectScores]) -> dict[str, float]:
    """J&F of each frame in which an object was scored, averaged over the objects, in order."""
    collected: dict[str, list[float]] = {frame: [] for frame in frames}
    for scores in objects:
        for frame, region, contour in zip(scores.frames, scores.region, scores.contour, strict=True):
            collected[frame].append((region + contour) / 2)
    return {frame: float(np.mean(values)) for frame, values in collected.items() if values}


def _pictures(job: SequenceJob, pair: SequencePair, frame: str, score: float) -> FramePictures:
    image = find_image(job.images, job.truth.sequence, frame) if job.images else None
    truth = pair.true_labels(frame)
    prediction = pair.predicted_labels(frame, truth.shape)
    return FramePictures(frame, score, thumbnail(truth, image), thumbnail(prediction, image))

"""One sequence from its masks to scores and pictures: what a worker process does."""

import base64
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from hodor.errors import HodorError
from hodor.evaluation.pairs import SequencePair
from hodor.evaluation.protocols import ObjectScores, davis, youtube_vos
from hodor.media.drawing import draw
from hodor.media.images import read_image

_WIDTH = 320
_BACKGROUND = (43, 48, 56)
_COLOURS = (
    (59, 130, 246), (249, 115, 22), (22, 163, 74), (225, 29, 72), (139, 92, 246),
    (202, 138, 4), (13, 148, 136), (217, 70, 239), (146, 96, 74), (100, 116, 139),
)  # fmt: skip
PALETTE = np.array([(0, 0, 0)] + [_COLOURS[index % len(_COLOURS)] for index in range(255)], np.uint8)
"""`[256, 3]`, R, G, B: the colours that stand for objects, legible on light and on dark ground, repeated every ten ids."""


class FramePictures(NamedTuple):
    """A frame to look at."""

    title: str  # why
    frame: str  # its name
    score: float  # its J&F, averaged over the objects
    truth: str  # a picture of the true masks, a `data:` address
    prediction: str


class ScoredSequence(NamedTuple):
    """What came out for one sequence."""

    sequence: str  # its name
    frames: tuple[str, ...]  # those with a score, in order
    objects: list[ObjectScores]
    pictures: list[FramePictures]  # of the best and the worst of the frames


def score_sequence(pair: SequencePair, *, protocol: str, include_prompt_frame: bool, images: Path | None) -> ScoredSequence:
    """Scores one sequence and draws its best and its worst frame on images/<sequence>/<frame>.jpg, or alone.

    Raises:
        HodorError: a mask or an image is missing, broken or doesn't fit; the message names it.
    """
    objects = davis(pair) if protocol == "davis" else youtube_vos(pair, include_prompt_frame)
    collected: dict[str, list[float]] = {frame: [] for frame in pair.truth.frames}
    for scores in objects:
        for frame, region, contour in zip(scores.frames, scores.region, scores.contour, strict=True):
            collected[frame].append((region + contour) / 2)
    means = {frame: float(np.mean(values)) for frame, values in collected.items() if values}
    shown: dict[str, str] = {}
    if means:
        shown[max(means, key=means.__getitem__)] = "Best frame"
        shown.setdefault(min(means, key=means.__getitem__), "Worst frame")
    pictures = [_pictures(pair, title, frame, means[frame], images) for frame, title in shown.items()]
    return ScoredSequence(pair.truth.sequence, tuple(means), objects, pictures)


def _pictures(pair: SequencePair, title: str, frame: str, score: float, images: Path | None) -> FramePictures:
    truth = pair.true_labels(frame)
    prediction = pair.predicted_labels(frame, truth.shape)
    image = None
    if images:
        place = images / pair.truth.sequence / frame
        files = [Path(f"{place}{suffix}") for suffix in (".jpg", ".jpeg", ".png")]
        path = next(filter(Path.is_file, files), None)
        if path is None:
            raise HodorError(f"{place}.jpg: no such image; leave out --images to draw the masks alone")
        image = read_image(path)
    return FramePictures(title, frame, score, _thumbnail(truth, image), _thumbnail(prediction, image))


def _thumbnail(labels: np.ndarray, image: np.ndarray | None) -> str:
    """A label map `[H, W]` uint8 over an image of any size as a picture of at most 320 pixels' width, a `data:` address."""
    height, width = labels.shape
    if image is None:
        kind, opacity = "png", 0.8
        canvas = np.full((height, width, 3), _BACKGROUND, dtype=np.uint8)
    else:
        kind, opacity = "jpeg", 0.5
        canvas = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)
    picture = draw(canvas, labels, palette=PALETTE, opacity=opacity)
    scale = min(1.0, _WIDTH / width)
    small = cv2.resize(picture, (max(1, round(width * scale)), max(1, round(height * scale))), interpolation=cv2.INTER_AREA)
    _, content = cv2.imencode(f".{kind}", small[..., ::-1])
    return f"data:image/{kind};base64,{base64.b64encode(content.tobytes()).decode('ascii')}"

"""Draws docs/pictures/trouble_*.jpg, typical failures and what helps, and docs/pictures/{tracked,found}.jpg, what a run gives.

python scripts/draw_troubles.py                        # with the weights that come with the package
python scripts/draw_troubles.py --checkpoint X.pth     # or with others

A picture has a row for each way to follow the objects and a column for each of a few frames; the true masks are its first row.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from draw_examples import GAP, PICTURES, iou

import hodor
from hodor.media.images import write_image
from hodor.program import ArgumentParser, run
from hodor.synthetic import PhotographClip, SyntheticClip
from hodor.synthetic.clip import Clip
from hodor.synthetic.photograph_clip import Pose

QUALITY = 80


class Way(NamedTuple):
    """One way to follow the objects of a clip.

    Attributes:
        settings: arguments of `hodor.Segmenter`, beside the permanent reference.
        corrected: frames in which the true masks are given again.
        boxed: the first masks are the boxes around the objects.
    """

    settings: Mapping[str, Any] = {}
    corrected: tuple[int, ...] = ()
    boxed: bool = False


class Trouble(NamedTuple):
    """A clip, the frames of it to show, and the ways that are shown below the true masks."""

    clip: Clip
    shown: tuple[int, ...]
    ways: tuple[Way, ...]


def upright(x: float, y: float, height: float, light: float = 1.0) -> Pose:
    """A photograph at (x, y) as it was taken, `height` of the frame high."""
    return Pose(x, y, height, 1.0, 0.0, 0.0, light)


TWO_CUPS = PhotographClip(
    frames=24,
    height=180,
    cast=(
        ("coffee", (upright(0.18, 0.40, 0.42), upright(0.50, 0.46, 0.42), upright(0.82, 0.40, 0.42))),
        ("coffee", (upright(0.82, 0.66, 0.46), upright(0.50, 0.54, 0.46), upright(0.18, 0.66, 0.46))),
    ),
)
BEHIND_A_CAT = PhotographClip(
    frames=32,
    height=180,
    cast=(
        ("coffee", (upright(0.14, 0.36, 0.34), upright(0.50, 0.40, 0.34), upright(0.86, 0.36, 0.34))),
        ("cat", (upright(0.47, 0.40, 0.76), upright(0.50, 0.41, 0.76), upright(0.53, 0.40, 0.76))),
    ),
)
TROUBLES = {
    "trouble_look_alikes": Trouble(TWO_CUPS, (0, 9, 16, 23), (Way(), Way(corrected=(16,)))),
    "trouble_thin_parts": Trouble(
        SyntheticClip(0, frames=20, height=180, width=320, objects=2),
        (0, 6, 12, 19),
        (Way(), Way({"min_dim": 320, "max_dim": 640})),
    ),
    "trouble_hidden": Trouble(
        BEHIND_A_CAT, (0, 16, 22, 31), (Way({"permanent_reference": False, "long_term_interval": 0}), Way())
    ),
    "trouble_first_mask": Trouble(PhotographClip(32, 180), (0, 5, 10, 15), (Way(boxed=True), Way())),
}
TRACKED = Trouble(PhotographClip(32, 240), (0, 6, 12, 24), (Way(),))


def main(arguments: Sequence[str] | None = None) -> int:
    """Draws all pictures, and prints the mean IoU of each of their ways."""
    parser = ArgumentParser(description="Draws typical failures of the weights on the project's own clips, and what helps.")
    parser.add_argument("--checkpoint", default="compact", help="the weights (default: compact)")
    parser.add_argument("--folder", type=Path, default=PICTURES, help="where to (default: docs/pictures)")
    options = parser.parse_args(arguments)
    checkpoint = hodor.load(options.checkpoint)
    for name, trouble in TROUBLES.items():
        rows, scores = [truth(trouble)], []
        for way in trouble.ways:
            row, score = follow(checkpoint, trouble, way)
            rows.append(row)
            scores.append(round(score, 3))
        write_image(options.folder / f"{name}.jpg", in_a_grid(rows), quality=QUALITY)
        print(json.dumps({name: scores}))
    row, score = follow(checkpoint, TRACKED, TRACKED.ways[0], legend=True)
    write_image(options.folder / "tracked.jpg", in_a_grid([row[:-1]]), quality=QUALITY)
    write_image(options.folder / "found.jpg", row[-1], quality=QUALITY)
    print(json.dumps({"tracked": round(score, 3)}))
    return 0


def truth(trouble: Trouble) -> list[np.ndarray]:
    """The frames to show with their true masks."""
    return [hodor.draw(*trouble.clip.frame(time)) for time in trouble.shown]


def follow(checkpoint: hodor.Checkpoint, trouble: Trouble, way: Way, *, legend: bool = False) -> tuple[list[np.ndarray], float]:
    """Follows the objects of a clip until the last frame that is shown.

    Returns:
        The frames to show with what was found, and the mean IoU of all objects in all frames in which nothing was given.
    """
    segmenter = hodor.Segmenter.of(checkpoint, **{"permanent_reference": True, **way.settings})
    names = trouble.clip.names if legend and isinstance(trouble.clip, PhotographClip) else None
    pictures, scores = [], list[float]()
    for time in range(trouble.shown[-1] + 1):
        image, labels = trouble.clip.frame(time)
        given = in_boxes(labels) if time == 0 and way.boxed else labels
        is_given = time == 0 or time in way.corrected
        found = segmenter.step(image, given if is_given else None).cpu().numpy()
        if not is_given:
            scores += [iou(found == number, labels == number) for number in segmenter.object_ids]
        if time in trouble.shown:
            pictures.append(hodor.draw(image, found, names=names, confidences=segmenter.confidences if legend else None))
    return pictures, float(np.mean(scores))


def in_boxes(labels: np.ndarray) -> np.ndarray:
    """Labels [H, W] in which each object is the smallest box around it."""
    boxes = np.zeros_like(labels)
    for number in np.unique(labels[labels > 0]).tolist():
        left, top, width, height = cv2.boundingRect((labels == number).astype(np.uint8))
        boxes[top : top + height, left : left + width] = number
    return boxes


def in_a_grid(rows: list[list[np.ndarray]]) -> np.ndarray:
    """Pictures of one size in rows and columns with white lines between them."""
    padded = [np.hstack([np.pad(each, ((0, GAP), (0, GAP), (0, 0)), constant_values=255) for each in row]) for row in rows]
    return np.vstack(padded)[:-GAP, :-GAP]


if __name__ == "__main__":
    run(main)

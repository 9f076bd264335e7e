"""Draws docs/pictures/examples_*.jpg: what the shipped weights make of synthetic videos, the true masks above, the found below.

python scripts/draw_examples.py
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

import hodor
from hodor.media import drawing
from hodor.program import ArgumentParser, run
from hodor.synthetic import SyntheticClip

PICTURES = Path(__file__).parent.parent / "docs" / "pictures"
GAP = 4


class Example(NamedTuple):
    """A clip and the frames of it to show."""

    clip: SyntheticClip
    shown: tuple[int, ...]


EXAMPLES = {
    "hidden_and_back": Example(SyntheticClip(12, frames=40, height=160, width=288, objects=2), (0, 8, 16, 24, 32, 39)),
    "look_alikes": Example(SyntheticClip(5, frames=24, height=160, width=288, objects=3), (0, 4, 8, 12, 18, 23)),
    "twenty_objects": Example(SyntheticClip(3, frames=16, height=240, width=432, objects=20), (0, 3, 6, 9, 12, 15)),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Draws all examples, and prints the mean IoU of each."""
    parser = ArgumentParser(description="Draws what the shipped weights make of synthetic videos.")
    parser.add_argument("--folder", type=Path, default=PICTURES, help="where to (default: docs/pictures)")
    options = parser.parse_args(arguments)
    segmenter = hodor.Segmenter.of("compact")
    for name, example in EXAMPLES.items():
        picture, scores = draw(segmenter, example)
        Image.fromarray(picture).save(options.folder / f"examples_{name}.jpg", quality=85)
        print(json.dumps({name: {"mean_iou": round(float(np.mean(scores)), 3), "objects": example.clip.objects}}))
    return 0


def draw(segmenter: hodor.Segmenter, example: Example) -> tuple[np.ndarray, list[float]]:
    """Follows the objects of a clip; gives the picture [H, W, 3] and the IoU of every object in every frame but the first."""
    segmenter.reset()
    columns, scores = [], list[float]()
    for index, (image, truth) in enumerate(example.clip):
        found = segmenter.step(image, truth if index == 0 else None).cpu().numpy()
        if index:
            scores += [iou(found == object_id, truth == object_id) for object_id in range(1, example.clip.objects + 1)]
        if index in example.shown:
            pair = [drawing.draw(image, labels) for labels in (truth, found)]
            columns.append(np.vstack([pair[0], np.full((GAP, *image.shape[1:]), 255, dtype=np.uint8), pair[1]]))
    between = np.full((len(columns[0]), GAP, 3), 255, dtype=np.uint8)
    return np.hstack([part for column in columns for part in (column, between)][:-1]), scores


def iou(found: np.ndarray, truth: np.ndarray) -> float:
    """Intersection over union of two masks; 1 where both are empty."""
    union = np.count_nonzero(found | truth)
    return np.count_nonzero(found & truth) / union if union else 1.0


if __name__ == "__main__":
    run(main)

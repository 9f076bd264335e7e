"""Frames and masks of small data sets on disk."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from hodor.formats.label_maps import davis_palette, write_label_map

HEIGHT, WIDTH = 24, 40


def write_frames(folder: Path, count: int = 3, *, step: int = 1) -> None:
    """Writes frames 00000.jpg, 00001.jpg, ... of noise into a folder; every `step`-th number."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(count)
    for index in range(count):
        pixels = random.integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{index * step:05d}.jpg")


def boxes(rectangles: Mapping[int, tuple[int, int, int, int]], height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Draws a label map with one rectangle (top, left, bottom, right) for each id, later ones on top."""
    labels = np.zeros((height, width), dtype=np.uint8)
    for object_id, (top, left, bottom, right) in rectangles.items():
        labels[top:bottom, left:right] = object_id
    return labels


def write_palette(path: Path, labels: np.ndarray) -> None:
    """Writes a label map as DAVIS does."""
    write_label_map(path, labels, davis_palette())


def write_grey(path: Path, values: np.ndarray) -> None:
    """Writes values as a grey image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)

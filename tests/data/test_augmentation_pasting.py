"""Pasted objects: their pixels and labels belong together, they move on their own, and leave the others enough."""

import numpy as np
import pytest

from hodor.config.schema import StaticStrengths
from hodor.data.geometry import Frame
from hodor.data.pasting import paste

HEIGHT, WIDTH = 60, 90
GREEN = (10, 240, 10)


def ring() -> Frame:
    """A green ring in a red photograph."""
    rows, columns = np.indices((40, 50))
    distance = np.hypot(rows - 20, columns - 30)
    mask = (distance < 15) & (distance > 6)
    image = np.full((40, 50, 3), (240, 10, 10), dtype=np.uint8)
    image[mask] = GREEN
    return Frame(image, mask.astype(np.uint8))


def clip(labels: np.ndarray, frames: int = 3) -> list[Frame]:
    return [Frame(np.full((HEIGHT, WIDTH, 3), 128, dtype=np.uint8), labels) for _ in range(frames)]


@pytest.mark.parametrize("area", [0.02, 0.2])
def test_labels_lie_on_the_pasted_pixels_of_every_frame(area):
    nothing = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    strengths = StaticStrengths(pasted_area=(area, area), pasted_shift=0.0)
    for seed in range(20):
        random = np.random.default_rng(seed)
        pasted = paste(clip(nothing), ring(), 7, strengths, random)
        for frame in pasted:
            touched = (frame.image != 128).any(axis=2)
            green = (np.abs(frame.image.astype(int) - GREEN) < 50).all(axis=2)
            assert set(np.unique(frame.labels)) <= {0, 7}
            assert (frame.labels[green] == 7).all() and touched[frame.labels == 7].all()
            assert frame.labels[~touched].max(initial=0) == 0
        assert (pasted[0].labels == 7).sum() <= 1.15 * area * HEIGHT * WIDTH
        assert not np.array_equal(pasted[0].labels, pasted[1].labels)


def test_objects_of_the_reference_keep_enough_or_nothing_is_pasted():
    labels = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    labels[5:30, 5:40], labels[35:55, 50:85] = 1, 2
    strengths = StaticStrengths(pasted_area=(0.2, 0.3), kept_area=0.7)
    found = [paste(clip(labels), ring(), 0, strengths, np.random.default_rng(seed)) for seed in range(50)]
    hidden = [[1 - (frames[0].labels == label).sum() / (labels == label).sum() for label in (1, 2)] for frames in found]
    assert 0.1 < np.max(hidden) <= 0.3
    everywhere = np.ones((HEIGHT, WIDTH), dtype=np.uint8)
    greedy = StaticStrengths(pasted_area=(0.2, 0.3), kept_area=1.0)
    frames = clip(everywhere)
    assert paste(frames, ring(), 2, greedy, np.random.default_rng(0)) is frames


def test_what_is_pasted_over_the_border_of_the_photograph_is_valid():
    labels = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    outside = [Frame(frame.image, labels, np.zeros((HEIGHT, WIDTH), dtype=np.float32)) for frame in clip(labels)]
    pasted = paste(outside, ring(), 1, StaticStrengths(), np.random.default_rng(3))
    assert pasted is not outside and pasted[0].inside is not None
    assert (pasted[0].inside[pasted[0].labels == 1] > 0.5).all() and pasted[0].inside.min() == 0

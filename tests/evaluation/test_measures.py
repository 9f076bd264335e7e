"""J and F against golden values and against the definition written out pixel by pixel."""

import math
import warnings

import numpy as np
import pytest

from hodor.evaluation.measures import (
    Score,
    Statistics,
    boundary_map,
    boundary_tolerance,
    contour_accuracy,
    label_map_scores,
    mean_score,
    region_similarity,
    statistics,
)


def rectangle(top: int, bottom: int, left: int, right: int, size: tuple[int, int] = (100, 100)) -> np.ndarray:
    mask = np.zeros(size, dtype=bool)
    mask[top:bottom, left:right] = True
    return mask


TRUTH = rectangle(20, 60, 30, 80)
EMPTY = np.zeros((100, 100), dtype=bool)


def literal_boundary(mask: np.ndarray) -> list[tuple[int, int]]:
    height, width = mask.shape

    def at(y: int, x: int) -> bool:
        return y < height and x < width and bool(mask[y, x])

    found = []
    for y in range(height):
        for x in range(width):
            here, east, south, south_east = at(y, x), at(y, x + 1), at(y + 1, x), at(y + 1, x + 1)
            value = here != east or here != south or here != south_east
            if y == height - 1:
                value = here != east
            if x == width - 1:
                value = here != south
            if y == height - 1 and x == width - 1:
                value = False
            if value:
                found.append((y, x))
    return found


def literal_contour(prediction: np.ndarray, truth: np.ndarray) -> float:
    radius = math.ceil(0.008 * math.sqrt(truth.shape[0] ** 2 + truth.shape[1] ** 2))
    predicted, true = literal_boundary(prediction), literal_boundary(truth)

    def matched(these: list[tuple[int, int]], those: list[tuple[int, int]]) -> int:
        return sum(any((y - v) ** 2 + (x - u) ** 2 <= radius**2 for v, u in those) for y, x in these)

    if not predicted and not true:
        precision, recall = 1.0, 1.0
    elif not predicted:
        precision, recall = 1.0, 0.0
    elif not true:
        precision, recall = 0.0, 1.0
    else:
        precision, recall = matched(predicted, true) / len(predicted), matched(true, predicted) / len(true)
    return 0.0 if precision + recall == 0 else 2 * precision * recall / (precision + recall)


def literal_region(prediction: np.ndarray, truth: np.ndarray) -> float:
    pairs = list(zip(prediction.ravel().tolist(), truth.ravel().tolist(), strict=True))
    union = sum(p or t for p, t in pairs)
    return sum(p and t for p, t in pairs) / union if union else 1.0


@pytest.mark.parametrize(
    ("prediction", "truth", "region", "contour"),
    [
        (TRUTH, TRUTH, 1, 1),
        (rectangle(20, 60, 31, 81), TRUTH, 0.960784, 1),
        (rectangle(20, 60, 32, 82), TRUTH, 0.923077, 1),
        (rectangle(20, 60, 33, 83), TRUTH, 0.886792, 0.577778),
        (rectangle(20, 60, 35, 85), TRUTH, 0.818182, 0.555556),
        (rectangle(20, 60, 30, 55), TRUTH, 0.5, 0.612903),
        (EMPTY, TRUTH, 0, 0),
        (~EMPTY, TRUTH, 0.2, 0),
        (EMPTY, EMPTY, 1, 1),
        (TRUTH, EMPTY, 0, 0),
    ],
)
def test_golden_values(prediction: np.ndarray, truth: np.ndarray, region: float, contour: float) -> None:
    assert region_similarity(prediction, truth) == pytest.approx(region, abs=1e-6)
    assert contour_accuracy(prediction, truth) == pytest.approx(contour, abs=1e-6)
    scores = label_map_scores(prediction.astype(np.uint8) * 7, truth.astype(np.uint8) * 7, [7])
    assert scores[0] == pytest.approx([region], abs=1e-6)
    assert scores[1] == pytest.approx([contour], abs=1e-6)


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [(480, 854, 8), (480, 910, 9), (720, 1280, 12), (1080, 1920, 18), (100, 100, 2), (1, 1, 1)],
)
def test_tolerance(height: int, width: int, expected: int) -> None:
    assert boundary_tolerance(height, width) == expected


SIZES = [(1, 1), (1, 2), (1, 40), (40, 1), (2, 2), (3, 2), (2, 90), (90, 2), (13, 17), (31, 24), (40, 160), (150, 60)]


def random_label_map(generator: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Blobs of objects 0..3, often across the border; sometimes thin lines, noise, or one value everywhere."""
    labels = np.zeros(size, dtype=np.uint8)
    kind = generator.integers(6)
    if kind == 0:
        labels[:] = generator.integers(4)
    elif kind == 1:
        labels[:] = generator.integers(0, 4, size)
    elif kind == 2:
        labels[generator.integers(size[0])] = 1
        labels[:, generator.integers(size[1])] = 2
    else:
        for _ in range(4):
            y, x = generator.integers(-3, size[0] + 3), generator.integers(-3, size[1] + 3)
            rows, columns = np.ogrid[: size[0], : size[1]]
            inside = ((rows - y) / generator.uniform(1, 1 + size[0] / 3)) ** 2 + (
                (columns - x) / generator.uniform(1, 1 + size[1] / 3)
            ) ** 2 <= 1
            labels[inside] = generator.integers(4)
    return labels


@pytest.mark.parametrize("size", SIZES)
def test_equals_the_definition_on_random_masks(size: tuple[int, int]) -> None:
    generator = np.random.default_rng(size[0] * 1000 + size[1])
    for _ in range(12):
        truth = random_label_map(generator, size)
        prediction = random_label_map(generator, size)
        if generator.random() < 0.5:  # similar masks, for values of F between 0 and 1
            prediction = np.roll(truth, tuple(generator.integers(-3, 4, 2)), (0, 1))
        region, contour = label_map_scores(prediction, truth, [1, 2, 3])
        for index, object_id in enumerate((1, 2, 3)):
            masks = prediction == object_id, truth == object_id
            assert list(zip(*boundary_map(masks[1]).nonzero(), strict=True)) == literal_boundary(masks[1])
            assert region[index] == pytest.approx(literal_region(*masks), abs=1e-9)
            assert contour[index] == pytest.approx(literal_contour(*masks), abs=1e-9)
            assert contour_accuracy(*masks) == contour[index]
            assert region_similarity(*masks) == region[index]


def test_large_tolerance_is_an_exact_disk() -> None:
    generator = np.random.default_rng(0)
    dots = np.zeros((480, 854), dtype=np.uint8)
    dots[generator.integers(0, 480, 30), generator.integers(0, 854, 30)] = 1
    others = np.zeros_like(dots)
    others[generator.integers(0, 480, 300), generator.integers(0, 854, 300)] = 1
    _, contour = label_map_scores(dots, others, [1])
    assert 0 < contour[0] < 1
    assert contour[0] == pytest.approx(literal_contour(dots == 1, others == 1), abs=1e-9)


def test_masks_of_numbers_are_masks() -> None:
    assert region_similarity(TRUTH * 255, TRUTH * 2) == 1
    assert contour_accuracy(TRUTH.astype(np.uint8) * 255, TRUTH.astype(float)) == 1


def test_statistics_golden_values() -> None:
    first = statistics(np.linspace(1, 0, 10))
    assert (first.mean, first.recall) == pytest.approx((0.5, 0.5))
    assert first.decay == pytest.approx(0.777778, abs=1e-6)
    second = statistics([0.9, 0.8, 0.5, 0.4, 0.51])
    assert (second.mean, second.recall, second.decay) == pytest.approx((0.622, 0.6, 0.395), abs=1e-9)


def test_decay_of_many_frames_uses_whole_numbers() -> None:
    values = np.r_[np.ones(250), np.zeros(750)]
    assert statistics(values).decay == pytest.approx(250 / 251)
    values = np.r_[np.zeros(900), np.ones(100)]
    assert statistics(values).decay == pytest.approx(-100 / 251)


def test_decay_of_few_frames() -> None:
    assert statistics([0.7]) == Statistics(0.7, 1.0, 0.0)
    assert statistics([1.0, 0.0]) == Statistics(0.5, 0.5, 1.0)


def test_no_scores_give_nan_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nothing = statistics([])
        assert all(math.isnan(value) for value in (nothing.mean, nothing.recall, nothing.decay))
        something = Score(Statistics(0.5, 1.0, 0.25), Statistics(0.25, 0.0, 0.5))
        assert mean_score([Score(nothing, nothing), something]) == something
        assert math.isnan(mean_score([]).region.mean)

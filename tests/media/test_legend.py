"""The legend of objects in a corner of a frame."""

import math

import numpy as np
import pytest

from hodor.media.drawing import draw, object_palette

NAMES = {1: "dog", 2: "a name that is far too long for such a small picture, whatever its font"}


def legend(height: int, width: int, names: dict[int, str], confidences: dict[int, float] | None = None) -> np.ndarray:
    image = np.full((height, width, 3), 128, dtype=np.uint8)
    return draw(image, np.zeros((height, width), dtype=np.uint8), names=names, confidences=confidences)


def box_of(picture: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = ((picture != 128).any(axis=2).nonzero()[axis] for axis in (0, 1))
    return int(rows.min()), int(rows.max()) + 1, int(columns.min()), int(columns.max()) + 1


@pytest.mark.parametrize(("height", "width"), [(240, 427), (1080, 1920), (640, 360)])
def test_the_box_stays_in_its_corner_and_grows_with_the_frame(height, width):
    top, bottom, left, right = box_of(legend(height, width, NAMES, {1: 0.5}))
    assert bottom < 0.2 * height + 20 and right < 0.62 * width + 20 and top < 0.1 * height and left < 0.1 * width
    assert bottom - top >= 26 and (bottom - top > 90) == (height == 1080)


def test_each_object_has_its_colour_and_a_bar_as_long_as_its_confidence():
    def bar(confidence: float) -> int:
        picture = legend(720, 1280, {3: "cat"}, {3: confidence})
        return int((picture == object_palette()[3]).all(axis=2).sum(axis=1).max())

    swatch = bar(0.0)
    assert swatch > 10 and bar(math.nan) == swatch and bar(1.5) == bar(1.0)
    full = bar(1.0) - swatch
    assert full > 40 and abs(bar(0.5) - swatch - full / 2) <= 1 and abs(bar(0.9) - swatch - 0.9 * full) <= 1


def test_names_are_written_and_objects_without_one_have_their_number():
    named, other, numbered = (legend(360, 640, names, {4: 0.5}) for names in ({4: "dog"}, {4: "cow"}, {}))
    assert (named != other).any() and np.array_equal(numbered, legend(360, 640, {4: "4"}, {4: 0.5}))


def test_many_objects_are_counted_where_there_is_no_room():
    few, many = legend(240, 427, dict.fromkeys(range(1, 18), "x")), legend(240, 427, dict.fromkeys(range(1, 255), "x"))
    assert box_of(many)[1] <= 240
    shown = [each for each in range(1, 255) if (many == object_palette()[each]).all(axis=2).sum() > 20]
    assert shown == list(range(1, len(shown) + 1)) and 10 < len(shown) < 20
    assert (few == object_palette()[17]).all(axis=2).any()


@pytest.mark.parametrize(("height", "width"), [(1, 1), (9, 400), (400, 9), (30, 30)])
def test_no_frame_is_too_small(height, width):
    assert legend(height, width, NAMES, {1: 0.5}).shape == (height, width, 3)

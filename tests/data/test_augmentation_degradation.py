"""Exposure, motion blur and compression of single frames."""

import cv2
import numpy as np
import pytest

from hodor.config.schema import StaticStrengths
from hodor.data.appearance import compressed, degrade, exposed, motion_blurred
from hodor.data.geometry import Frame


@pytest.fixture
def frame():
    random = np.random.default_rng(3)
    image = cv2.resize(random.integers(0, 256, (6, 9, 3), dtype=np.uint8), (90, 60), interpolation=cv2.INTER_CUBIC)
    return Frame(image, (image[..., 0] > 128).astype(np.uint8))


def test_nothing_is_drawn_or_changed_where_all_is_off(frame):
    random = np.random.default_rng(0)
    same = degrade(frame, StaticStrengths(), random)
    assert np.array_equal(same.image, frame.image)
    assert random.random() == np.random.default_rng(0).random()


def test_masks_stay_and_images_change(frame):
    strengths = StaticStrengths(exposure=0.3, blur_share=1.0, blur=0.1, compression_share=1.0)
    changed = degrade(frame, strengths, np.random.default_rng(0))
    assert np.array_equal(changed.labels, frame.labels)
    assert np.abs(changed.image.astype(int) - frame.image).mean() > 5
    again = degrade(frame, strengths, np.random.default_rng(0))
    assert np.array_equal(changed.image, again.image)


def test_exposure_multiplies_channels_and_bends_the_curve(frame):
    halved = exposed(frame.image, np.array([0.5, 1.0, 1.0]), 0.0)
    expected = frame.image[..., 0] / 2
    assert np.abs(halved[..., 0] - expected).max() <= 0.51 and np.array_equal(halved[..., 1:], frame.image[..., 1:])
    middle = np.full((4, 4, 3), 100, dtype=np.uint8)
    gains = np.array([1.2, 1.0, 1.0])
    assert exposed(middle, gains, 1.0)[0, 0, 1] == round(255 * (100 / 255) ** (1 / 1.2))
    assert exposed(middle, gains, -1.0)[0, 0, 1] == round(255 * (100 / 255) ** (1 / 0.8))


@pytest.mark.parametrize(("angle", "along"), [(0, 1), (90, 0)])
def test_blur_smears_along_its_direction_and_keeps_the_light(angle, along):
    point = np.zeros((41, 41, 3), dtype=np.uint8)
    point[20, 20] = 255
    light = motion_blurred(point, 10, angle)[..., 0].astype(float)
    reach = [np.flatnonzero(light.sum(axis=1 - axis)) for axis in (0, 1)]
    assert reach[along].size >= 10 and reach[1 - along].size <= 3
    assert light.sum() == pytest.approx(255, rel=0.1)  # rounded at every pixel
    assert reach[along].mean() == 20


def test_blur_of_no_length_is_none(frame):
    assert motion_blurred(frame.image, 0.0, 30) is frame.image


def test_compression_keeps_colours_in_place_and_loses_more_at_low_quality(frame):
    errors = [np.abs(compressed(frame.image, quality).astype(int) - frame.image).mean() for quality in (95, 20)]
    assert errors[0] < 4 and errors[1] > 1.5 * errors[0]

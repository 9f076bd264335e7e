import colorsys

import cv2
import numpy as np
import pytest

from hodor.config.schema import ColourStrengths, StaticStrengths, VideoStrengths
from hodor.data.appearance import LIGHT_CHANNELS, change_colours, draw_colour_change

NAMES = ("YCrCb", "HSV", "HLS", "Lab", "Luv", "YUV")


def vivid_image(seed=0, low=60, high=190):
    """Colours far from grey and from the ends of the scale, where 8 bits are enough for every colour space."""
    random = np.random.default_rng(seed)
    base = random.integers(low, high - 50, (12, 16, 1))
    offsets = np.stack([random.permutation([0, 25, 50]) for _ in range(12 * 16)]).reshape(12, 16, 3)
    return (base + offsets).astype(np.uint8)


def per_pixel(image, function):
    pixels = [function(*(channel / 255 for channel in pixel)) for pixel in image.reshape(-1, 3).tolist()]
    return np.clip(np.array(pixels) * 255, 0, 255).reshape(image.shape)


@pytest.mark.parametrize("steps", [-8, -1, 3, 8])
def test_hue_turns_by_two_degrees_a_step(steps):
    image = vivid_image()
    expected = per_pixel(image, lambda r, g, b: hsv_changed(r, g, b, hue=steps / 180))
    assert np.abs(change_colours(image, hue=steps) - expected).max() <= 6


def hsv_changed(red, green, blue, hue=0.0, saturation=0.0, value=0.0):
    h, s, v = colorsys.rgb_to_hsv(red, green, blue)
    return colorsys.hsv_to_rgb((h + hue) % 1, np.clip(s + saturation, 0, 1), np.clip(v + value, 0, 1))


@pytest.mark.parametrize("amount", [-12, 5, 12])
def test_saturation_is_added_on_the_scale_of_255(amount):
    image = vivid_image(1)
    expected = per_pixel(image, lambda r, g, b: hsv_changed(r, g, b, saturation=amount / 255))
    assert np.abs(change_colours(image, saturation=amount) - expected).max() <= 6


def test_hue_goes_round_and_saturation_stops_at_its_ends():
    image = np.array([[[255, 0, 4], [254, 250, 252], [90, 90, 90]]], dtype=np.uint8)
    turned = cv2.cvtColor(change_colours(image, hue=8), cv2.COLOR_RGB2HSV)
    assert abs(int(turned[0, 0, 0]) - 8) <= 1
    np.testing.assert_array_equal(change_colours(image, saturation=-12)[0, 2], [90, 90, 90])
    assert change_colours(image, saturation=12)[0, 0, 1:].tolist() == [0, 0]


@pytest.mark.parametrize("factor", [0.95, 1.0, 1.05])
def test_contrast_is_about_127(factor):
    grey = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    expected = [min(max(round(127 + factor * (value - 127)), 0), 255) for value in range(256)]
    result = change_colours(grey, contrast=factor)
    assert np.abs(result.astype(int) - np.array(expected)[None, :, None]).max() <= 1
    assert result[0, 127].tolist() == [127, 127, 127]


@pytest.mark.parametrize("space", range(6), ids=NAMES)
@pytest.mark.parametrize("amount", [-25.0, 13.4, 25.0])
def test_brightness_is_added_to_the_light_channel(space, amount):
    image = vivid_image(2)
    if NAMES[space] in {"YCrCb", "YUV"}:
        expected = np.clip(image.astype(float) + amount, 0, 255)
    elif NAMES[space] == "HSV":
        expected = per_pixel(image, lambda r, g, b: hsv_changed(r, g, b, value=amount / 255))
    elif NAMES[space] == "HLS":

        def lighter(red, green, blue):
            hue, light, saturation = colorsys.rgb_to_hls(red, green, blue)
            return colorsys.hls_to_rgb(hue, np.clip(light + amount / 255, 0, 1), saturation)

        expected = per_pixel(image, lighter)
    else:
        there, back = ((cv2.COLOR_RGB2Lab, cv2.COLOR_Lab2RGB), (cv2.COLOR_RGB2Luv, cv2.COLOR_Luv2RGB))[NAMES[space] == "Luv"]
        exact = cv2.cvtColor((image / 255).astype(np.float32), there)
        exact[..., 0] = np.clip(exact[..., 0] + amount * 100 / 255, 0, 100)
        expected = np.clip(cv2.cvtColor(exact, back) * 255, 0, 255)
    difference = np.abs(change_colours(image, brightness=amount, space=space) - expected)
    assert difference.max() <= 8 and difference.mean() < 2


def test_brightness_stays_in_range():
    image = np.array([[[250, 240, 245], [3, 8, 5]]], dtype=np.uint8)
    for space in range(len(LIGHT_CHANNELS)):
        lighter, darker = (change_colours(image, brightness=amount, space=space) for amount in (25.0, -25.0))
        assert lighter[0, 0].min() >= 225 and darker[0, 1].max() <= 30


def test_the_order_is_hue_saturation_contrast_brightness():
    image = vivid_image(3)
    one_by_one = image
    for part in ({"hue": 5, "saturation": 9}, {"contrast": 1.05}, {"brightness": 20.0, "space": 2}):
        one_by_one = change_colours(one_by_one, **part)
    at_once = change_colours(image, hue=5, saturation=9, contrast=1.05, brightness=20.0, space=2)
    assert np.abs(at_once.astype(int) - one_by_one).max() <= 8


@pytest.mark.parametrize(("strengths", "brightness"), [(StaticStrengths(), 25), (VideoStrengths(), 20)])
def test_draws_reach_their_ranges_and_no_further(strengths, brightness):
    random = np.random.default_rng(0)
    draws = [draw_colour_change(strengths, random).keywords for _ in range(4000)]
    assert {draw["hue"] for draw in draws} == set(range(-8, 9))
    assert {draw["saturation"] for draw in draws} == set(range(-12, 13))
    for values, low, high in (
        ([draw["contrast"] for draw in draws], 0.95, 1.05),
        ([draw["brightness"] for draw in draws], -brightness, brightness),
    ):
        assert low <= min(values) < low + 0.01 * (high - low) and high - 0.01 * (high - low) < max(values) <= high
        assert abs(np.mean(values) - (low + high) / 2) < 0.03 * (high - low)
    assert np.bincount([draw["space"] for draw in draws], minlength=6).min() > 4000 / 6 * 0.85
    hues = np.bincount([draw["hue"] + 8 for draw in draws])
    assert hues[8] > 2 * np.delete(hues, 8).max() * 0.6  # -1, 0 and 1 of 255 all become 0


def test_strength_zero_changes_nothing_but_what_the_conversions_round():
    image = vivid_image(4)
    strengths = ColourStrengths(hue=0, saturation=0, contrast=0.0, brightness=0.0)
    for seed in range(12):
        result = draw_colour_change(strengths, np.random.default_rng(seed))(image)
        assert np.abs(result.astype(int) - image).max() <= 6

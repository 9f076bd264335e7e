"""What changes the look of images and moves no pixel: colours, and what cameras and codecs do to single frames of a video."""

from collections.abc import Callable
from functools import partial

import cv2
import numpy as np

from hodor.config.schema import ColourStrengths, StaticStrengths
from hodor.data.geometry import Frame

LIGHT_CHANNELS = (
    (cv2.COLOR_RGB2YCrCb, cv2.COLOR_YCrCb2RGB, 0),
    (cv2.COLOR_RGB2HSV, cv2.COLOR_HSV2RGB, 2),
    (cv2.COLOR_RGB2HLS, cv2.COLOR_HLS2RGB, 1),
    (cv2.COLOR_RGB2Lab, cv2.COLOR_Lab2RGB, 0),
    (cv2.COLOR_RGB2Luv, cv2.COLOR_Luv2RGB, 0),
    (cv2.COLOR_RGB2YUV, cv2.COLOR_YUV2RGB, 0),
)
"""Colour spaces with a channel of light: conversion from RGB, back to it, and the channel."""
HUES = 180  # of OpenCV's 8-bit HSV
_VALUES = np.arange(256)


def draw_colour_change(strengths: ColourStrengths, random: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
    """Draws what `change_colours` takes, each uniformly from its range; hue and saturation are whole numbers."""
    return partial(
        change_colours,
        hue=int(int(random.integers(-strengths.hue, strengths.hue + 1)) * HUES / 255),  # towards 0
        saturation=int(random.integers(-strengths.saturation, strengths.saturation + 1)),
        contrast=random.uniform(1 - strengths.contrast, 1 + strengths.contrast),
        brightness=random.uniform(-strengths.brightness, strengths.brightness),
        space=int(random.integers(len(LIGHT_CHANNELS))),
    )


def change_colours(
    image: np.ndarray, *, hue: int = 0, saturation: int = 0, contrast: float = 1.0, brightness: float = 0.0, space: int = 0
) -> np.ndarray:
    """Changes hue, saturation, contrast and brightness of an image `[H, W, 3]` (uint8, R, G, B), in this order.

    Args:
        hue: added to OpenCV's 0..180 scale, around the circle.
        saturation: added to S, which stays in 0..255.
        contrast: the factor of the distance from 127.
        brightness: added to the light channel, which stays in 0..255.
        space: the colour space with the light channel, an index into `LIGHT_CHANNELS`.
    """
    hue_saturation = [(_VALUES + hue) % HUES, _rounded(_VALUES + saturation), _VALUES]
    image = _through(image, cv2.COLOR_RGB2HSV, cv2.COLOR_HSV2RGB, hue_saturation)
    image = cv2.LUT(image, _rounded(127 + contrast * (_VALUES - 127)))
    there, back, channel = LIGHT_CHANNELS[space]
    tables = [_VALUES, _VALUES, _VALUES]
    tables[channel] = _rounded(_VALUES + brightness)
    return _through(image, there, back, tables)


def degrade(frame: Frame, strengths: StaticStrengths, random: np.random.Generator) -> Frame:
    """A frame with another exposure, blurred and compressed, each as far as `strengths` say; masks stay as they are.

    Nothing is drawn for what is switched off, so that samples without it stay the same.
    """
    image = frame.image
    if strengths.exposure:
        image = exposed(image, random.uniform(1 - strengths.exposure, 1 + strengths.exposure, 3), random.uniform(-1, 1))
    if strengths.blur_share and random.random() < strengths.blur_share:
        length = random.uniform(0, strengths.blur) * max(image.shape[:2])
        image = motion_blurred(image, length, random.uniform(0, 180))
    if strengths.compression_share and random.random() < strengths.compression_share:
        image = compressed(image, int(random.integers(strengths.compression_quality[0], strengths.compression_quality[1] + 1)))
    return frame._replace(image=image)


def exposed(image: np.ndarray, gains: np.ndarray, bend: float) -> np.ndarray:
    """An image `[H, W, 3]` (uint8) under other light: `gains` `[3]` are factors of R, G and B; `bend` in -1..1 says how far the
    middle of the curve is lifted, 1 = by a gamma of 1 / (1 + the gains' largest change).
    """
    gamma = 1 + bend * float(np.abs(gains - 1).max())
    curve = 255 * (_VALUES / 255) ** (1 / max(gamma, 0.1))
    return cv2.LUT(image, _rounded(curve[:, None] * gains)[None])


def motion_blurred(image: np.ndarray, length: float, angle: float) -> np.ndarray:
    """An image `[H, W, 3]` (uint8) that moved `length` pixels in a direction (degrees) while it was exposed."""
    radius = int(np.ceil(length / 2))
    if radius == 0:
        return image
    kernel = np.zeros((2 * radius + 1, 2 * radius + 1), dtype=np.float32)
    direction = np.array([np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))]) * length / 2
    start, end = (tuple(np.rint(16 * (radius + sign * direction)).astype(int).tolist()) for sign in (-1, 1))
    cv2.line(kernel, start, end, 1.0, 1, cv2.LINE_AA, 4)
    return cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT_101)


def compressed(image: np.ndarray, quality: int) -> np.ndarray:
    """An image `[H, W, 3]` (uint8, R, G, B) after JPEG of a quality in 1..100."""
    _, packed = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    unpacked = cv2.imdecode(packed, cv2.IMREAD_COLOR)
    assert unpacked is not None  # it was packed just now
    return cv2.cvtColor(unpacked, cv2.COLOR_BGR2RGB)


def _through(image: np.ndarray, there: int, back: int, tables: list[np.ndarray]) -> np.ndarray:
    """Replaces the values of each channel of another colour space by those of its table."""
    table = np.stack(tables, axis=-1).astype(np.uint8)[None]
    return cv2.cvtColor(cv2.LUT(cv2.cvtColor(image, there), table), back)


def _rounded(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)

"""Changes of colour: hue, saturation, contrast and brightness, in this order."""

from dataclasses import dataclass

import cv2
import numpy as np

from hodor.config.strengths import ColourStrengths

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
_MIDDLE = 127
_VALUES = np.arange(256)


@dataclass(frozen=True)
class ColourChange:
    """One draw.

    Attributes:
        hue: added to OpenCV's 0..180 scale, around the circle.
        saturation: added to S, which stays in 0..255.
        contrast: the factor of the distance from 127.
        brightness: added to the light channel, which stays in 0..255.
        space: the colour space with the light channel, an index into `LIGHT_CHANNELS`.
    """

    hue: int
    saturation: int
    contrast: float
    brightness: float
    space: int


def draw_colour_change(strengths: ColourStrengths, random: np.random.Generator) -> ColourChange:
    """Draws each number uniformly from its range; hue and saturation are whole numbers."""
    return ColourChange(
        hue=int(int(random.integers(-strengths.hue, strengths.hue + 1)) * HUES / 255),  # towards 0
        saturation=int(random.integers(-strengths.saturation, strengths.saturation + 1)),
        contrast=random.uniform(1 - strengths.contrast, 1 + strengths.contrast),
        brightness=random.uniform(-strengths.brightness, strengths.brightness),
        space=int(random.integers(len(LIGHT_CHANNELS))),
    )


def change_colours(image: np.ndarray, change: ColourChange) -> np.ndarray:
    """Applies a draw to an image `[H, W, 3]` (uint8, R, G, B)."""
    hue_saturation = [(_VALUES + change.hue) % HUES, _rounded(_VALUES + change.saturation), _VALUES]
    image = _through(image, cv2.COLOR_RGB2HSV, cv2.COLOR_HSV2RGB, hue_saturation)
    image = cv2.LUT(image, _rounded(_MIDDLE + change.contrast * (_VALUES - _MIDDLE)))
    there, back, channel = LIGHT_CHANNELS[change.space]
    tables = [_VALUES, _VALUES, _VALUES]
    tables[channel] = _rounded(_VALUES + change.brightness)
    return _through(image, there, back, tables)


def _through(image: np.ndarray, there: int, back: int, tables: list[np.ndarray]) -> np.ndarray:
    """Replaces the values of each channel of another colour space by those of its table."""
    table = np.stack(tables, axis=-1).astype(np.uint8)[None]
    return cv2.cvtColor(cv2.LUT(cv2.cvtColor(image, there), table), back)


def _rounded(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)

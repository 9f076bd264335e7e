"""Objects drawn into frames: tinted, outlined so that it shows on any ground, and named in a legend."""

import functools
import math
from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw, ImageFont

from hodor.errors import HodorError
from hodor.media.boxes import bounding_box

OPACITY = 0.45  # of the colours within objects, where nobody says otherwise
_LINE = 270  # a line is a pixel wide for every so many pixels of the frame's shorter side, and at least one
_LIGHTENED = 0.35  # how much white is in the light line
_DARKENED = 0.25  # what the dark line leaves of the frame's brightness
_ROWS = 22  # of the legend; so many fit below each other
_LOWEST = 13  # height of a row in pixels, in small frames
_WIDEST = 0.45  # what the box takes of a frame's width at most
_GROUND = 0.35  # what the box leaves of the frame's brightness
_TEXT = (245, 245, 245)
_EMPTY = (115, 115, 115)
_COLOURS = """
00bbff ff3300 ffee00 ff6699 aaff88 7777ff ffbb44 11ffcc cc66cc 00aa55 ee5544 ff8800 ee00ff 00dd66 ff33aa
ff77ff ddee66 bbdd00 ff77cc 77cc22 77dd99 ffaaee bbaa44 bbee99 ee22dd bb7722 aa66dd ee88bb ffaa66 ff4477
00bb99 ee8877 cc66aa 44ffff ff3355 119922 cc88dd ffcc77 33ddcc aadd55 ff7788 ff6666 ee33bb 00bb00 44aaff
bbff55 4488ee dd8855 88ffbb 77ee77 559944 99cc77 bbbb44 aabb55 ee4499 44eeaa ff0088 ff66dd dd33ee ff22cc
77eebb 55cc99 ff55bb bb88ee cc66ee 88ee22 bb66bb dd6677 88dd88 dddd66 ff88ee bb9933 dd66dd 99ee88 99ffaa
ffdd44 99dd44 00ff99 dd77cc ff88aa ff9933 ff99ee bb8833 bb55ee 55cc66 7788ff ff77aa ddaa55 cc77bb ff6600
ff4488 dd88ee cc6699 bbee55 bbcc55 99aaff 99ff77 77bb44 99aa00 44bb33 44cc55 77aa44 00eedd 339966 ccdd77
cccc22 ff3333 ffaa11 779933 aacc66 77cc88 aaff22 dd77ee 11eeff 66ee99 aa77cc ff66aa 66ee66 ee7777 eeee88
11aa88 ff00aa ff5566 dd9933 ccee44 ee5522 55bb77 ff3366 77ffdd 66aa66 99aa55 ff6688 dd6655 ff88dd dd99ee
ff33ff ee44ee 33ddaa dd8811 ff88cc 99bb33 44ff55 ffcc33 33bb66 77ff44 ff99dd cc6655 aa88dd dd88cc ee00ee
449955 eeaaff ee33ff 888833 cc7744 ff8899 bbdd88 ff9977 ee77bb bb66aa 88ff66 ccbb11 88dd66 99eeaa 4488dd
66ff88 ee8844 ff5599 ff88bb ddee00 0088ff ff55aa dd77bb ee6655 ff33bb 55dd55 ee6600 ee88dd ff4499 dd7744
ff2299 ddcc55 99ee44 ddbb33 dd6622 44ee88 44ee55 00ffee 00ccbb dd33ff ff99cc 00cc88 ee6666 ccee88 ccbb55
ee44cc ff55ee bb66dd 66cc77 bbdd66 00ffbb ee5588 ee6633 cc9944 7788ee 33dd88 66aa22 88cc55 ee66aa aa66ff
8877dd ff3322 ff6655 ff7799 ee9966 ff8877 dd9955 dd7722 ff33dd aacc44 ff88ff ccdd55 ee8866 aaee77 ff5588
559900 77bb66 999933 dddd22 eeee55 ee00dd 88ffcc ee5577 ee33dd dd88ff ee8811 99dd77 ff8855 9988ff eeaa55
bbaa00 eedd77 77bb00 33eeee 44aa77 55bb88 aa8833 ff8888 cc99ee ee11cc 00ffdd ff9966 9977cc ff22aa ff4422
"""  # of objects 1 to 255, by scripts/choose_colours.py


@functools.cache
def object_palette() -> np.ndarray:
    """Bright colours, each far from those before it, also for people who lack one kind of cones; black for no object.

    Row i of [256, 3] uint8, R, G, B, is the colour of object i. It can't be written to.
    """
    colours = np.frombuffer(bytes.fromhex("000000" + _COLOURS), np.uint8).reshape(256, 3)
    colours.flags.writeable = False
    return colours


def draw(
    image: ArrayLike,
    labels: ArrayLike,
    *,
    palette: np.ndarray | None = None,
    opacity: float = OPACITY,
    outline: bool = True,
    names: Mapping[int, str] | None = None,
    confidences: Mapping[int, float] | None = None,
) -> np.ndarray:
    """Draws objects into a frame. Neither argument is changed.

    Args:
        image: [H, W, 3] uint8, R, G, B: an array, a tensor of the CPU, or a PIL image.
        labels: [H, W], object ids 0..255, 0 for none; likewise.
        palette: [256, 3] uint8, a colour for each id; None takes those of `object_palette`.
        opacity: of the colours within objects, 0 to 1.
        outline: a light line within each object along its border, and a dark one outside.
        names: {object id: name} to be listed in a legend.
        confidences: {object id: 0 to 1} to be shown as bars in the legend; a NaN is shown as unknown.

    Returns:
        [H, W, 3] uint8.

    Raises:
        HodorError: the image or the labels are something else, or don't have the same size.
    """
    image, labels = _checked(image, labels)
    colours = object_palette() if palette is None else palette
    result = image.copy()
    if box := bounding_box(labels):
        width = max(round(min(labels.shape) / _LINE), 1)
        part = tuple(slice(max(first - 2 * width, 0), first + length + 2 * width) for first, length in (box[1::2], box[::2]))
        tinted = cv2.addWeighted(image[part], 1 - opacity, _coloured(labels[part], colours), opacity, 0)
        cv2.copyTo(tinted, labels[part], result[part])
        if outline:
            _outline(result[part], labels[part], colours, width)
    if names or confidences:
        _draw_legend(result, colours, names or {}, confidences or {})
    return result


def _checked(image: ArrayLike, labels: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """[H, W, 3] and [H, W], uint8."""
    picture, ids = np.asarray(image), np.asarray(labels)
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise HodorError(f"draw takes a frame [H, W, 3] of uint8, not {list(picture.shape)} of {picture.dtype}")
    if ids.shape != picture.shape[:2] or ids.dtype.kind not in "buif":
        raise HodorError(
            f"draw takes a label map of the frame's size {list(picture.shape[:2])}, not {list(ids.shape)} of {ids.dtype}"
        )
    checked = ids.astype(np.uint8, copy=False)
    if (checked != ids).any():
        raise HodorError("draw takes a label map of object ids 0..255")
    return picture, checked


def _outline(image: np.ndarray, labels: np.ndarray, colours: np.ndarray, width: int) -> None:
    """Draws lines of some width into `image`. Where objects touch there is a dark line as well, half of it in each."""
    is_object = labels > 0
    near = cv2.dilate(labels, _disc(width))
    dark = ~is_object & (near > 0)
    light = is_object & _near_others(labels, width)
    if width > 1:  # else objects that touch would have nothing but dark lines
        others = np.where(is_object, labels, near)  # the ground takes no part
        dark |= is_object & _near_others(others, width // 2)
    lightened = cv2.addWeighted(colours, 1 - _LIGHTENED, np.full_like(colours, 255), _LIGHTENED, 0)
    cv2.copyTo(_coloured(labels, lightened), light.view(np.uint8), image)
    cv2.copyTo(cv2.LUT(image, (np.arange(256) * _DARKENED).astype(np.uint8)), dark.view(np.uint8), image)


def _coloured(labels: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """`colours[labels]`, [H, W, 3], sooner."""
    return cv2.LUT(cv2.merge([labels] * 3), colours[None])


def _near_others(labels: np.ndarray, distance: int) -> np.ndarray:
    """[H, W] bool: where there is another label within some pixels."""
    disc = _disc(distance)
    return (cv2.dilate(labels, disc) != labels) | (cv2.erode(labels, disc) != labels)


def _disc(radius: int) -> np.ndarray:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE if radius > 1 else cv2.MORPH_CROSS, (2 * radius + 1, 2 * radius + 1))


def _draw_legend(image: np.ndarray, colours: np.ndarray, names: Mapping[int, str], confidences: Mapping[int, float]) -> None:
    """Draws a small box into the upper left corner of `image`, with the colour, the name and the confidence of each object.

    Objects without a name are called by their number; those for which there is no room are counted in the last row.
    """
    height, width = image.shape[:2]
    row = max(round(min(height, 1.2 * width) / _ROWS), _LOWEST)
    ids = sorted({*names, *confidences})
    room = max((height - row) // row, 1)
    shown = ids if len(ids) <= room else ids[: room - 1]
    texts = [names.get(each, str(each)) for each in shown]
    if len(shown) < len(ids):
        texts.append(f"and {len(ids) - len(shown)} more")
    swatch, bar = row, (round(2.4 * row) if confidences else 0)
    space = max(round(_WIDEST * width) - swatch - bar - row, row)
    labels = [_text(text, row, space) for text in texts]
    box_width = swatch + max(label.shape[1] for label in labels) + bar + row // 2
    box = image[row // 2 : row // 2 + len(texts) * row + row // 4, row // 2 : row // 2 + box_width]
    box[:] = (box * _GROUND).astype(np.uint8)
    for number, label in enumerate(labels):
        line = box[number * row + row // 8 : (number + 1) * row + row // 8]
        area = line[: len(label), swatch : swatch + label.shape[1]]
        share = label[: area.shape[0], : area.shape[1], None] / 255
        area[:] = (area * (1 - share) + np.array(_TEXT) * share).astype(np.uint8)
        if number < len(shown):
            colour, edge = colours[shown[number]], row // 5
            line[edge : row - edge, edge : row - edge] = colour
            if shown[number] in confidences:
                area = line[round(0.34 * row) : round(0.66 * row), -bar:]
                track = area[:, : max(area.shape[1] - row // 4, 1)]
                track[:] = _EMPTY
                known = min(max(0.0, confidences[shown[number]]), 1.0)  # and 0.0 instead of NaN
                track[:, : round(known * track.shape[1])] = colour


@functools.lru_cache(maxsize=1024)
def _text(text: str, row: int, space: int) -> np.ndarray:
    """A text in a row of some height, shortened to some width: [row, W] uint8, how much of each pixel it covers."""
    font = ImageFont.load_default(0.72 * row)
    shortened = text
    for length in range(len(text) - 1, -1, -1):
        if font.getlength(shortened) <= space:
            break
        shortened = text[:length] + "…"
    width = max(math.ceil(font.getlength(shortened)), 1) + row // 4
    picture = Image.new("L", (width, row))
    ImageDraw.Draw(picture).text((0, row / 2), shortened, fill=255, font=font, anchor="lm")
    return np.asarray(picture)

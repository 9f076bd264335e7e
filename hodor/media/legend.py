"""The legend of a frame: a small box in its upper left corner with the colour, the name and the confidence of each object."""

import functools
import math
from collections.abc import Mapping

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_ROWS = 22  # so many fit below each other
_LOWEST = 13  # height of a row in pixels, in small frames
_WIDEST = 0.45  # what the box takes of a frame's width at most
_GROUND = 0.35  # what the box leaves of the frame's brightness
_TEXT = (245, 245, 245)
_EMPTY = (115, 115, 115)


def draw_legend(image: np.ndarray, colours: np.ndarray, names: Mapping[int, str], confidences: Mapping[int, float]) -> None:
    """Draws the legend into `image`; arguments are those of `drawing.draw`.

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
                _bar(line[:, -bar:], row, confidences[shown[number]], colour)


def _bar(area: np.ndarray, row: int, confidence: float, colour: np.ndarray) -> None:
    """Fills the part of a bar that a confidence says; none where it is unknown."""
    track = area[round(0.34 * row) : round(0.66 * row), : max(area.shape[1] - row // 4, 1)]
    track[:] = _EMPTY
    if not math.isnan(confidence):
        track[:, : round(min(max(confidence, 0.0), 1.0) * track.shape[1])] = colour


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

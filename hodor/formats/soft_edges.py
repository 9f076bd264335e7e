"""Masks with soft edges, whose pixels along the edges have values of their own that are no objects: found, and refused.

Drawing antialiased, resizing with interpolation and saving as JPEG mix the values on both sides of an edge. What they leave are
specks: parts of equal pixels without any area (no 3x3 pixels), each pixel between a smaller and a larger neighbour. A real
object may be thin or small as well, but is one part, larger than two pixels; and specks are many along the edges.
"""

from pathlib import Path

import cv2
import numpy as np

from hodor.errors import HodorError
from hodor.formats.label_maps import VOID, colour_codes

_SPECK = 2  # pixels
_SHARE = 0.06  # of the pixels along edges that are specks: more than in any hard mask, fewer than in any soft one
_MIN_SPECKS = 3
_MIN_REPEATED = 3  # a real thin object may be cut in two, but hardly three of them
_SQUARE = np.ones((3, 3), np.uint8)


def refuse_soft_edges(pixels: np.ndarray, path: Path | str) -> None:
    """Makes sure that every value in a mask is an object's or the background's.

    Args:
        pixels: `[H, W]` values or `[H, W, 3]` colours, uint8.
        path: the mask's file, or what it is, for the message.

    Raises:
        HodorError: the mask has soft edges, or more colours than there are ids.
    """
    codes = pixels.astype(np.int32) if pixels.ndim == 2 else colour_codes(pixels)
    strange = _strange_values(pixels, codes)
    if not len(strange):
        return
    what, example = ("values", str(strange[0])) if pixels.ndim == 2 else ("colours", f"#{strange[0]:06x}")
    raise HodorError(
        f"{path}: the mask has soft edges: {len(strange)} of its {len(np.unique(codes))} {what}, such as {example}, "
        "occur only along edges; draw it with a hard brush (no antialiasing), resize it with nearest neighbours and save it as "
        "PNG, or read it as one object by --threshold 128"
    )


def _strange_values(pixels: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """The codes that soft edges made, ascending; none if the mask is hard."""
    smallest, values, largest = map(np.atleast_3d, (cv2.erode(pixels, _SQUARE), pixels, cv2.dilate(pixels, _SQUARE)))
    flat: np.ndarray = np.all(smallest == largest, axis=2)
    between: np.ndarray = np.any((smallest < values) & (values < largest), axis=2)
    solid = cv2.dilate(flat.astype(np.uint8), _SQUARE) > 0
    present = np.unique(codes)
    lines = np.setdiff1d(present, codes[flat])  # values without area
    suspicious = between & ~solid
    if len(present) > VOID + 1:
        return lines if len(lines) else present
    if pixels.ndim == 2 and present[-1] == VOID and len(lines) and np.array_equal(lines, np.setdiff1d(present, [0, VOID])):
        on_lines = np.isin(codes, lines)  # a white object, or one large "unsure" and all others thin
        if 2 * (suspicious & on_lines).sum() > on_lines.sum():
            return lines
    specks = _specks(codes, suspicious, flat)
    count = int(specks.sum())
    if count < _MIN_SPECKS or count < _SHARE * np.count_nonzero(~flat):
        return lines[:0]
    return np.unique(codes[specks])


def _specks(codes: np.ndarray, suspicious: np.ndarray, flat: np.ndarray) -> np.ndarray:
    """Those suspicious pixels, `[H, W]` bool, whose parts have no area and are tiny or not the only ones of their value."""
    tiny, repeated = np.zeros_like(suspicious), np.zeros_like(suspicious)
    values_repeated = 0
    for code in np.unique(codes[suspicious]):
        same = codes == code
        count, parts, statistics, _ = cv2.connectedComponentsWithStats(same.astype(np.uint8), connectivity=8)
        has_area = np.isin(np.arange(count), parts[flat & same])
        on_line = suspicious & same & ~has_area[parts]
        tiny |= on_line & (statistics[:, cv2.CC_STAT_AREA] <= _SPECK)[parts]
        if count > 2 and on_line.any():  # the first part is all the rest of the image
            repeated |= on_line
            values_repeated += 1
    return tiny | repeated if values_repeated >= _MIN_REPEATED else tiny

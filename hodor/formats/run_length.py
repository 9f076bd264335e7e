"""COCO's compressed run-length strings: masks as text. Reading trusts none of them, which pycocotools would.

A mask is read column by column as alternating runs of 0 and 1, starting with 0. From the fourth run on each length is stored as
the difference to the one two before it; numbers are written in groups of 5 bits, least significant first, with bit 5 meaning
"more follows" and bit 4 of the last group the sign, and each group is the character with code 48 + group.
"""

import numpy as np
from pycocotools import mask as coco

from hodor.errors import HodorError

_MOST_PIXELS = 2**40  # far from where sums of 64 bits would wrap


def encode(mask: np.ndarray) -> str:
    """Writes a mask `[H, W]` (bool, or 0 / not 0) as a run-length string."""
    pixels = np.asarray(mask).astype(bool)
    return coco.encode(np.asfortranarray(pixels, dtype=np.uint8))["counts"].decode("ascii")


def decode(text: str, height: int, width: int) -> np.ndarray:
    """Reads a run-length string as a mask `[height, width]` bool.

    Raises:
        ValueError: the string is no run-length code, or not one of this size.
    """
    counts = _counts(text)
    if counts.sum() != height * width:
        raise ValueError(f"the runs cover {counts.sum()} pixels instead of {height} x {width} = {height * width}")
    values = np.arange(len(counts)) % 2 == 1
    return np.ascontiguousarray(np.repeat(values, counts).reshape(width, height).T)


def decode_at(where: str, text: str, height: int, width: int) -> np.ndarray:
    """Reads a run-length string of a data set as `decode` does.

    Raises:
        HodorError: the string is no run-length code, or not one of the image's size; `where` names its place.
    """
    try:
        return decode(text, height, width)
    except ValueError as error:
        raise HodorError(f"{where}: the mask doesn't fit the image ({error}); convert the data set again") from None


def _counts(text: str) -> np.ndarray:
    """The run lengths in a string, int64; none is negative, and their sum is at most 2^40."""
    try:
        groups = np.frombuffer(text.encode("ascii"), dtype=np.uint8).astype(np.int64) - 48
    except UnicodeEncodeError:
        raise ValueError("not a run-length string") from None
    if len(groups) == 0 or (groups < 0).any() or (groups > 63).any() or groups[-1] & 0x20:
        raise ValueError("not a run-length string")
    ends = np.flatnonzero((groups & 0x20) == 0)
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    if lengths.max() > 8:
        raise ValueError("a run length is too large")
    shifts = 5 * (np.arange(len(groups)) - np.repeat(starts, lengths))
    values = np.add.reduceat((groups & 0x1F) << shifts, starts)
    values -= np.where(groups[ends] & 0x10, np.int64(1) << (5 * lengths), 0)
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    if (values < 0).any():
        raise ValueError("a run length is negative")
    # neighbours differ by 2^40 at most: where no value is too large, no sum of differences has wrapped on the way either
    if (values > _MOST_PIXELS).any() or values.sum(dtype=np.float64) > _MOST_PIXELS:
        raise ValueError("the runs cover more pixels than any image has")
    return values

"""Colour tables of label maps: row i of a palette `[256, 3]` (uint8, R, G, B) is the colour of object id i."""

import numpy as np

_YOUTUBE_VOS_FIRST = (
    (0, 0, 0), (236, 95, 103), (249, 145, 87), (250, 200, 99), (153, 199, 148), (98, 179, 178),
    (102, 153, 204), (197, 148, 197), (171, 121, 103), (255, 255, 255), (101, 115, 126),
)  # fmt: skip


def davis_palette() -> np.ndarray:
    """The Pascal VOC colour map, which DAVIS uses: the bits of the id, interleaved over the channels. `[256, 3]` uint8."""
    ids = np.arange(256)
    colours = np.zeros((256, 3), dtype=np.uint8)
    for bit in range(8):
        for channel in range(3):
            colours[:, channel] |= (((ids >> (3 * bit + channel)) & 1) << (7 - bit)).astype(np.uint8)
    return colours


def youtube_vos_palette() -> np.ndarray:
    """The colours of YouTube-VOS: eleven named ones, then grey (i, i, i). `[256, 3]` uint8."""
    colours = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    colours[: len(_YOUTUBE_VOS_FIRST)] = _YOUTUBE_VOS_FIRST
    return colours

"""Label maps as files: `[H, W]` uint8 where a pixel's value is the id of the object it shows, 0 for none; and their palettes.

Row i of a palette `[256, 3]` (uint8, R, G, B) is the colour of object id i.
"""

import functools
from pathlib import Path

import numpy as np
from PIL import Image

from hodor.errors import HodorError
from hodor.media.images import open_picture, write_image

VOID = 255  # "unsure" in DAVIS' annotations
_WHITE = {"1": 1, "L": VOID, "LA": VOID, "P": VOID, "RGB": 9, "RGBA": 9}  # what `read_label_map` makes of it, by image mode
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


def read_label_map(path: Path, *, binary: bool = False) -> np.ndarray:
    """Reads a mask file as a label map `[H, W]` uint8.

    Palette PNGs give their indices, grey ones their values, colour ones the ids of the DAVIS or YouTube-VOS palette. With
    `binary` every pixel that is not black belongs to object 1 (DAVIS 2016's 0/255 masks).

    Raises:
        HodorError: the file is broken or has 16 bits, or colours that are in no known palette.
    """
    picture = open_picture(path)
    if picture.mode not in {"P", "L", "1", "LA", "RGB", "RGBA"}:
        raise HodorError(f"{path}: a mask must be a palette, grey or RGB image, not {picture.mode}")
    pixels = np.array(picture)
    if picture.mode in {"RGB", "RGBA"}:
        labels = pixels[..., :3].max(axis=2) if binary else _labels_of_colours(pixels[..., :3], path)
    else:
        labels = (pixels[..., 0] if picture.mode == "LA" else pixels).astype(np.uint8, copy=False)
    return (labels > 0).astype(np.uint8) if binary else labels


def write_label_map(path: Path, labels: np.ndarray, palette: np.ndarray) -> None:
    """Writes `labels` `[H, W]` uint8 as a palette PNG whose pixel values are the ids; complete or absent."""
    picture = Image.fromarray(labels).convert("P")
    picture.putpalette(palette.tobytes())
    write_image(path, picture)


def present_ids(labels: np.ndarray) -> list[int]:
    """The ids in a label map (uint8, any shape), ascending, without the background; 255 counts as one."""
    return (np.flatnonzero(np.bincount(labels.ravel(), minlength=2)[1:]) + 1).tolist()


def is_white_only(ids: list[int], path: Path) -> bool:
    """Whether a mask file, from which `read_label_map` gave these ids, shows one object in white on black instead."""
    with Image.open(path) as picture:
        return ids == [_WHITE.get(picture.mode)]


def colour_codes(colours: np.ndarray) -> np.ndarray:
    """`[..., 3]` colours -> `[...]` int32, R << 16 | G << 8 | B."""
    codes = colours[..., 0].astype(np.int32)
    for channel in (1, 2):
        codes <<= 8
        codes |= colours[..., channel]
    return codes


@functools.cache
def ids_by_colour() -> list[dict[int, int]]:
    """The palettes of DAVIS and of YouTube-VOS as {R << 16 | G << 8 | B: id}; of equal colours the first one counts."""
    palettes = []
    for palette in (davis_palette(), youtube_vos_palette()):
        codes = colour_codes(palette).tolist()
        palettes.append({code: codes.index(code) for code in codes})
    return palettes


def _labels_of_colours(colours: np.ndarray, path: Path) -> np.ndarray:
    """`[H, W, 3]` colours -> `[H, W]` ids by the first palette that knows all of them."""
    codes = colour_codes(colours)
    present = np.unique(codes)
    palettes = ids_by_colour()
    for ids in palettes:
        if ids.keys() >= set(present.tolist()):
            return np.array([ids[code] for code in present.tolist()], np.uint8)[np.searchsorted(present, codes)]
    strange = next((code for code in present.tolist() if all(code not in ids for ids in palettes)), int(present[-1]))
    raise HodorError(
        f"{path}: {len(present)} colours, such as {(strange >> 16, strange >> 8 & 255, strange & 255)}, "
        "are in no known palette; save the mask without antialiasing as palette or grey PNG with object ids as pixel values "
        "(hodor convert folder takes any colours that --colours names)"
    )

"""Reading photographs and frames: strict, so that a broken file is an error and never half a picture."""

from pathlib import Path

import numpy as np
from PIL import Image

from hodor.errors import HodorError

_EXIF_ORIENTATION = 0x0112
_COLOUR_MODES = {"RGB", "RGBA", "L", "LA", "P", "PA", "1", "CMYK", "YCbCr"}
Image.MAX_IMAGE_PIXELS = None  # sizes are the user's business; a 200-megapixel panorama is no attack here


def read_image(path: Path) -> np.ndarray:
    """Reads an 8-bit image file as colour `[H, W, 3]` (uint8, R, G, B). Grey is repeated, transparency is dropped.

    Raises:
        HodorError: the file is missing, empty, truncated, no image, has 16 bits per channel, or asks to be rotated.
    """
    picture = open_picture(path)
    if picture.mode not in _COLOUR_MODES:
        raise HodorError(f"{path}: image mode {picture.mode} is not supported; convert it to 8-bit RGB")
    _refuse_rotation(picture, path)
    return np.array(_without_alpha(picture))


def open_picture(path: Path) -> Image.Image:
    """Opens and fully decodes an image file of 8 bits per channel.

    Raises:
        HodorError: the file is missing, empty, truncated, no image, or has 16 bits per channel.
    """
    try:
        with Image.open(path) as picture:
            if _bits_16(picture):
                raise HodorError(f"{path}: 16 bits per channel are not supported; convert it to 8 bits")
            picture.load()
            return picture
    except FileNotFoundError:
        raise HodorError(f"{path}: no such file") from None
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = "is empty" if path.stat().st_size == 0 else "is truncated or not an image"
        raise HodorError(f"{path}: the file {reason}; replace it") from None


def image_size(path: Path) -> tuple[int, int]:
    """(height, width) of an image file, read from its header only.

    Raises:
        HodorError: the file is missing, not an image, has 16 bits per channel, or asks to be rotated.
    """
    try:
        with Image.open(path) as picture:
            if _bits_16(picture):
                raise HodorError(f"{path}: 16 bits per channel are not supported; convert it to 8 bits")
            # Pillow turns TIFFs upright itself, and decodes a whole PNG to look for a late EXIF chunk
            if picture.format not in {"PNG", "TIFF"} or "exif" in picture.info:
                _refuse_rotation(picture, path)
            return picture.height, picture.width
    except FileNotFoundError:
        raise HodorError(f"{path}: no such file") from None
    except (OSError, SyntaxError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise HodorError(f"{path}: not an image; replace it") from None


def _refuse_rotation(picture: Image.Image, path: Path) -> None:
    if picture.getexif().get(_EXIF_ORIENTATION, 1) != 1:
        raise HodorError(
            f"{path}: the image asks to be rotated (EXIF orientation), so its masks would not fit; save it upright"
        )


def _bits_16(picture: Image.Image) -> bool:
    raw_modes = [str(tile[3]) for tile in getattr(picture, "tile", [])]
    return picture.mode.startswith(("I", "F")) or any(";16" in mode for mode in raw_modes)


def _without_alpha(picture: Image.Image) -> Image.Image:
    if picture.mode == "RGB":
        return picture
    return (picture.convert("RGBA") if picture.mode in {"P", "PA"} else picture).convert("RGB")

"""Image files become pixels here and nowhere else: read strictly, a broken one is an error and never half a picture; sizes."""

import importlib.util
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from hodor.errors import HodorError
from hodor.files import written_aside

MAX_PIXELS = 2**26  # that an image may have, 67 million: more than a frame of 8K
IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})  # of files that count as images
COLOUR_MODES = frozenset({"RGB", "RGBA", "L", "LA", "P", "PA", "1", "CMYK", "YCbCr"})  # of 8 bits, Pillow's names
_FORMATS = ["PNG", "JPEG", "BMP", "WEBP", "TIFF", "GIF", "PPM", "JPEG2000"]
if importlib.util.find_spec("PIL.AvifImagePlugin"):  # since Pillow 11.3
    _FORMATS.append("AVIF")
_EXIF_ORIENTATION = 0x0112
_ROTATING = range(2, 9)  # orientations that ask for it; 0, which some cameras write, says nothing
Image.MAX_IMAGE_PIXELS = None  # `opened_picture` has a limit of its own
warnings.filterwarnings("ignore", module=r"PIL\.")  # a file is good or an error


def read_image(path: Path, max_pixels: int = MAX_PIXELS, *, upright: bool = False) -> np.ndarray:
    """Reads an 8-bit image file as colour `[H, W, 3]` (uint8, R, G, B). Grey is repeated, transparency is dropped.

    Args:
        path: the file; of an animation the first picture counts.
        max_pixels: how many it may have.
        upright: an image that asks to be rotated is turned as its EXIF orientation says, instead of refused.

    Raises:
        HodorError: the file is missing, empty, truncated, no image, too large, has 16 bits per channel, or asks to be rotated.
    """
    with opened_picture(path, max_pixels) as picture:
        picture.load()
        if picture.mode not in COLOUR_MODES:
            raise HodorError(f"{path}: image mode {picture.mode} is not supported; convert it to 8-bit RGB")
        shown: Image.Image = picture
        if not upright:
            refuse_rotation(picture, path)
        elif _orientation(picture, path) in _ROTATING:
            shown = ImageOps.exif_transpose(picture)
        if shown.mode in {"P", "PA"}:
            shown = shown.convert("RGBA")
        return np.array(shown if shown.mode == "RGB" else shown.convert("RGB"))


def open_picture(path: Path, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Opens and fully decodes an image file of 8 bits per channel, rotated or not; else as `read_image`."""
    with opened_picture(path, max_pixels) as picture:
        picture.load()
        return picture


def image_size(path: Path, max_pixels: int = MAX_PIXELS, *, upright: bool = False) -> tuple[int, int]:
    """(height, width) of what `read_image` gives, read from the header only; arguments and errors as there."""
    with opened_picture(path, max_pixels) as picture:
        # Pillow turns TIFFs upright itself, and decodes a whole PNG to look for a late EXIF chunk.
        if picture.format not in {"PNG", "TIFF"} or "exif" in picture.info:
            if not upright:
                refuse_rotation(picture, path)
            elif _orientation(picture, path) in range(5, 9):
                return picture.width, picture.height
        return picture.height, picture.width


def write_image(path: Path, picture: np.ndarray | Image.Image, quality: int = 95) -> None:
    """Writes [H, W, 3] uint8 (R, G, B), or any picture of Pillow's, in the format of the name's ending; `quality` is of a JPEG.

    The file is complete or absent, its folder is made, and an OSError tells of a full disk.
    """
    encoded = io.BytesIO()  # given a file of the system, Pillow takes no notice of a write that was cut short
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(encoded, format=Image.registered_extensions()[path.suffix], quality=quality)
    with written_aside(path) as aside:
        aside.write_bytes(encoded.getbuffer())


def refuse_too_large(path: Path | str, width: int, height: int, max_pixels: int) -> None:
    """Raises a HodorError if a header tells of more than `max_pixels`, before there is memory for them."""
    if width * height > max_pixels:
        raise HodorError(
            f"{path}: has {width}x{height} pixels, and {max_pixels} are the most that can be read; make it smaller, "
            "or raise --max_pixels"
        )


def refuse_rotation(picture: Image.Image, path: Path) -> None:
    """Raises a HodorError if an opened image file asks to be rotated, or its EXIF data is broken and may ask for it."""
    if _orientation(picture, path) in _ROTATING:
        raise HodorError(
            f"{path}: the image asks to be rotated (EXIF orientation), so its masks would not fit; save it upright"
        )


def network_size(height: int, width: int, min_dim: int, max_dim: int) -> tuple[int, int]:
    """(height, width), in pixels, of a frame whose shorter side becomes `min_dim`, or its longer one `max_dim` if smaller."""
    scale = min(min_dim / min(height, width), max_dim / max(height, width))
    return max(round(scale * height), 1), max(round(scale * width), 1)


@contextmanager
def opened_picture(path: Path, max_pixels: int = MAX_PIXELS) -> Iterator[Image.Image]:
    """An image file whose header was read. Whatever goes wrong with it meanwhile becomes a HodorError, or is an OSError."""
    try:
        if path.exists() and not path.is_file():  # opening a pipe could wait forever
            raise HodorError(f"{path}: is a folder, a pipe or a device, not an image; replace it")
        with Image.open(path, formats=_FORMATS) as picture:
            refuse_too_large(path, picture.width, picture.height, max_pixels)
            tiles = getattr(picture, "tile", [])
            if picture.mode.startswith(("I", "F")) or any(";16" in str(tile[3]) for tile in tiles):
                raise HodorError(f"{path}: 16 bits per channel are not supported; convert it to 8 bits")
            if picture.format == "TIFF":  # of which Pillow leaves black what no tile covers
                areas = [(right - left) * (bottom - top) for _, (left, top, right, bottom), *_ in tiles]
                if sum(areas) < picture.width * picture.height:
                    raise EOFError
            yield picture
    except HodorError:
        raise
    except FileNotFoundError:
        raise HodorError(f"{path}: no such file") from None
    except Exception as error:  # decoders raise SyntaxError, OverflowError, MemoryError, struct.error, ...
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = "is empty" if path.is_file() and path.stat().st_size == 0 else "is truncated or not an image"
        raise HodorError(f"{path}: the file {reason}; replace it") from None


def _orientation(picture: Image.Image, path: Path) -> int:
    try:
        return picture.getexif().get(_EXIF_ORIENTATION, 1)
    except Exception:  # of any kind
        raise HodorError(f"{path}: its EXIF data is broken and may ask to rotate the image; save it without") from None

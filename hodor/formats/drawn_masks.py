"""Masks as people draw and save them: what a file shows is found out from its pixels, and what is doubtful is refused."""

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from hodor.errors import HodorError
from hodor.formats.colour_ids import BLACK, WHITE, ColourIds, colour_name
from hodor.formats.label_maps import VOID, colour_codes, present_ids
from hodor.formats.soft_edges import refuse_soft_edges
from hodor.media.images import COLOUR_MODES, open_picture, refuse_rotation

_OPAQUE = 127  # an alpha above is opaque
_FEW_COLOURS = 8  # so many are never taken for a photograph's
_PIXELS_PER_COLOUR = 4  # of a photograph that was cut out, at most
_LOSSY_WEBP = re.compile(rb"VP8 .{7}\x9d\x01\x2a", re.DOTALL)  # a chunk of lossy pixels, with the code that starts them
_MANY = 12  # more objects than this are counted, not named one by one


class DrawnMask(NamedTuple):
    """The objects in a mask file."""

    labels: np.ndarray  # [H, W] uint8, 0 none, 1..254 the ids of objects
    found: str  # one line for the user: which objects, and from what they were read


def read_drawn_mask(
    path: Path,
    *,
    size: tuple[int, int] | None = None,
    colours: ColourIds | None = None,
    threshold: int | None = None,
    may_be_empty: bool = False,
) -> DrawnMask:
    """Reads a mask in whatever form it was saved.

    Palette files give their indices and grey ones their values as ids (255 = "unsure", no object), but black and white are one
    object, and so is a photograph cut out on transparency. Colours get ids by `colours`; black and transparent are background.

    Args:
        path: the file.
        size: (height, width) of the frame.
        colours: shared by all masks of a video, so that a colour means one object. Where the user said in it which colours
            there are, palette and grey files are read by their colours too.
        threshold: 1..255; the mask is one object, where it is at least so bright. For masks with soft edges.
        may_be_empty: a mask without an object is none of the errors.

    Raises:
        HodorError: the file is broken, has 16 bits per channel, asks to be rotated, isn't of the frame's size, shows no object,
            or has soft edges and there is no threshold; or black is in its palette, but not as the background.
    """
    picture = open_picture(path)
    refuse_rotation(picture, path)
    if picture.mode not in COLOUR_MODES:
        raise HodorError(f"{path}: a mask must be a palette, grey or RGB image, not {picture.mode}")
    if size is not None and (picture.height, picture.width) != size:
        raise HodorError(
            f"{path}: the mask is {picture.width}x{picture.height}, its frame {size[1]}x{size[0]}; "
            "save it at the frame's size, resized with nearest neighbours"
        )
    if threshold is None:
        refuse_blurring_format(picture, path, ", or read it as one object by --threshold 128")
        colours = colours or ColourIds()
        drawn = _by_values(picture, path) if _has_ids(picture, colours) else _by_appearance(picture, path, colours)
    else:
        drawn = _by_brightness(picture, threshold)
    if not (may_be_empty or drawn.labels.any()):
        raise HodorError(f"{path}: the mask is empty, nothing in it is an object; paint one, or leave the file out")
    return drawn


def refuse_blurring_format(picture: Image.Image, what: Path | str, otherwise: str = "") -> None:
    """Makes sure that a picture, as it was opened, is not from a file of a kind that blurs edges.

    Raises:
        HodorError: it is; the message names it by `what`, and ends with what else one may do.
    """
    kind = {"JPEG": "JPEG", "MPO": "JPEG", "WEBP": "lossy WebP"}.get(picture.format or "")
    file = getattr(picture, "filename", "")
    if picture.format == "WEBP" and not (file and _LOSSY_WEBP.search(Path(file).read_bytes())):
        return
    if kind is not None:
        raise HodorError(f"{what}: {kind} blurs the edges of a mask; save it as PNG{otherwise}")


def refuse_black_objects(picture: Image.Image, values: np.ndarray, path: Path | str) -> None:
    """Raises a HodorError where a program put a palette in an order of its own: black is not 0, so indices are no ids."""
    palette = np.array(picture.getpalette(), np.uint8).reshape(-1, 3)
    black = [index for index in present_ids(values) if index < len(palette) and not palette[index].any()]
    if black and palette[0].any():
        raise HodorError(
            f"{path}: black has the index {black[0]} in its palette, and another colour is 0, so it is not clear what the "
            "background is; save it as RGB, where black is, or say what the colours are, as in --colours black=0 white=1"
        )


def _by_brightness(picture: Image.Image, threshold: int) -> DrawnMask:
    """One object, where it is bright enough; what is transparent is dark."""
    if not 1 <= threshold <= 255:
        raise HodorError(f"--threshold {threshold}: must be from 1 to 255")
    rgba = np.array(picture.convert("RGBA"))
    brightness = rgba[..., :3].max(axis=2).astype(np.uint16) * rgba[..., 3] // 255
    return DrawnMask((brightness >= threshold).astype(np.uint8), f"object 1: from values of {threshold} or more")


def _has_ids(picture: Image.Image, colours: ColourIds) -> bool:
    """Whether values are ids: not where colours were given meaning, nor where another index than 0 is clear, the background."""
    transparent = picture.info.get("transparency", 0) if picture.mode == "P" else 0
    has_other_background = transparent != 0 if isinstance(transparent, int) else 0 in transparent[1:]
    return picture.mode in {"P", "L", "1"} and not has_other_background and not colours.given


def _by_values(picture: Image.Image, path: Path) -> DrawnMask:
    """Values or palette indices as ids, or as one object in white."""
    values = np.array(picture.convert("L") if picture.mode == "1" else picture)
    if picture.mode == "P":
        refuse_black_objects(picture, values, path)
    refuse_soft_edges(values, path)
    ids = present_ids(values)
    if ids == [VOID]:
        return _white(values > 0)
    names = {object_id: str(object_id) for object_id in ids}
    return _drawn(values, names, "from palette indices" if picture.mode == "P" else "from grey values")


def _by_appearance(picture: Image.Image, path: Path, colours: ColourIds) -> DrawnMask:
    """What colours and transparency show."""
    rgba = np.array(picture.convert("RGBA"))
    opaque = rgba[..., 3] > _OPAQUE
    if not opaque.all() and not colours.given and _is_cutout(colour_codes(rgba[opaque])):
        return DrawnMask(opaque.astype(np.uint8), "object 1: from what is not transparent")
    shown = np.where(opaque[..., None], rgba[..., :3], np.uint8(0))
    refuse_soft_edges(shown, path)
    present, first, index, areas = np.unique(colour_codes(shown), return_index=True, return_inverse=True, return_counts=True)
    codes = [int(present[i]) for i in np.lexsort((first, areas))]
    is_white = set(codes) <= {BLACK, WHITE}
    is_one_object = is_white and colours.is_new and not colours.given
    if not (is_white or colours.given or colours.know_all(codes)) and (shown == shown[..., :1]).all():
        return _by_values(Image.fromarray(shown[..., 0]), path)
    try:
        ids = colours.ids_of(codes)
    except HodorError as error:
        raise HodorError(f"{path}: {error}") from None
    if is_one_object:
        return _white(shown[..., 0] > 0)
    labels = np.array([ids[code] for code in present.tolist()], dtype=np.uint8)[index].reshape(opaque.shape)
    names: dict[int, str] = {}
    for code in present.tolist():
        names[ids[code]] = f"{names[ids[code]]}, {colour_name(code)}" if ids[code] in names else colour_name(code)
    return _drawn(labels, {i: f"{i} ({name})" for i, name in sorted(names.items()) if i}, "from colours")


def _is_cutout(codes: np.ndarray) -> bool:
    """Whether the opaque pixels `[N]` show a thing itself, or its black silhouette, and not flat colours."""
    count = len(np.unique(codes))
    return bool(len(codes)) and (count > min(VOID, max(_FEW_COLOURS, len(codes) / _PIXELS_PER_COLOUR)) or not codes.any())


def _white(white: np.ndarray) -> DrawnMask:
    """What is white, `[H, W]` bool, as one object."""
    found = "object 1: from a black-and-white mask"
    if np.concatenate([*white[[0, -1]], *white[:, [0, -1]].T]).mean() > 0.5:
        found += ", white all around; if what is black is the object, add --colours black=1 white=0"
    return DrawnMask(white.astype(np.uint8), found)


def _drawn(labels: np.ndarray, names: dict[int, str], origin: str) -> DrawnMask:
    """Ids `[H, W]` uint8 without the unsure ones, and {id: what to call it} in a line for the user."""
    objects = [name for object_id, name in names.items() if object_id != VOID]
    found = f"object{'s' * (len(objects) > 1)} {', '.join(objects)}: {origin}" if objects else "no object"
    if len(objects) > _MANY and objects[0].isdecimal():
        found = f"{len(objects)} objects, {objects[0]}..{objects[-1]}: {origin}"
    if VOID in names:
        found += ", 255 taken as unsure"
    return DrawnMask(np.where(labels == VOID, np.uint8(0), labels), found)

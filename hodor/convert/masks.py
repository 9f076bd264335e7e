"""Mask files as the objects in them: strict about files that only look like label maps."""

from pathlib import Path

import cv2
import numpy as np

from hodor.convert.clips import width_x_height
from hodor.errors import HodorError
from hodor.formats import run_length
from hodor.formats.label_maps import VOID, read_label_map
from hodor.media.images import open_picture

_WHITE = 9  # what white is in YouTube-VOS' palette


def read_labels(path: Path, frame: Path, size: tuple[int, int], *, binary: bool) -> np.ndarray:
    """Reads the mask of a frame as a label map `[H, W]` uint8.

    Args:
        path: the mask file.
        frame: the frame's file, for messages.
        size: (height, width) of the frame.
        binary: every pixel that is not black is object 1; otherwise values are ids, 255 included.

    Raises:
        HodorError: the file is broken, has 16 bits, unknown colours or blurred edges, or doesn't fit the frame.
    """
    labels = _brightness(path) if binary else read_label_map(path)
    if labels.shape != size:
        found = width_x_height((labels.shape[0], labels.shape[1]))
        raise HodorError(
            f"{path}: the mask is {found}, its frame {frame} is {width_x_height(size)}; save it at the frame's size"
        )
    _refuse_blurred(labels, path)
    return (labels > 0).astype(np.uint8) if binary else labels


def object_ids(labels: np.ndarray) -> list[int]:
    """The ids in a label map `[H, W]`, ascending, without the background; 255 counts as one."""
    return (np.flatnonzero(np.bincount(labels.ravel(), minlength=2)[1:]) + 1).tolist()


def encode_objects(labels: np.ndarray, ids: list[int]) -> dict[int, str]:
    """The masks of some ids in a label map `[H, W]` as run-length strings by id."""
    return {object_id: run_length.encode(labels == object_id) for object_id in ids}


def is_black_and_white(ids: list[int], path: Path) -> bool:
    """Whether a mask file shows one object in white, and not ids: it has one bit per pixel, or nothing but 0 and 255.

    Args:
        ids: `object_ids` of what `read_labels` gave for it.
        path: the mask file.
    """
    if ids not in ([VOID], [1], [_WHITE]):
        return False
    return ids == [VOID] or open_picture(path).mode in ({"1"} if ids == [1] else {"RGB", "RGBA"})


def id_list(ids: list[int]) -> str:
    """Ids as a reader likes them: 'object 1', 'objects 1, 2, 5', 'objects 1..44'."""
    if len(ids) == 1:
        return f"object {ids[0]}"
    if len(ids) > 3 and ids == list(range(ids[0], ids[-1] + 1)):
        return f"objects {ids[0]}..{ids[-1]}"
    return "objects " + ", ".join(map(str, ids))


def _brightness(path: Path) -> np.ndarray:
    picture = open_picture(path)
    if picture.mode in {"RGB", "RGBA"}:
        brightest: np.ndarray = np.asarray(picture)[..., :3].max(axis=2)
        return brightest
    return read_label_map(path)


def _refuse_blurred(labels: np.ndarray, path: Path) -> None:
    """Finds masks that were resized with interpolation, drawn antialiased or saved as JPEG.

    Their extra values are lines of pixels without any area, each between a smaller and a larger neighbour.
    """
    ids = set(object_ids(labels))
    smallest, largest = (filtered(labels, np.ones((3, 3), np.uint8)) for filtered in (cv2.erode, cv2.dilate))
    lines = ids - set(object_ids(labels[smallest == largest]))
    if not (len(lines) >= 3 and 2 * len(lines) > len(ids)) and not (lines and lines == ids - {VOID} != ids):
        return
    on_lines = np.isin(labels, list(lines))
    between = on_lines & (smallest < labels) & (labels < largest)
    if 2 * between.sum() > on_lines.sum():
        raise HodorError(
            f"{path}: the mask is blurred: {len(lines)} of its {len(ids)} values, such as {min(lines)}, "
            "occur only along edges; save it without antialiasing, resize masks with nearest neighbours, and don't use JPEG"
        )

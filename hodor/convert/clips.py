"""The frames of a clip and their masks: found by name, read and checked."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from hodor.errors import HodorError
from hodor.formats import run_length
from hodor.formats.drawn_masks import refuse_black_objects, refuse_blurring_format
from hodor.formats.label_maps import VOID, present_ids, read_label_map
from hodor.media.folder_source import images_by_stem
from hodor.media.images import IMAGE_SUFFIXES, image_size, opened_picture, read_image

_LAST_BYTES = {".jpg": b"\xff\xd9", ".jpeg": b"\xff\xd9", ".png": b"IEND\xae\x42\x60\x82"}


class ListedObject(NamedTuple):
    """What a data set says of an object: what it is, and the names of its frames; none where it doesn't say."""

    category: str
    frames: list[str]


@dataclass(frozen=True)
class Clip:
    """A video in two folders, one of frames and one of masks that are called like their frames.

    Its files are found and checked when they are asked for: a HodorError says what is missing, can't be read or doesn't fit.
    """

    name: str
    frames_folder: Path
    masks_folder: Path
    listed: Mapping[int, ListedObject] | None = None  # the objects to take by their ids; None = all
    binary: bool = False  # everything that is not black is object 1; otherwise pixel values are ids

    @cached_property
    def frames(self) -> list[Path]:
        """Its frames in order, at least one, all of one size. Those that end as they should are not decoded."""
        check_name(self.name, str(self.frames_folder))
        folder = existing_folder(self.frames_folder, f"the frames of sequence {self.name!r}")
        frames = list(images_by_stem(folder).values())
        if not frames:
            raise HodorError(f"{folder}: no frames in it (looked for {', '.join(sorted(IMAGE_SUFFIXES))})")
        sizes = [checked_size(frame) for frame in frames]
        for frame, size in zip(frames, sizes, strict=True):
            check_name(frame.name, str(folder))
            if size != sizes[0]:
                raise HodorError(
                    f"{frame}: the frame is {width_x_height(size)}, but {frames[0].name} is {width_x_height(sizes[0])}; "
                    "all frames of a sequence must have one size"
                )
        return frames

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """Its frames as a JSON names them, relative to the data set's image folder."""
        return tuple(f"{self.name}/{frame.name}" for frame in self.frames)

    @cached_property
    def size(self) -> tuple[int, int]:
        """(height, width) of a frame."""
        return image_size(self.frames[0])

    @cached_property
    def masks(self) -> dict[int, Path]:
        """Its masks by the indices of their frames, at least one."""
        indices = {frame.stem: index for index, frame in enumerate(self.frames)}
        folder = existing_folder(self.masks_folder, f"the masks of sequence {self.name!r}")
        masks = images_by_stem(folder)
        if not masks:
            raise HodorError(f"{folder}: no masks in it; sequence {self.name!r} needs one for at least one frame")
        for stem, mask in masks.items():
            if stem not in indices:
                raise HodorError(f"{mask}: no frame of this name in {self.frames_folder}; a mask is called like its frame")
        return dict(sorted((indices[stem], mask) for stem, mask in masks.items()))

    def labels(self, index: int) -> np.ndarray:
        """Reads the mask of a frame as `read_labels` does."""
        return read_labels(self.masks[index], self.frames[index], self.size, binary=self.binary)


def check_name(name: str, what: str) -> None:
    """Raises a HodorError unless a name can be a folder's; `what` says whose name it is."""
    if name in {"", ".", ".."} or any(character in name for character in "/\\\0"):
        raise HodorError(f"{what}: {name!r} is not a plain name; use one without '/' that is not '..'")


def existing_folder(folder: Path, what: str) -> Path:
    """Returns `folder`; a HodorError if there is none, where `what` says what was looked for in it."""
    if folder.is_file():
        raise HodorError(f"{folder}: is a file, not a folder ({what}); {advice_for_file(folder)}")
    if not folder.is_dir():
        raise HodorError(f"{folder}: no such folder ({what})")
    return folder


def advice_for_file(path: Path) -> str:
    """What to do with a file that was named where a folder is wanted: the command for it."""
    suffix = path.suffix.lower()
    if suffix in IMAGE_SUFFIXES | {".txt"}:
        return "name the folder that holds it"
    if suffix == ".json":
        return f"annotations in COCO's format: hodor convert coco IMAGES_DIR {path}"
    if suffix in {".zip", ".tar", ".tgz", ".gz"}:
        return "unpack it and name the folder"
    return f"to follow objects in a video: hodor track {path}; to make frames of it: hodor split {path} FRAMES_DIR"


def checked_size(path: Path) -> tuple[int, int]:
    """(height, width) of a frame that is complete: decoded only if its last bytes don't say so."""
    size = image_size(path)
    end = _LAST_BYTES.get(path.suffix.lower(), b"")
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - len(end)))
        complete = bool(end) and file.read() == end
    if not complete:
        read_image(path)
    return size


def width_x_height(size: tuple[int, ...]) -> str:
    """A size (height, width) as people write it."""
    return f"{size[1]}x{size[0]}"


def read_labels(path: Path, frame: Path, size: tuple[int, int], *, binary: bool) -> np.ndarray:
    """Reads the mask of a frame of a size (height, width) as a label map `[H, W]` uint8; strict about what only looks like one.

    `binary`: every pixel that is not black is object 1; otherwise values are ids, 255 included.
    """
    with opened_picture(path) as picture:
        refuse_blurring_format(picture, path)
        if binary and picture.mode in {"RGB", "RGBA"}:
            labels: np.ndarray = np.asarray(picture)[..., :3].max(axis=2)
        else:
            labels = read_label_map(path)
        if picture.mode == "P":
            refuse_black_objects(picture, labels, path)
    if labels.shape != size:
        found, wanted = width_x_height(labels.shape), width_x_height(size)
        raise HodorError(f"{path}: the mask is {found}, its frame {frame} is {wanted}; save it at the frame's size")
    _refuse_blurred(labels, path)
    return (labels > 0).astype(np.uint8) if binary else labels


def _refuse_blurred(labels: np.ndarray, path: Path) -> None:
    """Finds masks that were resized with interpolation, drawn antialiased or saved as JPEG.

    Their extra values are lines of pixels without any area, each between a smaller and a larger neighbour.
    """
    ids = set(present_ids(labels))
    smallest, largest = (filtered(labels, np.ones((3, 3), np.uint8)) for filtered in (cv2.erode, cv2.dilate))
    lines = ids - set(present_ids(labels[smallest == largest]))
    if not (len(lines) >= 3 and 2 * len(lines) > len(ids)) and not (lines and lines == ids - {VOID} != ids):
        return
    on_lines = np.isin(labels, list(lines))
    between = on_lines & (smallest < labels) & (labels < largest)
    if 2 * between.sum() > on_lines.sum():
        raise HodorError(
            f"{path}: the mask is blurred: {len(lines)} of its {len(ids)} values, such as {min(lines)}, "
            "occur only along edges; save it without antialiasing, resize masks with nearest neighbours, and don't use JPEG"
        )


def encoded(labels: np.ndarray, ids: Iterable[int]) -> dict[int, str]:
    """The masks of objects in a label map `[H, W]`, {id: run-length string}."""
    return {object_id: run_length.encode(labels == object_id) for object_id in ids}


def id_list(ids: list[int]) -> str:
    """Ids as a reader likes them: 'object 1', 'objects 1, 2, 5', 'objects 1..44'."""
    if len(ids) == 1:
        return f"object {ids[0]}"
    if len(ids) > 3 and ids == list(range(ids[0], ids[-1] + 1)):
        return f"objects {ids[0]}..{ids[-1]}"
    return "objects " + ", ".join(map(str, ids))

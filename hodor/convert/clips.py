"""The frames of one clip and the mask files that belong to them, found by name and checked."""

from dataclasses import dataclass
from pathlib import Path

from hodor.errors import HodorError
from hodor.files import natural_order
from hodor.media.images import image_size, read_image

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})
_LAST_BYTES = {".jpg": b"\xff\xd9", ".jpeg": b"\xff\xd9", ".png": b"IEND\xae\x42\x60\x82"}


@dataclass(frozen=True)
class Clip:
    """A sequence of frames, all readable and of one size.

    Attributes:
        id: the name of the sequence.
        folder: where the frames lie.
        frames: their files in order.
        size: (height, width) of every frame, in pixels.
    """

    id: str
    folder: Path
    frames: tuple[Path, ...]
    size: tuple[int, int]


def check_name(name: str, what: str) -> None:
    """Makes sure that a name can be a folder's.

    Raises:
        HodorError: it is empty, '.' or '..', or holds a slash; `what` says whose name it is.
    """
    if name in {"", ".", ".."} or any(character in name for character in "/\\\0"):
        raise HodorError(f"{what}: {name!r} is not a plain name; use one without '/' that is not '..'")


def existing_folder(folder: Path, what: str) -> Path:
    """Returns `folder`.

    Raises:
        HodorError: there is no such folder; `what` says what was looked for in it.
    """
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
    return f"turn a video into frames first: hodor split {path} FRAMES_DIR"


def subfolders(folder: Path) -> list[str]:
    """The names of the folders in a folder in natural order, without hidden ones."""
    names = [path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
    return sorted(names, key=natural_order)


def images_by_stem(folder: Path) -> dict[str, Path]:
    """The image files of a folder by their names without suffix, in natural order (9 before 10); other files are passed over.

    Raises:
        HodorError: two images differ only in their suffix, or a name holds a backslash.
    """
    images: dict[str, Path] = {}
    for path in sorted(folder.iterdir(), key=lambda path: natural_order(path.name)):
        if path.suffix.lower() not in IMAGE_SUFFIXES or path.name.startswith(".") or path.is_dir():
            continue
        check_name(path.name, str(folder))
        if path.stem in images:
            raise HodorError(
                f"{folder}: {images[path.stem].name} and {path.name} have the same name; "
                "keep one of them, and masks in a folder of their own"
            )
        images[path.stem] = path
    return images


def read_clip(sequence_id: str, folder: Path) -> Clip:
    """Finds and checks the frames of a sequence. Files that end as they should are not decoded, only their headers are read.

    Raises:
        HodorError: the folder is missing or has no images, a frame can't be read, or frames differ in size.
    """
    frames = tuple(images_by_stem(existing_folder(folder, f"the frames of sequence {sequence_id!r}")).values())
    if not frames:
        raise HodorError(f"{folder}: no frames in it (looked for {', '.join(sorted(IMAGE_SUFFIXES))})")
    first = checked_size(frames[0])
    for frame in frames[1:]:
        size = checked_size(frame)
        if size != first:
            raise HodorError(
                f"{frame}: the frame is {width_x_height(size)}, but {frames[0].name} is {width_x_height(first)}; "
                "all frames of a sequence must have one size"
            )
    return Clip(sequence_id, folder, frames, first)


def find_masks(clip: Clip, folder: Path) -> list[tuple[int, Path]]:
    """The mask files of a clip with the index of the frame that has the same name, in the order of the frames.

    Raises:
        HodorError: the folder is missing or has no images, or a mask has no frame.
    """
    masks = images_by_stem(existing_folder(folder, f"the masks of sequence {clip.id!r}"))
    if not masks:
        raise HodorError(f"{folder}: no masks in it; sequence {clip.id!r} needs one for at least one frame")
    indices = {frame.stem: index for index, frame in enumerate(clip.frames)}
    for stem, mask in masks.items():
        if stem not in indices:
            raise HodorError(f"{mask}: no frame of this name in {clip.folder}; a mask is called like its frame")
    return sorted((indices[stem], mask) for stem, mask in masks.items())


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


def width_x_height(size: tuple[int, int]) -> str:
    """A size (height, width) as people write it."""
    return f"{size[1]}x{size[0]}"

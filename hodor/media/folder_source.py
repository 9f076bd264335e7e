"""A folder of images as a source of frames."""

from collections.abc import Iterator
from pathlib import Path

from hodor.errors import HodorError
from hodor.files import natural_order
from hodor.media.frame_source import FrameSource, Selection, SourceFrame
from hodor.media.images import IMAGE_SUFFIXES, image_size, read_image

FOLDER_RATE = 24.0  # frames per second, where nobody says otherwise


class FolderSource(FrameSource):
    """The image files of a folder in natural order (f9 before f10); other files and folders in it are passed over."""

    def __init__(self, folder: Path, selection: Selection, max_pixels: int, rate: float) -> None:
        """Lists the images and reads their headers, which must tell of one size."""
        super().__init__(str(folder), rate, None, selection)
        self._max_pixels = max_pixels
        self._paths = images_in(folder)
        self._indices = {path.stem: index for index, path in enumerate(self._paths)}
        self.total = len(self._paths)
        self._refuse_too_late(self.total)
        self._first: tuple[Path, tuple[int, int]] | None = None
        for index in selection.indices(self.total):
            try:
                size = image_size(self._paths[index], max_pixels, upright=True)
            except HodorError:  # it is raised when its turn comes, after the frames before it
                continue
            self._check_size(self._paths[index], size)

    def frames(self, begin: int = 0) -> Iterator[SourceFrame]:
        yield from map(self.frame, (index for index in self.selection.indices(len(self._paths)) if index >= begin))

    def backwards(self, begin: int) -> Iterator[SourceFrame]:
        yield from map(self.frame, (index for index in reversed(self.selection.indices(len(self._paths))) if index <= begin))

    def frame(self, index: int) -> SourceFrame:
        if not 0 <= index < len(self._paths):
            raise HodorError(f"{self.name}: has no frame {index}; its last is {len(self._paths) - 1}")
        pixels = read_image(self._paths[index], self._max_pixels, upright=True)
        self._check_size(self._paths[index], (pixels.shape[0], pixels.shape[1]))
        return self.selection.frame(index, index / self.rate, pixels)

    @property
    def end_time(self) -> float | None:
        end = self.selection.end
        return None if end is None or end >= len(self._paths) else end / self.rate

    def name_of(self, index: int) -> str:
        return self._paths[index].stem

    def index_of(self, name: str) -> int | None:
        return self._indices.get(name)

    def _check_size(self, path: Path, size: tuple[int, int]) -> None:
        self._first = self._first or (path, size)
        first, (height, width) = self._first
        if size != (height, width):
            raise HodorError(
                f"{self.name}: {path.name} has {size[1]}x{size[0]} pixels, but {first.name} has {width}x{height}; "
                "all images of a folder must have the same size"
            )


def images_in(folder: Path) -> list[Path]:
    """The images of a folder in natural order; a HodorError if there are none, or two differ only in their suffix."""
    images = images_by_stem(folder)
    if not images:
        folders = subfolders(folder)
        hint = f"name one of the folders in it, such as {folder / folders[0]}" if folders else "name a folder of frames"
        raise HodorError(f"{folder}: no images in it (looked for {', '.join(sorted(IMAGE_SUFFIXES))}); {hint}")
    return list(images.values())


def images_by_stem(folder: Path) -> dict[str, Path]:
    """The images of a folder, none or more, by their names without suffix; otherwise like `images_in`."""
    images: dict[str, Path] = {}
    for path in sorted(folder.iterdir(), key=lambda path: natural_order(path.name)):
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".") and not path.is_dir():
            first = images.setdefault(path.stem, path)
            if first is not path:
                raise HodorError(
                    f"{folder}: {first.name} and {path.name} have the same name; "
                    "keep one of them, and masks in a folder of their own"
                )
    return images


def subfolders(folder: Path) -> list[str]:
    """The names of the folders in a folder in natural order, without hidden ones."""
    names = [path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
    return sorted(names, key=natural_order)

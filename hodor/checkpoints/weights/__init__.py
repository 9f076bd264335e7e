"""The weights that come with the package, and where any checkpoint lies: here, by its path, in a workspace, or on a hub."""

from pathlib import Path

from hodor.checkpoints import hub
from hodor.errors import HodorError

LATEST = "latest"
FOLDER = Path(__file__).parent
DEFAULT = "compact"
"""What programs use that are given no checkpoint."""
MEANING = "weights: a file or folder of a training, also below the workspace's checkpoints/; hf://owner/name; or of the package"
"""What programs say of an option that names a checkpoint."""


def names() -> list[str]:
    """The names of all weights that are shipped."""
    return sorted(path.stem for path in FOLDER.glob("*.safetensors"))


def locate(checkpoint: str | Path, folder: Path | None = None) -> Path:
    """The file of a checkpoint; one on a hub is downloaded.

    Args:
        checkpoint: a path, `hf://owner/name[@revision]`, the name of shipped weights, or with a folder also a path relative to
            that, such as "static/250000.pth"; a folder of a training stands for its newest checkpoint, and "latest" for the
            newest of all.
        folder: a workspace's `checkpoints`.

    Returns:
        The first of these that exists, else the path as it was given.

    Raises:
        HodorError: a checkpoint on a hub can't be had, see `hodor.checkpoints.hub.fetch`.
    """
    if hub.is_hub_name(checkpoint):
        return hub.fetch(hub.parse_hub_name(checkpoint))
    given = Path(checkpoint)
    if given.exists() and (found := _newest(given)) is not None:
        return found
    if str(checkpoint) in names():
        return FOLDER / f"{checkpoint}.safetensors"
    below = None if folder is None else folder if str(checkpoint) == LATEST else folder / given
    if below is not None and below.exists():
        return _newest(below) or below
    return given


def locate_existing(checkpoint: str | Path, folder: Path | None = None) -> Path:
    """As `locate`.

    Raises:
        HodorError: there is no such file, or it can't be had.
    """
    path = locate(checkpoint, folder)
    if not path.is_file():
        raise HodorError(
            f"{path}: no such checkpoint; name a file, or weights that come with the package: {', '.join(names())}"
        )
    return path


def _newest(place: Path) -> Path | None:
    """A file itself, or the checkpoint that was last written in a folder or in the folders in it; None if there is none."""
    if not place.is_dir():
        return place
    files = [path for end in ("pth", "safetensors") for path in (*place.glob(f"*.{end}"), *place.glob(f"*/*.{end}"))]
    return max(files, key=lambda path: (path.stat().st_mtime_ns, path.name), default=None)


def is_shipped(path: Path) -> bool:
    """Whether a file is among the shipped weights, beside which nothing may be written."""
    return path.parent == FOLDER

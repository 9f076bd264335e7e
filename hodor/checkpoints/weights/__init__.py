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


def locate_existing(checkpoint: str | Path, folder: Path | None = None) -> Path:
    """The file of a checkpoint; one on a hub is downloaded.

    Args:
        checkpoint: a path, `hf://owner/name[@revision]`, the name of shipped weights, or with a folder also a path relative to
            that, such as "static/250000.pth"; a folder of a training stands for its newest checkpoint, and "latest" for the
            newest of all. The first of these that exists counts.
        folder: a workspace's `checkpoints`.

    Raises:
        HodorError: there is none of these, or it can't be had from the hub.
    """
    if hub.is_hub_name(checkpoint):
        return hub.fetch(hub.parse_hub_name(checkpoint))
    places = [Path(checkpoint)]
    if str(checkpoint) in names():
        places.append(FOLDER / f"{checkpoint}.safetensors")
    if folder is not None:
        places.append(folder if str(checkpoint) == LATEST else folder / checkpoint)
    for place in places:
        path = _newest(place) if place.is_dir() else place
        if path is not None and path.is_file():
            return path
    known = ", ".join(names())
    raise HodorError(f"{checkpoint}: no such checkpoint; name a file, or weights that come with the package: {known}")


def _newest(folder: Path) -> Path | None:
    """The checkpoint that was last written in a folder or in the folders in it; None if there is none."""
    files = [path for end in ("pth", "safetensors") for path in (*folder.glob(f"*.{end}"), *folder.glob(f"*/*.{end}"))]
    return max(files, key=lambda path: (path.stat().st_mtime_ns, path.name), default=None)


def is_shipped(path: Path) -> bool:
    """Whether a file is among the shipped weights, beside which nothing may be written."""
    return path.parent == FOLDER

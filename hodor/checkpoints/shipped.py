"""Weights that come with the package, each a .safetensors file in `weights`, known by its name without the ending."""

from pathlib import Path

FOLDER = Path(__file__).parent / "weights"
DEFAULT = "compact"
"""What programs use that are given no checkpoint."""


def names() -> list[str]:
    """The names of all weights that are shipped."""
    return sorted(path.stem for path in FOLDER.glob("*.safetensors"))


def locate(checkpoint: str | Path) -> Path:
    """The file of a checkpoint: a path as it is, or the file of shipped weights of that name."""
    if str(checkpoint) in names() and not Path(checkpoint).exists():
        return FOLDER / f"{checkpoint}.safetensors"
    return Path(checkpoint)


def is_shipped(path: Path) -> bool:
    """Whether a file is among the shipped weights, beside which nothing may be written."""
    return path.parent == FOLDER

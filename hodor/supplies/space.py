"""Whether a disk has room for what is to come."""

import shutil
from pathlib import Path

from hodor.errors import HodorError


def require_space(folder: Path, wanted: int, replaced: int = 0) -> None:
    """Makes sure that `wanted` bytes fit on a folder's disk once `replaced` others are gone.

    Raises:
        HodorError: they don't.
    """
    free = shutil.disk_usage(folder).free + replaced
    if wanted > free:
        need = f"{megabytes(wanted)} are to come, and the disk has {megabytes(free)} free"
        raise HodorError(f"{folder}: {need}; free some, or choose another folder with $HODOR_WORKSPACE_DIR")


def megabytes(count: int) -> str:
    """Bytes in words: 1 234.5 MB."""
    return f"{count / 1e6:,.1f} MB".replace(",", " ")

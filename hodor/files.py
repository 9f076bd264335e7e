"""Files and folders that are either complete or absent: written aside, then renamed."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hodor.errors import HodorError


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Gives a file name beside `path` to write to; on success it becomes `path`, on any exception it is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield aside
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def folder_written_aside(path: Path) -> Iterator[Path]:
    """Gives an empty folder beside `path` to fill; on success it replaces `path`, on any exception it is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    try:
        yield aside
        if path.exists():
            shutil.rmtree(path)
        aside.replace(path)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def inside(folder: Path, relative: str, what: str) -> Path:
    """Joins `folder` and `relative`.

    Raises:
        HodorError: `relative` is empty, absolute, or leaves the folder; `what` names its origin in the message.
    """
    parts = Path(relative).parts
    if not parts or Path(relative).is_absolute() or ".." in parts or "\0" in relative or "\\" in relative:
        raise HodorError(f"{what}: {relative!r} must be a path inside {folder}, without '..' and not absolute")
    return folder / relative

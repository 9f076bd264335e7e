"""Files and folders that are either complete or absent: written aside, then renamed; paths and names of files."""

import glob
import os
import platform
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hodor.errors import HodorError


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Gives a file name beside `path` to write to; on success it becomes `path`, on any exception it is removed."""
    aside = _aside(path)
    try:
        yield aside
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def folder_written_aside(path: Path) -> Iterator[Path]:
    """Gives an empty folder beside `path` to fill; on success it replaces `path`, on any exception it is removed."""
    aside = _aside(path)
    aside.mkdir()
    try:
        yield aside
        if path.exists():
            shutil.rmtree(path)
        aside.replace(path)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _aside(path: Path) -> Path:
    """A name beside `path` that no other process uses. Removes what processes of this machine that were killed left there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{path.name}.{platform.node()}-"
    for abandoned in path.parent.glob(f"{glob.escape(prefix)}*.partial"):
        process = abandoned.name.removeprefix(prefix).split("-")[0].removesuffix(".partial")
        if process.isdigit() and not _is_running(int(process)):
            shutil.rmtree(abandoned) if abandoned.is_dir() else abandoned.unlink(missing_ok=True)
    return path.with_name(f"{prefix}{os.getpid()}-{threading.get_ident()}.partial")


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is somebody else's
        return True
    return True


def inside(folder: Path, relative: str, what: str) -> Path:
    """Joins `folder` and `relative`.

    Raises:
        HodorError: `relative` is empty, absolute, or leaves the folder; `what` names its origin in the message.
    """
    parts = Path(relative).parts
    if not parts or Path(relative).is_absolute() or ".." in parts or "\0" in relative or "\\" in relative:
        where = "its folder" if folder == Path() else str(folder)
        raise HodorError(f"{what}: {relative!r} must be a path inside {where}, without '..' and not absolute")
    return folder / relative


def natural_order(name: str) -> tuple[list[str | int], str]:
    """A key that sorts numbers in names by value: f9 before f10, with or without leading zeros; equal values by their text."""
    parts = re.split(r"([0-9]+)", name)
    return [int(part) if index % 2 else part for index, part in enumerate(parts)], name


def read_names(path: Path, option: str, what: str) -> list[str]:
    """Reads a text file with one name a line, without repetitions.

    Args:
        path: the file.
        option: the option that names it, for messages.
        what: what the names are of, for messages.

    Raises:
        HodorError: the file is missing, no text, or empty.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise HodorError(f"{path}: no such file; {option} is a text with one {what} a line") from None
    except UnicodeDecodeError:
        raise HodorError(f"{path}: not a text file; {option} is a text with one {what} a line") from None
    names = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if not names:
        raise HodorError(f"{path}: the file names no {what}; write one a line")
    return names

"""Files and folders: complete or absent, by writing them aside; for one process at a time; paths and names of files."""

import contextlib
import errno
import functools
import glob
import itertools
import os
import platform
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hodor.errors import HodorError

try:
    import fcntl
except ImportError:  # where there are no such locks, as on Windows, nobody is kept out
    fcntl = None  # type: ignore[assignment]

_BEGINNING = 20
"""So many characters of a name are kept in the temporary one, for whoever looks into the folder."""
_LOCK = ".lock"
_WITHOUT_LOCKS = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK)
"""What file systems say that know no locks, as on some clusters: there nobody is kept out."""
_LOCKS: set[int] = set()
"""File descriptors of the locks that this process holds."""
_NUMBERS = itertools.count()
"""Of the names that this process writes to."""


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Gives a file name beside `path` to write to; on success it becomes `path`, on any exception no trace of it is left."""
    made = [folder for folder in path.parents if not folder.exists()]
    aside = _aside(path)
    try:
        yield aside
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
        for folder in made:
            with contextlib.suppress(OSError):  # it holds something
                folder.rmdir()


@contextmanager
def scratch_folder(path: Path) -> Iterator[Path]:
    """Gives an empty folder beside `path`, which needn't exist; it is removed afterwards."""
    aside = _aside(path)
    aside.mkdir()
    try:
        yield aside
    finally:
        shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def folder_written_aside(path: Path) -> Iterator[Path]:
    """Gives an empty folder beside `path` to fill; on success it replaces `path`, on any exception it is removed."""
    with scratch_folder(path) as aside:
        yield aside
        if path.exists():
            shutil.rmtree(path)
        aside.replace(path)


def remove_folder(path: Path) -> None:
    """Removes a folder, which is gone at once; what a killed process left of it is removed by the next `folder_lock` there."""
    aside = _aside(path)
    path.rename(aside)
    shutil.rmtree(aside)


def refuse_file_in_place(folder: Path, option: str) -> None:
    """Makes sure that a folder can be made; where a file is in its place, or in that of one around it, a HodorError says so."""
    existing = next((path for path in (folder, *folder.parents) if path.exists()), folder)
    if existing.is_file():
        raise HodorError(f"{folder}: {existing} is a file, so no folder can be made there; choose another {option}")


@contextmanager
def errors_naming(path: Path) -> Iterator[None]:
    """Adds a path to errors of libraries that write files, which don't say where the disk was full."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Keeps other processes out of an output folder, which is made if it isn't there, and removes what killed ones left in it.

    A process that dies keeps nothing locked. Afterwards no trace of the lock is left, nor of the folder if it stayed empty.

    Raises:
        HodorError: another process writes to the folder.
    """
    made = [each for each in (folder, *folder.parents) if not each.exists()]
    file = None
    try:
        while file is None:  # the one before may just be removing its lock, or the folder
            folder.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                file = _locked(folder / _LOCK)
        _LOCKS.add(file)
        _remove_abandoned(folder)
        yield
    finally:
        if file is not None:
            _LOCKS.discard(file)
            if fcntl is None:  # a system that may not remove open files
                os.close(file)
            with contextlib.suppress(PermissionError):
                (folder / _LOCK).unlink(missing_ok=True)
            if fcntl is not None:
                os.close(file)
        for each in made:
            with contextlib.suppress(OSError):
                each.rmdir()


def _locked(path: Path) -> int | None:
    """Opens and locks a file; None if it is another one, or none, that others find under its name now."""
    with contextlib.ExitStack() as opened:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        opened.callback(os.close, file)
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            taken = "another process is writing there; wait for it, or choose another folder"
            raise HodorError(f"{path.parent}: {taken}") from None
        except OSError as error:
            if error.errno not in _WITHOUT_LOCKS:
                raise
        if not os.path.samestat(os.fstat(file), path.stat()):
            return None
        opened.pop_all()
        return file


def _close_locks() -> None:
    """In a forked process, such as one that loads data: it may outlive its parent, and would keep the folder locked."""
    for file in _LOCKS:
        os.close(file)
    _LOCKS.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_locks)


def _aside(path: Path) -> Path:
    """A name beside `path` that no other process uses. The first one in a folder removes what killed processes left there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned_once(path.parent.absolute())
    return path.with_name(f".{path.name[:_BEGINNING]}.{platform.node()}-{os.getpid()}-{next(_NUMBERS)}.partial")


def _remove_abandoned(folder: Path) -> None:
    """Removes what processes of this machine that were killed left half-written."""
    owner = re.compile(rf".*\.{re.escape(platform.node())}-([0-9]{{1,9}})(-[0-9]+)?\.partial", re.DOTALL)
    for abandoned in folder.glob(f".*.{glob.escape(platform.node())}-*.partial"):
        process = owner.fullmatch(abandoned.name)
        if process and not _is_running(int(process[1])):
            shutil.rmtree(abandoned, ignore_errors=True) if abandoned.is_dir() else abandoned.unlink(missing_ok=True)


_remove_abandoned_once = functools.cache(_remove_abandoned)
"""Once is enough in a process, and in large folders it takes long."""


def _is_running(process: int) -> bool:
    try:
        if os.name != "nt":  # where the signal 0 is Ctrl-C
            os.kill(process, 0)
    except OSError as error:  # another than this if it is somebody else's
        return not isinstance(error, ProcessLookupError)
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
    """Reads a text file with one name a line, without repetitions; for messages, the option that names it, and what they name.

    Raises:
        HodorError: the file is missing, no text, or empty.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, UnicodeDecodeError) as error:
        problem = "no such file" if isinstance(error, FileNotFoundError) else "not a text file"
        raise HodorError(f"{path}: {problem}; {option} is a text with one {what} a line") from None
    names = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if not names:
        raise HodorError(f"{path}: the file names no {what}; write one a line")
    return names

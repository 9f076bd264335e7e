"""What the page asks for and can't have, and how everything that goes wrong is told in one line."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from hodor.errors import HodorError
from hodor.program import describe_os_error


class RefusalError(HodorError):
    """A request that can't be answered as it is; the text is one line for the page."""

    def __init__(self, status: int, message: str) -> None:
        """`status` is that of HTTP: 404 not there, 409 not now, 413 too much, 422 not so, 507 no room on the disk."""
        super().__init__(message)
        self.status = status


def one_line_of(error: HodorError | OSError) -> str:
    """What went wrong."""
    return describe_os_error(error) if isinstance(error, OSError) else str(error)


@contextlib.contextmanager
def errors_calling(path: Path, name: str) -> Iterator[None]:
    """A context whose errors call a file by the name that people know it by."""
    try:
        yield
    except HodorError as error:
        raise HodorError(str(error).replace(str(path), name)) from None

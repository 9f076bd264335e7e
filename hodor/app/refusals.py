"""What the page asks for and can't have, with the status of HTTP that says so."""

from hodor.errors import HodorError


class RefusalError(HodorError):
    """A request that can't be answered as it is; the text is one line for the page."""

    def __init__(self, status: int, message: str) -> None:
        """`status` is that of HTTP: 404 not there, 409 not now, 413 too much, 422 not so, 507 no room on the disk."""
        super().__init__(message)
        self.status = status

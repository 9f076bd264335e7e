"""What routes are given: all sessions, and the one that a request names."""

from typing import Annotated

from fastapi import Depends, Header
from starlette.requests import HTTPConnection

from hodor.app.refusals import RefusalError
from hodor.app.sessions import Session
from hodor.app.store import SessionStore

BYTES = "application/octet-stream"


async def _store(connection: HTTPConnection) -> SessionStore:
    store: SessionStore = connection.app.state.store
    return store


Store = Annotated[SessionStore, Depends(_store)]


def _opened(session: str, store: Store) -> Session:  # in a thread, since it may wait for one that is being taken over
    return store.get(session)


Opened = Annotated[Session, Depends(_opened)]
"""The session whose name is the part {session} of the path; a HodorError if it is gone or broken."""


async def _check_bytes(content_type: Annotated[str, Header()] = "") -> None:
    if content_type != BYTES:
        raise RefusalError(415, f"the content must be {BYTES}")


SENT_AS_BYTES = Depends(_check_bytes)
"""A page of another site could send some kinds of content without asking first; this one it can't."""

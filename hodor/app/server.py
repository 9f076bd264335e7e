"""What the page asks for: sessions and their objects, and how every failure becomes one line."""

import contextlib
import errno
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse, Response
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, ConfigDict, Field, field_validator
from starlette.requests import ClientDisconnect

from hodor.app.adopting import notice
from hodor.app.commands import command_of
from hodor.app.dependencies import SENT_AS_BYTES, Opened, Store
from hodor.app.live import routes as live_routes
from hodor.app.masks import routes as mask_routes
from hodor.app.records import MAX_ID, MAX_NAME, Settings
from hodor.app.refusals import RefusalError, one_line_of
from hodor.app.security import Guard
from hodor.app.sessions import Session, version_of
from hodor.app.store import SessionStore
from hodor.app.taking import routes as taking_routes
from hodor.checkpoints.weights import names as shipped_weights
from hodor.errors import HodorError
from hodor.formats.object_files import is_one_line
from hodor.media.drawing import object_palette

_PAGE = Path(__file__).parent / "page"
Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME)]
routes = APIRouter(prefix="/api/sessions")


class ObjectName(BaseModel):
    """What an object is called; its number where that is empty."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)
    name: str = Field(default="", max_length=MAX_NAME)

    @field_validator("name")
    @classmethod
    def _one_line(cls, name: str) -> str:
        if name and not is_one_line(name):
            raise ValueError("must be one line")
        return name


class Change(BaseModel):
    """What the page may change of a session."""

    model_config = ConfigDict(extra="forbid")
    title: Name | None = None
    settings: Settings | None = None


def build(store: SessionStore, port: int) -> Guard:
    """The application for a server on this port of this machine, which stops what is running when it ends."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(store.runner.stop)

    application = FastAPI(lifespan=lifespan, openapi_url=None)
    application.state.store = store
    for kind in (HodorError, OSError, RequestValidationError, ClientDisconnect):
        application.add_exception_handler(kind, _answer)
    for router in (routes, mask_routes, taking_routes, live_routes):
        application.include_router(router)
    application.mount("/", StaticFiles(directory=_PAGE, html=True))
    return Guard(application, port)


@routes.get("")
def sessions(store: Store) -> dict[str, Any]:
    return {"sessions": [_short(store, name) for name in store.names()], "folder": str(store.root), "room": store.room()}


@routes.post("", status_code=201, dependencies=[SENT_AS_BYTES])
async def upload(request: Request, name: Name, store: Store) -> dict[str, str]:
    size = int(request.headers.get("content-length", "0"))
    return {"id": await store.of_upload(Path(name).name, size, request.stream())}


@routes.get("/{session}")
def state(session: Opened, store: Store) -> dict[str, Any]:
    if not store.runner.is_working_on(session):
        notice(session)
    return _whole(session)


@routes.patch("/{session}")
def change(session: Opened, changes: Change) -> dict[str, Any]:
    session.change(**{name: value for name, value in changes if value is not None})
    return _whole(session)


@routes.delete("/{session}")
def remove(session: str, store: Store) -> None:
    store.remove(session)


@routes.get("/{session}/frames/{index}")
def frame(session: Opened, index: int) -> Response:
    session.check_frame(index)
    headers = {"cache-control": "private, max-age=3600"}
    return Response(session.reader.jpeg(index), media_type="image/jpeg", headers=headers)


@routes.post("/{session}/objects", status_code=201)
def add_object(session: Opened, content: ObjectName) -> dict[str, int]:
    return {"id": session.add_object(content.name)}


@routes.patch("/{session}/objects/{object_id}")
def rename_object(session: Opened, object_id: int, content: ObjectName) -> None:
    session.rename_object(object_id, content.name)


@routes.delete("/{session}/objects/{object_id}")
def remove_object(session: Opened, object_id: int) -> None:
    session.remove_object(object_id)


def _short(store: SessionStore, name: str) -> dict[str, Any]:
    try:
        record = store.get(name).record
    except (HodorError, OSError) as error:  # as a run that can't be taken over because the disk is full; others can be removed
        return {"id": name, "title": name, "error": one_line_of(error)}
    return {
        **record.model_dump(include={"title", "frames", "rate", "width", "height", "made"}),
        "id": name,
        "linked": (store.root / name).is_symlink(),
        "first": record.selection.start,
        "objects": len(record.names),
    }


def _whole(session: Session) -> dict[str, Any]:
    record, progress = session.record, session.progress
    colours = ["#{:02x}{:02x}{:02x}".format(*colour) for colour in object_palette()[: MAX_ID + 1].tolist()]
    return {
        **record.model_dump(include={"title", "frames", "width", "height", "rate", "settings", "camera"}),
        "id": session.folder.name,
        "folder": str(session.folder),
        "source": session.source,
        "first": record.selection.start,
        "stride": record.selection.stride,
        "objects": [{"id": each, "name": name} for each, name in sorted(record.names.items())],
        "colours": colours,
        "painted": {index: version_of(content) for index, content in session.painted_files().items()},
        "changed": session.is_changed(),
        "command": command_of(session),
        "weights": shipped_weights(),
        "described": bool(record.options.get("objects")),
        "told": session.tracking.told(),
        "found": session.tracking.forwards.version,
        "run": None if progress is None else progress.as_json(len(progress.rows)),
    }


async def _answer(request: Request, error: Exception) -> Response:
    """One line for whatever went wrong."""
    if isinstance(error, HodorError):
        return PlainTextResponse(str(error), error.status if isinstance(error, RefusalError) else 422)
    if isinstance(error, OSError):
        return PlainTextResponse(one_line_of(error), 507 if error.errno == errno.ENOSPC else 500)
    if isinstance(error, ClientDisconnect):
        return PlainTextResponse("the browser went away", 400)
    if not isinstance(error, RequestValidationError):
        raise error
    first = error.errors()[0]
    return PlainTextResponse(f"{first['loc'][-1]}: {first['msg']}", 422)

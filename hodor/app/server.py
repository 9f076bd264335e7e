"""What the page asks for: the routes, and how every failure becomes one line."""

import contextlib
import errno
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse, Response
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, ConfigDict, Field, field_validator
from starlette.requests import ClientDisconnect

from hodor.app.adopting import notice
from hodor.app.commands import command_of
from hodor.app.live import live_routes
from hodor.app.masks import mask_routes
from hodor.app.records import MAX_ID, MAX_NAME, Settings
from hodor.app.refusals import RefusalError
from hodor.app.running import Runner
from hodor.app.security import Guard
from hodor.app.sessions import Session
from hodor.app.store import SessionStore
from hodor.app.taking import taking_routes
from hodor.checkpoints.weights import names as shipped_weights
from hodor.errors import HodorError
from hodor.formats.object_files import is_one_line
from hodor.media.drawing import object_palette
from hodor.program import describe_os_error

_PAGE = Path(__file__).parent / "page"
Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME)]


class ObjectName(BaseModel):
    """What an object is called."""

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
    runner = Runner()

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(runner.stop)

    application = FastAPI(lifespan=lifespan, openapi_url=None)
    for kind in (HodorError, OSError, RequestValidationError, ClientDisconnect):
        application.add_exception_handler(kind, _answer)
    _session_routes(application, store, runner)
    _object_routes(application, store)
    application.include_router(mask_routes(store))
    application.include_router(taking_routes(store, runner))
    application.include_router(live_routes(store, runner))
    application.mount("/", StaticFiles(directory=_PAGE, html=True))
    return Guard(application, port)


def _session_routes(application: FastAPI, store: SessionStore, runner: Runner) -> None:
    @application.get("/api/sessions")
    def sessions() -> dict[str, Any]:
        return {"sessions": [_short(store, name) for name in store.names()], "folder": str(store.root), "room": store.room()}

    @application.post("/api/sessions", status_code=201)
    async def upload(request: Request, name: Name) -> dict[str, str]:
        _check_kind(request, "application/octet-stream")
        size = int(request.headers.get("content-length", "0"))
        return {"id": await store.of_upload(Path(name).name, size, request.stream())}

    @application.get("/api/sessions/{session}")
    def one(session: str) -> dict[str, Any]:
        opened = store.get(session)
        notice(opened)
        return _whole(opened, runner)

    @application.patch("/api/sessions/{session}")
    def change(session: str, changes: Change) -> dict[str, Any]:
        opened = store.get(session)
        opened.change(
            **{name: getattr(changes, name) for name in changes.model_fields_set if getattr(changes, name) is not None}
        )
        return _whole(opened, runner)

    @application.delete("/api/sessions/{session}")
    def remove(session: str) -> None:
        if runner.is_running(store.get(session)):
            raise RefusalError(409, "it is being worked on; cancel that first")
        store.remove(session)

    @application.get("/api/sessions/{session}/frames/{index}")
    def frame(session: str, index: int) -> Response:
        opened = store.get(session)
        opened.check_frame(index)
        headers = {"cache-control": "private, max-age=3600"}
        return Response(opened.reader.jpeg(index), media_type="image/jpeg", headers=headers)


def _object_routes(application: FastAPI, store: SessionStore) -> None:
    @application.post("/api/sessions/{session}/objects", status_code=201)
    def add(session: str, content: ObjectName) -> dict[str, int]:
        return {"id": store.get(session).add_object(content.name)}

    @application.patch("/api/sessions/{session}/objects/{object_id}")
    def rename(session: str, object_id: int, content: ObjectName) -> None:
        store.get(session).rename_object(object_id, content.name or f"Object {object_id}")

    @application.delete("/api/sessions/{session}/objects/{object_id}")
    def remove(session: str, object_id: int) -> None:
        store.get(session).remove_object(object_id)


def _short(store: SessionStore, name: str) -> dict[str, Any]:
    try:
        record = store.get(name).record
    except HodorError as error:
        return {"id": name, "title": name, "error": str(error)}
    except OSError as error:  # as a run that can't be taken over because the disk is full; others can be removed
        return {"id": name, "title": name, "error": describe_os_error(error)}
    return {
        **record.model_dump(include={"title", "frames", "rate", "width", "height", "made"}),
        "id": name,
        "linked": (store.root / name).is_symlink(),
        "first": record.selection.start,
        "objects": len(record.names),
    }


def _whole(session: Session, runner: Runner) -> dict[str, Any]:
    record, progress = session.record, runner.progress(session)
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
        "painted": session.painted_frames(),
        "changed": session.is_changed(),
        "command": command_of(session),
        "weights": shipped_weights(),
        "described": bool(record.options.get("objects")),
        "told": session.tracking.told(),
        "found": session.tracking.forwards.version,
        "run": None if progress is None else progress.as_json(len(progress.rows)),
    }


def _check_kind(request: Request, kind: str) -> None:
    """A page of another site could send some kinds of content without asking first; this one it can't."""
    if request.headers.get("content-type") != kind:
        raise RefusalError(415, f"the content must be {kind}")


async def _answer(request: Request, error: Exception) -> Response:
    """One line for whatever went wrong."""
    if isinstance(error, RefusalError):
        return PlainTextResponse(str(error), error.status)
    if isinstance(error, HodorError):
        return PlainTextResponse(str(error), 422)
    if isinstance(error, OSError):
        return PlainTextResponse(describe_os_error(error), 507 if error.errno == errno.ENOSPC else 500)
    if isinstance(error, ClientDisconnect):
        return PlainTextResponse("the browser went away", 400)
    if not isinstance(error, RequestValidationError):
        raise error
    first = error.errors()[0]
    return PlainTextResponse(f"{first['loc'][-1]}: {first['msg']}", 422)

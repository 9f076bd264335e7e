"""Running, and taking away: progress of the one run, masks as a ZIP, the overlay video, COCO's JSON."""

import io
import secrets
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

from fastapi import APIRouter
from fastapi.responses import FileResponse, Response, StreamingResponse

from hodor.app.dependencies import Opened, Store
from hodor.app.refusals import RefusalError
from hodor.app.sessions import Session
from hodor.files import scratch_folder

_FILES = {"video": ("overlay.mp4", "video/mp4"), "coco": ("masks.json", "application/json")}
Form = Literal["video", "coco"]
routes = APIRouter(prefix="/api/sessions/{session}")


@routes.post("/run", status_code=202)
def run(session: Opened, store: Store) -> None:
    store.runner.follow(session)


@routes.get("/run")
def progress(session: Opened, after: int = 0) -> dict[str, Any] | None:
    return None if session.progress is None else session.progress.as_json(max(after, 0))


@routes.delete("/run")
def cancel(session: Opened) -> None:
    session.cancel()


@routes.post("/make/{form}", status_code=202)
def make(session: Opened, store: Store, form: Form) -> None:
    store.runner.make(session, form)


@routes.get("/take/masks")
def masks(session: Opened) -> Response:
    kept = ExitStack()
    paths = session.tracking.forwards.snapshot(kept.enter_context(scratch_folder(session.folder / secrets.token_hex(8))))
    if not paths:
        kept.close()
        raise RefusalError(422, "nothing was followed yet; run first")
    return StreamingResponse(_zipped(paths, kept), media_type="application/zip", headers=_as_file(session, "masks.zip"))


@routes.get("/take/{form}")
def take(session: Opened, form: Form) -> Response:
    name, kind = _FILES[form]
    if not (session.folder / name).is_file():
        raise RefusalError(404, "it was not made yet")
    return FileResponse(session.folder / name, media_type=kind, headers=_as_file(session, name))


def _as_file(session: Session, name: str) -> dict[str, str]:
    """The browser saves it under a name of plain letters, whatever the video is called."""
    return {"content-disposition": f'attachment; filename="{session.folder.name}_{name}"', "cache-control": "no-store"}


class _Passed(io.RawIOBase):
    """A file that keeps what is written, as `content`, until somebody takes it out."""

    content = b""

    def write(self, block: Any) -> int:
        self.content += bytes(block)
        return len(block)


def _zipped(paths: list[Path], kept: ExitStack) -> Iterator[bytes]:
    """A ZIP of files, which never is in memory or on the disk as a whole; PNGs don't become smaller in it. Closes `kept`."""
    passed = _Passed()
    with kept, zipfile.ZipFile(passed, "w", zipfile.ZIP_STORED) as archive:
        for path in paths:
            archive.writestr(f"masks/{path.name}", path.read_bytes())
            yield passed.content
            passed.content = b""
    yield passed.content

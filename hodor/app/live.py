"""A camera that the browser has: its pictures come one by one over a web socket, are kept, and are followed as they come."""

import contextlib
import time
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import APIRouter, Request, WebSocket, WebSocketDisconnect
from fastapi.concurrency import run_in_threadpool

from hodor.app.commands import options_of
from hodor.app.dependencies import SENT_AS_BYTES, Store
from hodor.app.progress import rows_as_json
from hodor.app.records import FOUND
from hodor.app.refusals import RefusalError
from hodor.app.running import Runner, begun, told_of
from hodor.app.sessions import Session
from hodor.errors import HodorError
from hodor.files import written_aside
from hodor.formats.label_maps import write_label_map
from hodor.media.drawing import object_palette
from hodor.media.images import read_image
from hodor.tracking.confidences import Row, draw_confidences
from hodor.tracking.folder import PAGE

routes = APIRouter(prefix="/api")


class Recording:
    """The pictures of a camera after the first one, which is painted, and what is found in them."""

    def __init__(self, session: Session) -> None:
        """Loads the network and shows it the painted picture.

        Raises:
            RefusalError: nothing is painted in it, or the camera was followed before.
            HodorError: the weights can't be loaded.
        """
        from hodor.checkpoints.checkpoint import load  # noqa: PLC0415 (loads torch, for which no page needs to wait)
        from hodor.inference.from_options import segmenter_from_options  # noqa: PLC0415

        with session.lock:
            self._given, labels = session.painted_files(), session.painted(0)  # whatever another page paints meanwhile
        if not session.record.camera or labels is None:
            raise RefusalError(409, "paint an object in the camera's first picture; what was followed already is kept")
        self._session = session
        self._settings = session.record.settings  # whatever the next run is set to meanwhile
        self._segmenter = segmenter_from_options(load(self._settings.weights()), options_of(session, self._settings))
        self._rows: list[Row] = []
        self._count = 0
        self._begin = time.monotonic()
        self._follow(read_image(self._path(0), upright=True), labels)

    def step(self, picture: bytes) -> tuple[dict[str, Any], bytes]:
        """Keeps a picture, which is a JPEG of the first one's size, else a HodorError, and follows the objects into it.

        Returns the index of the frame and its rows as progress has them, and the label map [H, W] uint8.
        """
        index = self._count
        path = self._path(index)
        with written_aside(path) as aside:
            aside.write_bytes(picture)
            pixels = read_image(aside, upright=True)
            record = self._session.record
            if pixels.shape[:2] != (record.height, record.width):
                raise HodorError(f"the camera's picture has {pixels.shape[1]}x{pixels.shape[0]} pixels now; begin once more")
        try:
            labels = self._follow(pixels, None)
        except BaseException:  # what has no mask is no part of the recording
            path.unlink()
            raise
        return {"frame": index, "rows": rows_as_json(row for row in self._rows if row.frame == index)}, labels.tobytes()

    def finish(self) -> None:
        """Makes of it a run like those of `hodor track` on the folder of pictures."""
        if self._count < 2:
            return
        session, found = self._session, self._session.tracking.forwards
        session.keep_pictures((self._count - 1) / max(time.monotonic() - self._begin, 1e-3))
        rows = [row._replace(time=row.frame / session.record.rate) for row in self._rows]
        with begun(session, self._settings, self._given, overwrite_other=False):
            (session.folder / PAGE / FOUND).replace(found.masks)
            found.save(self._count, self._segmenter.state_dict(), rows)
            found.finish()
            session.change(followed_with=session.basis(self._settings), told=session.tracking.told())
            draw_confidences(session.folder / "confidences.svg", found.rows(), session.record.names)

    def _path(self, index: int) -> Path:
        return Path(self._session.source) / f"{index:05d}.jpg"

    def _follow(self, pixels: np.ndarray, given: np.ndarray | None) -> np.ndarray:
        index, name = self._count, f"{self._count:05d}"
        labels = self._segmenter.step(pixels, given).cpu().numpy()
        write_label_map(self._session.folder / PAGE / FOUND / f"{name}.png", labels, object_palette())
        areas = np.bincount(labels.ravel(), minlength=256).tolist()
        sure = sorted(self._segmenter.confidences.items())
        self._rows += [Row(index, name, 0.0, each, confidence, areas[each]) for each, confidence in sure]
        self._count += 1
        return labels


@routes.post("/cameras", status_code=201, dependencies=[SENT_AS_BYTES])
async def begin(request: Request, store: Store) -> dict[str, str]:
    """A camera's first picture makes a session; the others come over a web socket."""
    return {"id": await run_in_threadpool(store.of_camera, await request.body())}


@routes.websocket("/sessions/{session}/live")
async def live(socket: WebSocket, session: str, store: Store) -> None:
    """Takes JPEGs; answers each by JSON and a label map. An empty one, or a browser that goes away, is the end."""
    await socket.accept()
    with contextlib.suppress(WebSocketDisconnect):
        try:
            opened = await run_in_threadpool(store.get, session)
        except HodorError as error:
            await _send(socket, {"error": str(error)})
        else:
            await _send(socket, await _follow(socket, store.runner, opened))
        await socket.close()


async def _follow(socket: WebSocket, runner: Runner, session: Session) -> dict[str, Any]:
    """Follows what comes until it ends; gives the last word: that it is over, or what went wrong."""
    try:
        with runner.alone(session):
            recording = await run_in_threadpool(Recording, session)
            try:
                with contextlib.suppress(WebSocketDisconnect):  # the browser went away: what came is kept
                    await _send(socket, {"ready": True})
                    while picture := await socket.receive_bytes():
                        told, labels = await run_in_threadpool(recording.step, picture)
                        await _send(socket, told, labels)
            finally:
                await run_in_threadpool(recording.finish)
    except Exception as error:
        return {"error": told_of(error, session)}
    return {"over": True}


async def _send(socket: WebSocket, told: dict[str, Any], content: bytes = b"") -> None:
    """Sends JSON, and bytes after it. Raises a WebSocketDisconnect if the browser went away."""
    try:
        await socket.send_json(told)
        if content:
            await socket.send_bytes(content)
    except RuntimeError:  # the socket was closed
        raise WebSocketDisconnect from None

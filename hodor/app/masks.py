"""Masks on their way between page and disk: painted, found, cut out of a frame, read from a file.

A label map travels as its bytes, row by row, one for each pixel.
"""

import gzip
import tempfile
import threading
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from hodor.app.refusals import RefusalError
from hodor.app.sessions import Session
from hodor.app.store import SessionStore
from hodor.errors import HodorError
from hodor.formats.drawn_masks import ColourIds, read_drawn_mask
from hodor.formats.label_maps import present_ids
from hodor.media.cutting import mask_of_box, mask_of_click

_BYTES = "application/octet-stream"
_CUTTING = threading.Lock()  # GrabCut draws random numbers from one place for all threads
Point = tuple[float, float]
Points = Annotated[list[Point], Field(max_length=100)]


class Pointed(BaseModel):
    """An object that was pointed at.

    Attributes:
        frame: index of the frame.
        kind: by a box around it, or by clicks on it.
        box: (x0, y0, x1, y1) in pixels.
        points: (x, y), on the object.
        not_points: (x, y), beside it.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    frame: int
    kind: Literal["box", "click"]
    box: tuple[float, float, float, float] = (0, 0, 0, 0)
    points: Points = []
    not_points: Points = []


class Size(BaseModel):
    """Of a mask, in pixels."""

    width: int = Field(ge=1)
    height: int = Field(ge=1)


def mask_routes(store: SessionStore) -> APIRouter:
    """The routes for masks. Label maps come and go as [H, W] uint8 of the frame's size, row by row, 0 none and 1..254 objects.

    Whatever is refused is a HodorError, in one line: no such session, frame or object, another size, another tab's newer masks.
    """
    routes = APIRouter(prefix="/api/sessions/{session}")

    @routes.get("/painted/{index}")
    def painted(session: str, index: int) -> Response:
        opened = store.get(session)
        opened.check_frame(index)
        with opened.lock:
            labels, version = opened.painted(index), opened.version(index)
        return _sent(labels, version)

    @routes.put("/painted/{index}")
    async def paint(
        session: str, index: int, request: Request, size: Annotated[Size, Query()], if_match: Annotated[str, Header()]
    ) -> dict[str, str]:
        """Keeps a label map that was made from the version in `If-Match`; answers the new version. Else 404, 409, 415, 422."""
        if request.headers.get("content-type") != _BYTES:
            raise RefusalError(415, f"the content must be {_BYTES}")
        content = await request.body()
        if len(content) != size.width * size.height:
            raise RefusalError(422, f"{len(content)} bytes are no mask of {size.width}x{size.height} pixels")
        labels = np.frombuffer(content, np.uint8).reshape(size.height, size.width)
        return {"version": await run_in_threadpool(lambda: store.get(session).paint(index, labels, if_match))}

    @routes.post("/drawn/{index}")
    async def drawn(session: str, index: int, request: Request) -> Response:
        """The label map in an image file for a frame, to be painted by the page; nothing of it is kept but new objects."""
        opened = await run_in_threadpool(store.get, session)  # which may have to wait for another that is being taken over
        opened.check_frame(index)
        content = await request.body()
        return _sent(await run_in_threadpool(_read_drawn, opened, content), "")

    @routes.get("/found/{index}")
    def found(session: str, index: int) -> Response:
        return _sent(store.get(session).found(index), "")

    @routes.get("/confidences")
    def confidences(session: str) -> list[list[float]]:
        return [[row.frame, row.object_id, row.confidence] for row in store.get(session).rows()]

    @routes.post("/cut")
    def cut(session: str, pointed: Pointed) -> Response:
        """The object that was pointed at as [H, W] uint8, 1 on it. Points and boxes outside the frame are refused, 422."""
        opened = store.get(session)
        opened.check_frame(pointed.frame)
        image = opened.reader.pixels(pointed.frame)
        with _CUTTING:
            if pointed.kind == "box":
                mask = mask_of_box(image, pointed.box)
            else:
                mask = mask_of_click(image, pointed.points, not_points=pointed.not_points)
        return _sent(mask.astype(np.uint8), "")

    return routes


def _read_drawn(session: Session, content: bytes) -> np.ndarray:
    """The label map in an image file that was drawn elsewhere; its objects are made where they aren't there.

    Raises:
        HodorError: it is no mask, or has another size.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mask"
        path.write_bytes(content)
        try:
            size = session.record.height, session.record.width
            labels = read_drawn_mask(path, colours=ColourIds(), threshold=None, size=size).labels
        except HodorError as error:
            raise HodorError(str(error).replace(str(path), "the mask")) from None
    for object_id in present_ids(labels):
        session.know_object(object_id)
    return labels


def _sent(labels: np.ndarray | None, version: str) -> Response:
    if labels is None:
        return Response(status_code=204, headers={"cache-control": "no-store", "x-version": "none"})
    headers = {"content-encoding": "gzip", "cache-control": "no-store", "x-version": version}
    return Response(gzip.compress(labels.tobytes(), compresslevel=1), media_type=_BYTES, headers=headers)

"""Masks on their way between page and disk: painted, found, cut out of a frame, read from a file.

A label map travels as its bytes, [H, W] uint8 of the frame's size, row by row, 0 for none and 1..254 for objects.
"""

import gzip
import tempfile
import threading
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter, Header, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from hodor.app.dependencies import BYTES, SENT_AS_BYTES, Opened
from hodor.app.progress import rows_as_json
from hodor.app.refusals import RefusalError, errors_calling
from hodor.app.sessions import Session
from hodor.formats.drawn_masks import ColourIds, read_drawn_mask
from hodor.formats.label_maps import present_ids
from hodor.media.cutting import mask_of_box, mask_of_click

_CUTTING = threading.Lock()  # GrabCut draws random numbers from one place for all threads
Points = Annotated[list[tuple[float, float]], Field(max_length=100)]
routes = APIRouter(prefix="/api/sessions/{session}")


class Pointed(BaseModel):
    """An object that was pointed at, by a box around it, or by clicks on it; in pixels."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    frame: int  # its index
    kind: Literal["box", "click"]
    box: tuple[float, float, float, float] = (0, 0, 0, 0)  # x0, y0, x1, y1
    points: Points = []  # on the object
    not_points: Points = []  # beside it


@routes.get("/painted/{index}")
def painted(session: Opened, index: int) -> Response:
    session.check_frame(index)
    with session.lock:
        return _sent(session.painted(index), session.version(index))


@routes.put("/painted/{index}", dependencies=[SENT_AS_BYTES])
async def paint(
    session: Opened,
    index: int,
    *,
    request: Request,
    width: PositiveInt,
    height: PositiveInt,
    if_match: Annotated[str, Header()],
) -> dict[str, str]:
    """Keeps a label map that was made from the version in `If-Match`; answers the new version. Else 404, 409, 415, 422."""
    content = await request.body()
    if len(content) != width * height:
        raise RefusalError(422, f"{len(content)} bytes are no mask of {width}x{height} pixels")
    labels = np.frombuffer(content, np.uint8).reshape(height, width)
    return {"version": await run_in_threadpool(session.paint, index, labels, if_match)}


@routes.post("/drawn/{index}")
async def drawn(session: Opened, index: int, request: Request) -> Response:
    """The label map in an image file for a frame, to be painted by the page; nothing of it is kept but new objects."""
    session.check_frame(index)
    return await run_in_threadpool(_read_drawn, session, await request.body())


@routes.get("/found/{index}")
def found(session: Opened, index: int) -> Response:
    return _sent(session.found(index), "")


@routes.get("/confidences")
def confidences(session: Opened) -> list[list[float]]:
    return rows_as_json(session.rows())


@routes.post("/cut")
def cut(session: Opened, pointed: Pointed) -> Response:
    """The object that was pointed at as [H, W] uint8, 1 on it. Points and boxes outside the frame are refused, 422."""
    session.check_frame(pointed.frame)
    image = session.reader.pixels(pointed.frame)
    with _CUTTING:
        if pointed.kind == "box":
            mask = mask_of_box(image, pointed.box)
        else:
            mask = mask_of_click(image, pointed.points, not_points=pointed.not_points)
    return _sent(mask.astype(np.uint8), "")


def _read_drawn(session: Session, content: bytes) -> Response:
    size = session.record.height, session.record.width
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mask"
        path.write_bytes(content)
        with errors_calling(path, "the mask"):
            labels = read_drawn_mask(path, colours=ColourIds(), threshold=None, size=size).labels
    session.know_objects(present_ids(labels))
    return _sent(labels, "")


def _sent(labels: np.ndarray | None, version: str) -> Response:
    if labels is None:
        return Response(status_code=204, headers={"cache-control": "no-store", "x-version": "none"})
    headers = {"content-encoding": "gzip", "cache-control": "no-store", "x-version": version}
    return Response(gzip.compress(labels.tobytes(), compresslevel=1), media_type=BYTES, headers=headers)

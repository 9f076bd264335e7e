"""A server of one file that behaves as servers do: it goes on where it broke off or doesn't, breaks off, or lies."""

import contextlib
import io
import re
import threading
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np


@dataclass
class Answer:
    """How the server answers a request.

    Attributes:
        content: the file; None = the answer has only its status.
        etag: of the file, or "".
        ranges: whether parts of the file can be had.
        if_range: whether the server heeds `If-Range`.
        cut: the connection ends after so many bytes.
        stall: after these, the server sends nothing more, but keeps the connection.
        length: what the server says of the file's size; None = the truth, -1 = nothing.
        kind: the content's type.
    """

    content: bytes | None
    status: int = 200
    etag: str = '"first"'
    ranges: bool = True
    if_range: bool = True
    cut: int | None = None
    stall: bool = False
    length: int | None = None
    kind: str = "application/zip"


@dataclass
class Served:
    """A running server: its address, and the `Range` of each request so far ("" = without)."""

    url: str
    ranges: list[str] = field(default_factory=list)


@contextlib.contextmanager
def serving(*answers: Answer) -> Iterator[Served]:
    """A server that gives these answers in turn, and the last one from then on."""
    ending = threading.Event()
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            answer = left.pop(0) if len(left) > 1 else left[0]
            asked = self.headers.get("Range", "")
            served.ranges.append(asked)
            if answer.content is None:
                self.send_error(answer.status)
                return
            size = len(answer.content) if answer.length is None else answer.length
            match = re.fullmatch(r"bytes=(\d+)-", asked) if answer.ranges else None
            if match and answer.if_range and self.headers.get("If-Range") != answer.etag:
                match = None
            start = int(match[1]) if match else 0
            if start and start >= len(answer.content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(answer.content)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206 if match else answer.status)
            self.send_header("Content-Type", answer.kind)
            if answer.etag:
                self.send_header("ETag", answer.etag)
            if match:
                self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
            if size >= 0:
                self.send_header("Content-Length", str(size - start))
            self.end_headers()
            with contextlib.suppress(ConnectionError):
                self.wfile.write(answer.content[start:][: answer.cut])
            if answer.stall:
                ending.wait()

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    served = Served(f"http://127.0.0.1:{server.server_port}/archive.zip")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield served
    finally:
        ending.set()
        server.shutdown()
        server.server_close()
        thread.join()


def noise(count: int, seed: int = 0) -> bytes:
    """Bytes that can't be packed."""
    return np.random.default_rng(seed).bytes(count)


def zipped(files: Mapping[str, bytes]) -> bytes:
    """An archive of files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()

"""Whose requests are answered: those of our own page, and of no other site that a browser has open at the same time.

A page of another site can send requests to this machine (cross-site requests), or have its own name lead here (DNS rebinding).
So the `Host` must be this server, and `Origin` and `Sec-Fetch-Site`, where a browser sends them, must say the page is ours.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from hodor.app.refusals import RefusalError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_BODY = 2**27
"""Bytes of a request, but for uploaded videos: a label map of the largest frame and more."""
MAX_UPLOAD = 2**36
"""Bytes of a video: 64 GiB."""
UPLOADS = "/api/sessions"
"""Where videos are sent to."""

_HEADERS = {
    b"content-security-policy": b"default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
}
_READING = {"GET", "HEAD"}


class Guard:
    """An ASGI application before another one, which gets only requests that pass."""

    def __init__(self, application: Application, port: int) -> None:
        """`port` is that of the server."""
        self._application = application
        self._hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "lifespan":
            await self._application(scope, receive, send)
            return
        try:
            self._check(scope)
        except RefusalError as error:
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            else:
                await _refuse(send, error)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message["headers"]}
                added = [(name, value) for name, value in _HEADERS.items() if name not in present]
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        await self._application(scope, receive, with_headers)

    def _check(self, scope: Scope) -> None:
        headers: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
        if len(headers.get("host", [])) != 1 or headers["host"][0].lower() not in self._hosts:
            raise RefusalError(
                403, "this server answers to 127.0.0.1 and localhost alone; open the address that hodor app printed"
            )
        origins = {f"http://{host}" for host in self._hosts}
        foreign = any(origin not in origins for origin in headers.get("origin", []))
        site = headers.get("sec-fetch-site", ["none"])[0]
        if scope["path"].startswith("/api"):
            foreign |= site not in {"same-origin", "none"}
        is_socket = scope["type"] == "websocket"
        if foreign or (is_socket and not headers.get("origin")):  # browsers always say where a web socket comes from
            raise RefusalError(403, "another site asked for this; only the page of hodor app may")
        if not is_socket and scope["method"] not in _READING:
            _check_size(scope, headers)


def _check_size(scope: Scope, headers: dict[str, list[str]]) -> None:
    if "transfer-encoding" in headers:
        raise RefusalError(411, "the request doesn't say how large it is")
    length = headers.get("content-length", ["0"])[0]
    is_upload = scope["method"] == "POST" and scope["path"] == UPLOADS
    limit = MAX_UPLOAD if is_upload else MAX_BODY
    if not length.isdecimal() or int(length) > limit:
        raise RefusalError(413, f"{length} bytes are too many; {limit} are the most")


async def _refuse(send: Send, error: RefusalError) -> None:
    text = str(error).encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(text)).encode()), *_HEADERS.items()]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": text})

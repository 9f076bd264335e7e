"""Whose requests are answered: those of our own page, and of no other site that a browser has open at the same time.

A page of another site can send requests to this machine (cross-site requests), or have its own name lead here (DNS rebinding).
So the `Host` must be this server, and `Origin` and `Sec-Fetch-Site`, where a browser sends them, must say the page is ours.
"""

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hodor.app.refusals import RefusalError

_MAX_BODY = 2**27  # bytes of a request, but for uploaded videos: a label map of the largest frame and more
_MAX_UPLOAD = 2**36  # bytes of a video: 64 GiB
_UPLOADS = ("POST", "/api/sessions")  # how and where videos are sent
_HEADERS = {
    "content-security-policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class Guard:
    """An ASGI application before another one, which gets only requests that pass."""

    def __init__(self, application: ASGIApp, port: int) -> None:
        """`port` is that of the server."""
        self._application = application
        self._hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            if scope["type"] != "lifespan":
                self._check(scope, Headers(scope=scope))
        except RefusalError as error:
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            else:
                await PlainTextResponse(str(error), error.status)(scope, receive, with_headers)
        else:
            await self._application(scope, receive, with_headers)

    def _check(self, scope: Scope, headers: Headers) -> None:
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            raise RefusalError(
                403, "this server answers to 127.0.0.1 and localhost alone; open the address that hodor app printed"
            )
        foreign = not {f"http://{host}" for host in self._hosts}.issuperset(origins)
        if scope["path"].startswith("/api"):
            foreign |= headers.get("sec-fetch-site", "none") not in {"same-origin", "none"}
        is_socket = scope["type"] == "websocket"
        if foreign or (is_socket and not origins):  # browsers always say where a web socket comes from
            raise RefusalError(403, "another site asked for this; only the page of hodor app may")
        if is_socket or scope["method"] in {"GET", "HEAD"}:
            return
        if "transfer-encoding" in headers:
            raise RefusalError(411, "the request doesn't say how large it is")
        length = headers.get("content-length", "0")
        limit = _MAX_UPLOAD if (scope["method"], scope["path"]) == _UPLOADS else _MAX_BODY
        if not length.isdecimal() or int(length) > limit:
            raise RefusalError(413, f"{length} bytes are too many; {limit} are the most")

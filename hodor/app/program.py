"""The program `hodor app`: a page in the browser, served by this machine to itself alone."""

import contextlib
import importlib.util
import logging
import socket
import webbrowser
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from hodor.app.records import Settings
from hodor.checkpoints.hub import is_hub_name
from hodor.checkpoints.weights import DEFAULT, MEANING, locate_existing, names
from hodor.errors import HodorError
from hodor.files import folder_lock
from hodor.program import ArgumentParser
from hodor.workspace import checkpoints_folder

_ADDRESS = "127.0.0.1"
_PORT = 8642
_PACKAGES = ("fastapi", "uvicorn", "wsproto")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program until Ctrl-C; see `--help`."""
    options = _options(arguments)
    if missing := [name for name in _PACKAGES if importlib.util.find_spec(name) is None]:
        raise HodorError(f"hodor app needs {' and '.join(missing)}; install them: pip install 'hodor[app]'")
    checkpoint = options.checkpoint or DEFAULT
    weights = locate_existing(checkpoint, checkpoints_folder())
    folder: Path = options.folder or checkpoints_folder().parent / "sessions"
    with _listening(options.port) as listening, folder_lock(folder):
        settings_name = checkpoint if checkpoint in names() or is_hub_name(checkpoint) else str(weights.absolute())
        _serve(listening, folder.absolute(), options.source, settings_name, options.browser)
    return 0


def _options(arguments: Sequence[str] | None) -> Namespace:
    parser = ArgumentParser(
        prog="hodor app",
        description="Opens a page in the browser to paint objects in a video, follow them, correct and take away.",
    )
    add = parser.add_argument
    opened = "open it at once, without a copy of it; also a folder of hodor track"
    add("source", nargs="?", type=Path, metavar="VIDEO|FOLDER", help=opened)
    add("--port", type=int, metavar="N", help=f"of this machine (default: {_PORT}, or any that is free)")
    add("--folder", type=Path, metavar="DIR", help="where sessions are kept (default: sessions, in the workspace)")
    add("--checkpoint", metavar="CKPT", help=f"for new sessions: {MEANING}")
    add("--no_browser", dest="browser", action="store_false", help="only print the address")
    return parser.parse_args(arguments)


def _listening(port: int | None) -> socket.socket:
    """A socket that only this machine reaches; a HodorError says that the port is taken, or none."""
    if port is not None and not 1 <= port <= 65535:
        raise HodorError(f"--port must be 1..65535, not {port}")
    for wanted in (_PORT, 0) if port is None else (port,):
        with contextlib.suppress(OSError):
            return socket.create_server((_ADDRESS, wanted))
    if port is None:
        raise HodorError("no port is free on this machine")
    raise HodorError(f"--port {port}: is taken, or not allowed; choose another, or leave it out")


def _serve(listening: socket.socket, folder: Path, source: Path | None, checkpoint: str, browser: bool) -> None:
    import uvicorn  # noqa: PLC0415 (an extra, and the rest loads torch)

    from hodor.app.server import build  # noqa: PLC0415
    from hodor.app.store import SessionStore  # noqa: PLC0415

    port = listening.getsockname()[1]
    store = SessionStore(folder, Settings(checkpoint=checkpoint))
    session = store.of_path(source) if source is not None else ""
    address = f"http://{_ADDRESS}:{port}/" + (f"#{session}" if session else "")
    print(f"hodor app: {address} (Ctrl-C ends it; sessions are kept in {folder})", flush=True)
    if browser:
        webbrowser.open(address)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    config = uvicorn.Config(build(store, port), log_config=None, access_log=False, timeout_graceful_shutdown=5, ws="wsproto")
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listening])

"""What `killing.py` gives the programs that it kills: clips, masks, a workspace, and a server with an archive."""

import contextlib
import json
import os
import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def made_inputs(folder: Path, frames: int = 30) -> Iterator[Path]:
    """Clips, masks, a workspace and a server with an archive: everything that the programs read. Loads the libraries, too.

    Args:
        folder: takes all that.
        frames: of the clip that is tracked; what is known of objects is kept every 25.
    """
    import torch  # noqa: F401, PLC0415 (before processes are forked)

    import hodor.app.program  # noqa: PLC0415
    import hodor.inference.run  # noqa: PLC0415
    import hodor.tracking.beginning  # noqa: PLC0415
    import hodor.training.program  # noqa: F401, PLC0415

    apart(folder, lambda place: _make_inputs(place, frames))
    with _served_archive(folder / "davis", folder / "served") as address:
        (folder / "url").write_text(address)
        yield folder


def _make_inputs(folder: Path, frames: int) -> None:
    from hodor.convert.__main__ import main as convert  # noqa: PLC0415
    from hodor.synthetic import SyntheticClip, write_davis_folder  # noqa: PLC0415

    clips = [(f"clip_{seed}", SyntheticClip(seed, frames if seed == 0 else 3, 72, 128, 2)) for seed in range(3)]
    write_davis_folder(folder / "davis", clips)
    (folder / "truth").symlink_to(folder / "davis/Annotations/480p")
    (folder / "frames").symlink_to(folder / "davis/JPEGImages/480p/clip_0")
    (folder / "first.png").symlink_to(folder / "truth/clip_0/00000.png")
    workspace = folder / "workspace"
    workspace.mkdir()
    convert(["davis", str(folder / "davis"), "--name", "clips", "--workspace", str(workspace)])
    photographs, masks = (folder / "davis" / kind / "480p" for kind in ("JPEGImages", "Annotations"))
    convert(["images", str(photographs), str(masks), "--name", "toys", "--workspace", str(workspace)])


@contextlib.contextmanager
def _served_archive(davis: Path, folder: Path) -> Iterator[str]:
    """A process that serves an archive as `hodor download` expects it; gives its address."""
    import functools  # noqa: PLC0415
    import zipfile  # noqa: PLC0415
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer  # noqa: PLC0415

    folder.mkdir()
    with zipfile.ZipFile(folder / "archive.zip", "w") as archive:
        for path in sorted(davis.rglob("*.jpg")):
            archive.write(path, f"dataset_images/{path.relative_to(davis)}")
        archive.writestr("pretrained_backbones/noise.bin", random.Random(0).randbytes(1 << 22))
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(SimpleHTTPRequestHandler, directory=str(folder)))
    process = os.fork()  # not a thread: this process is going to be forked
    if not process:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        server.serve_forever()
    try:
        yield f"http://127.0.0.1:{server.server_port}/archive.zip"
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        server.server_close()


def apart(folder: Path, work: Callable[[Path], Any]) -> Any:
    """What `work` makes of a folder, in a process of its own: one that has used threads of libraries must not be forked."""
    reading, writing = os.pipe()
    process = os.fork()
    if not process:
        with os.fdopen(writing, "w") as file:
            json.dump(work(folder), file)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as file:
        made = file.read()
    if os.waitpid(process, 0)[1]:
        raise RuntimeError(f"{folder}: {work.__name__} failed")
    return json.loads(made)

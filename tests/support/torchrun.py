"""Programs as several processes that talk to each other."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from hodor.media.videos import read_video

ROOT = Path(__file__).parent.parent.parent


def torchrun(program: Path, *arguments: object, processes: int = 2) -> list[str]:
    """The command line for several processes of a program, or for one without `torchrun`."""
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"] if processes > 1 else []
    return [sys.executable, *launcher, str(program), *map(str, arguments)]


def finished(command: list[str], environment: Mapping[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    """Runs a command line to its end; it may not take longer than ten minutes."""
    variables = os.environ | (environment or {})
    return subprocess.run(command, env=variables, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)


def process_ids(launcher: int) -> dict[int, int]:
    """{rank: process id} of what a `torchrun` has started."""
    children = Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
    return {int(Path(f"/proc/{child}/environ").read_text().split("\0RANK=")[1][0]): int(child) for child in children}


def error_lines(stderr: str) -> list[str]:
    """What the program itself complained of, without what `torchrun` adds."""
    return [line for line in stderr.splitlines() if line.startswith("error:")]


def files_below(folder: Path) -> dict[str, bytes]:
    """{path: content} of all files in a folder; archives and what a killed process left half-written don't count.

    Of videos only the size of the frames counts: x264's bytes are not always the same for the same tiny frames.
    """
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != ".zip")
    return {str(path.relative_to(folder)): _content(path) for path in files if ".partial" not in str(path)}


def _content(path: Path) -> bytes:
    if path.suffix == ".mp4":
        return repr([frame.shape for frame in read_video(path)]).encode()
    return path.read_bytes()

"""How long a program takes to answer: helps, wrong arguments, and the first mask of `hodor track`.

    python benchmarks/startup.py --output startup.json

Every answer is a process of its own, in turns. The first mask counts from the start of the command, on a video of 864x486 and a
mask of its first frame, to the file with the mask of the second frame, with the weights that come with the package.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median

from hodor.formats.label_maps import davis_palette, write_label_map
from hodor.media.videos import write_video
from hodor.program import ArgumentParser, at_least_1, run
from hodor.synthetic import PhotographClip

ANSWERS = {
    "infer --help": 0, "track --help": 0, "train --help": 0, "infer compact --datset a": 2, "evaluate": 2,
    "track nowhere.mp4 --masks first.png": 1,
}  # fmt: skip
"""What follows `hodor`, and the exit code."""
FIRST_MASK = "track: the first mask"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; see `--help`."""
    parser = ArgumentParser(description="Measures how long programs take until they answer, and until the first mask.")
    parser.add_argument("--rounds", type=at_least_1, default=5, help="of each measurement (default: %(default)s)")
    parser.add_argument("--frames", type=at_least_1, default=82, help="of the video (default: %(default)s)")
    parser.add_argument("--output", type=Path, help="JSON with every number")
    options = parser.parse_args(arguments)
    took: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        video, mask = written(Path(folder), options.frames)
        runs: dict[str, Callable[[], float]] = {each: partial(answer, each.split(), code) for each, code in ANSWERS.items()}
        runs[FIRST_MASK] = partial(first_mask, video, mask, Path(folder))
        for _ in range(options.rounds):
            for name, measured in runs.items():
                took.setdefault(name, []).append(measured())
    for name, seconds in took.items():
        print(f"hodor {name}: {median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f})")
    if options.output is not None:
        options.output.write_text(json.dumps(took, indent=1) + "\n")
    return 0


def written(folder: Path, frames: int) -> tuple[Path, Path]:
    """A video file, and the mask of its first frame."""
    clip = PhotographClip(frames=frames, height=486)
    write_video(folder / "clip.mp4", (clip.frame(index)[0] for index in range(frames)))
    write_label_map(folder / "first.png", clip.frame(0)[1], davis_palette())
    return folder / "clip.mp4", folder / "first.png"


def answer(arguments: Sequence[str], code: int) -> float:
    """Seconds that a command takes; it must end with this exit code."""
    begin = time.monotonic()
    done = subprocess.run([sys.executable, "-m", "hodor", *arguments], capture_output=True, text=True, check=False)
    seconds = time.monotonic() - begin
    assert done.returncode == code, done.stderr
    return seconds


def first_mask(video: Path, mask: Path, folder: Path) -> float:
    """Seconds from the start of `hodor track` to the mask of the second frame."""
    with tempfile.TemporaryDirectory(dir=folder) as output:
        wanted = Path(output) / "tracked" / "masks" / "00001.png"
        begin = time.monotonic()
        command = [sys.executable, "-m", "hodor", "track", video, "--masks", mask, "--out", wanted.parent.parent]
        with subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
            while not wanted.exists():
                assert process.poll() is None, process.stderr and process.stderr.read()
                time.sleep(0.005)
            seconds = time.monotonic() - begin
            process.kill()
    return seconds


if __name__ == "__main__":
    run(main)

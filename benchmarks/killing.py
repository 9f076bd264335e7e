"""Kills programs with SIGKILL at random moments; after the same command again all must be as if nothing had happened.

    python benchmarks/killing.py --kills 240 --output killing.json

Every program runs once undisturbed. Then, in a fresh folder each time, it is killed up to three times in a row, at moments
drawn from the length of an undisturbed run, and started once more to its end. Files must then be the same, byte for byte; of
videos the frames count, of checkpoints and states all values, and logs with times in them don't. A process starts as a fork of
one that has loaded the libraries already, so that moments fall into the work and not into imports. The system must know fork.
Another seed adds to the report.
"""

import contextlib
import hashlib
import json
import os
import random
import signal
import socket
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from killed_inputs import apart, made_inputs

from hodor.program import ArgumentParser, at_least_1, run

_BLOCKS, _TOLERANCE = 8, 2.0
"""Of a video's frames the means of so many strips count, and may differ by so much: x264 does not always make the same of equal
frames that are tiny."""
_UNMENTIONED = ("logs",)
"""Folders of files that hold times of day."""
_TRAINING = {
    "MODEL.BACKBONE": "swin_compact", "MODEL.PRETRAINED_BACKBONE": "none", "MODEL.WIDTH": 32, "MODEL.NUM_ATTN_HEADS": 4,
    "MODEL.ENCODER_LAYERS": 1, "MODEL.DECODER_LAYERS": 1, "INPUT.MAX_IMAGE_AREA": 6144, "INPUT.MIN_DIM": 48,
    "INPUT.MAX_DIM": 96, "TRAINING.MIN_REF_MASK_AREA": 20, "TRAINING.MIN_REF_MASK_DIM": 3, "TRAINING.LR_SCHEDULER": "none",
    "TRAINING.BATCH_SIZE": 2, "TRAINING.TOTAL_ITERATIONS": 6, "DATA.DATASETS": "{toys: 1}",
}  # fmt: skip
"""A network and images so small that an iteration takes a moment."""


@dataclass(frozen=True)
class Program:
    """A program to kill.

    Attributes:
        command: its command line, given the folder of inputs and the fresh one that it works in.
        outputs: the folder, below that one, in which everything must come out the same.
        ranks: how many processes work together, as `torchrun` starts them.
    """

    command: Callable[[Path, Path], list[object]]
    outputs: str = "out"
    ranks: int = 1


def _train(*options: object) -> Callable[[Path, Path], list[object]]:
    def command(inputs: Path, work: Path) -> list[object]:
        written = sorted((work / "out").glob("*.pth"))
        begin = ["--restore_session", written[-1]] if written else ["--cfg", "static.yaml", "--model_dir", work / "out"]
        keys = [part for key, value in _TRAINING.items() for part in (f"--cfg.{key}", value)] if not written else []
        return ["train", *begin, "--device", "cpu", "--save_interval", 2, "--display_interval", 1, *options, *keys]

    return command


def _command(*options: object) -> Callable[[Path, Path], list[object]]:
    """A command line of which words in braces are paths: {inputs}, {work}, or {url}."""

    def command(inputs: Path, work: Path) -> list[object]:
        places = {"inputs": inputs, "work": work, "url": (inputs / "url").read_text()}
        return [str(option).format(**places) for option in options]

    return command


_SMALL = ("--min_image_dim", 32)
_INFER = ("infer", "compact", "--dataset", "clips", *_SMALL, "--save_vis", "--seqs", "clip_1", "clip_2")
_TRACK = ("track", "{inputs}/frames", "--masks", "{inputs}/first.png", *_SMALL, "--out", "{work}/out")
_EVALUATE = ("evaluate", "{inputs}/truth", "--ground_truth", "{inputs}/truth", "--num_workers", 2)
_CONVERT = ("convert", "davis", "{inputs}/davis", "--name", "toys", "--frames", "copy", "--workspace", "{work}/out")
_TWO = ("--allow_multigpu", "--max_samples_per_gpu", 1, "--num_cpu_workers", 0)
PROGRAMS: Mapping[str, Program] = {
    "inference": Program(_command(*_INFER, "--output_dir", "{work}/out")),
    "tracking": Program(_command(*_TRACK, "--format", "video", "coco", "cutout")),
    "evaluation": Program(_command(*_EVALUATE, "--output_dir", "{work}/out")),
    "conversion": Program(_command(*_CONVERT)),
    "training_with_workers": Program(_train("--num_cpu_workers", 2)),
    "training_with_two_ranks": Program(_train(*_TWO), ranks=2),
    "download": Program(_command("download", "--url", "{url}", "--retries", 0)),
}


class Outcome(NamedTuple):
    """What came of killing one program: how many kills, runs to the end after them, and in which of these what differed."""

    kills: int
    endings: int
    differences: list[str]


def kill_often(program: Program, inputs: Path, scratch: Path, kills: int, chance: random.Random) -> Outcome:
    """Kills a program so many times; each time a folder below `scratch` is worked in, and compared once the program is through.

    Raises:
        RuntimeError: the undisturbed run fails.
    """
    started = time.monotonic()
    if _finish(program, inputs, scratch / "undisturbed"):
        raise RuntimeError((scratch / "undisturbed/messages").read_text())
    length = time.monotonic() - started
    expected = apart(scratch / "undisturbed" / program.outputs, contents)
    done, endings, differences = 0, 0, list[str]()
    while done < kills:
        work = scratch / f"killed_{endings}"
        for _ in range(min(chance.randint(1, 3), kills - done)):
            processes, started = _start(program, inputs, work), time.monotonic()
            time.sleep(chance.uniform(0, length))
            if not _kill(processes, chance):
                length = time.monotonic() - started  # it was through before: the machine is faster now
                break
            done += 1
        code = _finish(program, inputs, work)
        found = apart(work / program.outputs, contents)
        wrong = [name for name in sorted({**expected, **found}) if not _is_same(expected.get(name), found.get(name))]
        if code or wrong:
            differences.append(f"{work.name}: exit code {code}, {', '.join(wrong)}: {(work / 'messages').read_text()[-500:]}")
        endings += 1
    return Outcome(done, endings, differences)


def contents(folder: Path) -> dict[str, Any]:
    """{path: digest, or means of a video's frames} of everything below a folder but logs.

    Whatever a killed process left half-written is there, too.
    """
    paths = [path.relative_to(folder) for path in sorted(folder.rglob("*")) if not path.is_dir()]
    return {str(path): _digest(folder / path) for path in paths if not set(path.parts) & set(_UNMENTIONED)}


def _digest(path: Path) -> str | list[list[float]]:
    import torch  # noqa: PLC0415 (not in the processes that programs start)

    from hodor.media.videos import read_video  # noqa: PLC0415

    if path.suffix == ".mp4":
        return [[float(block.mean()) for block in np.array_split(frame, _BLOCKS)] for frame in read_video(path)]
    if path.suffix in (".pt", ".pth"):
        content = repr(_values(torch.load(path, weights_only=True, map_location="cpu"))).encode()
    else:
        content = path.read_bytes()
    return hashlib.sha256(content).hexdigest()


def _is_same(first: Any, second: Any) -> bool:
    """Whether two files hold the same: bytes, or pictures up to what the encoder of videos makes of equal ones."""
    if isinstance(first, str) or isinstance(second, str) or first is None or second is None:
        return bool(first == second)
    return np.shape(first) == np.shape(second) and bool(np.abs(np.subtract(first, second)).max() <= _TOLERANCE)


def _values(content: Any) -> Any:
    """What has the same text where it is the same."""
    if isinstance(content, Mapping):
        return {key: _values(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_values(value) for value in content]
    return (content.dtype, content.numpy().tobytes()) if hasattr(content, "numpy") else content


def _start(program: Program, inputs: Path, work: Path) -> list[int]:
    """Starts a program in process groups of its own; gives the ids of its processes."""
    (work / program.outputs).mkdir(parents=True, exist_ok=True)
    arguments = [str(each) for each in program.command(inputs, work)]
    together = {}
    if program.ranks > 1:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            together = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": str(program.ranks)}
    workspace = str(work / "out" if arguments[0] == "download" else inputs / "workspace")
    processes = []
    for rank in range(program.ranks):
        process = os.fork()
        if not process:
            os.environ.update(together, RANK=str(rank), LOCAL_RANK=str(rank), HODOR_WORKSPACE_DIR=workspace)
            _become(arguments, work / "messages")
        with contextlib.suppress(OSError):
            os.setpgid(process, process)
        processes.append(process)
    return processes


def _become(arguments: Sequence[str], messages: Path) -> None:
    """Runs a command line in this process, which ends with it."""
    from hodor.cli import main  # noqa: PLC0415

    code = 1
    try:
        os.setpgid(0, 0)
        log = os.open(messages, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        run(main, arguments)
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(code)


def _kill(processes: Sequence[int], chance: random.Random) -> bool:
    """Kills one process, half of the time with those that it has started; the others end as `torchrun` ends them.

    Returns:
        Whether there was something to kill.
    """
    chosen = chance.choice(processes)
    if os.waitpid(chosen, os.WNOHANG)[0]:
        for process in processes:
            if process != chosen:
                os.waitpid(process, 0)
        return False
    (os.killpg if chance.random() < 0.5 else os.kill)(chosen, signal.SIGKILL)
    os.waitpid(chosen, 0)
    for process in processes:
        if process != chosen:
            os.kill(process, signal.SIGTERM)
            time.sleep(0.2)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process, signal.SIGKILL)
            os.waitpid(process, 0)
    return True


def _finish(program: Program, inputs: Path, work: Path) -> int:
    """Runs a program to its end; gives the exit code, the highest of several processes."""
    return max(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in _start(program, inputs, work))


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the loop; see `--help`. Returns the exit code: 1 if anything came out otherwise."""
    parser = ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=at_least_1, default=240, metavar="N", help="in all (default: %(default)s)")
    parser.add_argument("--only", nargs="+", choices=PROGRAMS, default=list(PROGRAMS), metavar="PROGRAM", help="(default: all)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the moments (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=Path("killing.json"), metavar="FILE", help="(default: %(default)s)")
    options: Namespace = parser.parse_args(arguments)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    report: dict[str, Any] = json.loads(options.output.read_text()) if options.output.is_file() else {}
    with tempfile.TemporaryDirectory() as root, made_inputs(Path(root)) as inputs:
        for position, name in enumerate(options.only):
            count = options.kills // len(options.only) + (position < options.kills % len(options.only))
            with tempfile.TemporaryDirectory() as scratch:
                outcome = kill_often(PROGRAMS[name], inputs, Path(scratch), count, random.Random(f"{options.seed} {name}"))
            before = report.get(name, {"kills": 0, "endings": 0, "differences": [], "seeds": []})
            report[name] = {key: before[key] + value for key, value in outcome._asdict().items()}
            report[name]["seeds"] = [*before["seeds"], options.seed]
            options.output.write_text(json.dumps(report, indent=1))
            print(f"{name}: {outcome.kills} kills, {outcome.endings} endings, {len(outcome.differences)} differ", flush=True)
            print("\n".join(outcome.differences), flush=True)
    return 1 if any(each["differences"] for each in report.values()) else 0


if __name__ == "__main__":
    run(main)

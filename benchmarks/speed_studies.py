"""The section `resolution`: each size is measured in a process of its own, so that its peak of memory is its own.

python -m hodor.benchmark.resolution --side 480      measures one and prints it as JSON
"""

import argparse
import contextlib
import json
import logging
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from hodor.allocation import keep_freed_memory
from hodor.benchmark.bench import Bench, Setting, Tracking, Video, label
from hodor.benchmark.measuring import in_turns, peak_memory
from hodor.errors import HodorError
from hodor.inference.sequences import is_out_of_memory
from hodor.program import ArgumentParser, run

_ROUNDS = 3
_RESET_PEAK = "5"  # what the kernel wants to read there
_LOGGER = logging.getLogger(__name__)


def resolution(bench: Bench) -> dict[str, Any]:
    """Time per frame and peak memory against the size of frames, which the network sees as they are.

    A size that fails, as for lack of memory, has "failed" with the reason instead.
    """
    rows = []
    for side in bench.sizes.sides:
        row: dict[str, Any] = {"frame_size": label(size_of(side)), "side": side} | _in_own_process(bench.setting, side)
        said = row["failed"] if "failed" in row else f"{row['seconds']['median']:.3g} s, {row['peak_memory'] / 2**30:.2f} GiB"
        _LOGGER.info("resolution: %s: %s", row["frame_size"], said)
        rows.append(row)
    return {"objects": bench.sizes.objects, "by_size": rows}


def size_of(side: int) -> tuple[int, int]:
    """A 16:9 frame by its shorter side: (height, width), the width even or, at 480, that of DAVIS."""
    return side, 854 if side == 480 else 2 * (side * 8 // 9)


def measure(setting: Setting, side: int) -> dict[str, Any]:
    """Measures frames of one size in this process: {"seconds": ..., "peak_memory": bytes}.

    Raises:
        HodorError: memory is short.
    """
    bench = Bench(setting)
    video = Video.drawn(size_of(side), bench.sizes.objects, frames=2)
    with contextlib.suppress(OSError):  # else drawing counts
        Path("/proc/self/clear_refs").write_text(_RESET_PEAK)
    try:
        tracking = Tracking(bench.segmenter(min_dim=side), video, bench.sizes.window)
        times = in_turns({"frame": tracking.step}, bench.device, rounds=_ROUNDS, repeats=bench.repeats)["frame"]
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise HodorError("not enough memory") from None
    return {"seconds": times.as_json(), "peak_memory": peak_memory(bench.device)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures one size and prints it as JSON."""
    options = _parser().parse_args(arguments)
    keep_freed_memory()
    setting = Setting(options.checkpoint, options.device, options.precision, options.threads, options.quick)
    print(json.dumps(measure(setting, options.side)))
    return 0


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="python -m hodor.benchmark.resolution",
        description="Measures one size of frames in this process; `hodor benchmark` is the program to use.",
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument("--side", type=int, required=True, help="shorter side of the frames, in pixels")
    parser.add_argument("--checkpoint", type=Path, default=None)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--quick", action="store_true", default=False)
    return parser


def _in_own_process(setting: Setting, side: int) -> dict[str, Any]:
    """What `measure` gives in a fresh process, or {"failed": reason in one line}."""
    command = [sys.executable, "-m", "hodor.benchmark.resolution", "--side", str(side), "--device", setting.device]
    command += ["--precision", setting.precision, "--threads", str(setting.threads)]
    command += ["--quick"] if setting.quick else []
    command += [] if setting.checkpoint is None else ["--checkpoint", str(setting.checkpoint)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode == 0:
        result: dict[str, Any] = json.loads(finished.stdout)
        return result
    if finished.returncode < 0:
        return {"failed": f"ended by signal {-finished.returncode}, probably for lack of memory"}
    return {"failed": (finished.stderr.strip().splitlines() or ["no reason given"])[-1].removeprefix("error: ")}


if __name__ == "__main__":
    run(main)

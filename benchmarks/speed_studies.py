"""Studies behind docs/speed.md: time and memory against the size of frames, time against the temporal window, bytes, pictures.

    python benchmarks/speed_studies.py --folder speed
    python benchmarks/speed_studies.py --folder speed --only plots --report benchmark/benchmark.json

Each size of frames is measured in a process of its own, so that its peak of memory is its own. Pictures are drawn of what was
measured here and of the sections `objects` and `memory` of a report of `hodor benchmark`; they need matplotlib.
"""

import contextlib
import json
import resource
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from hodor.benchmark.bench import Bench, Video, in_progress
from hodor.benchmark.measuring import in_turns
from hodor.devices import keep_freed_memory
from hodor.program import ArgumentParser, run

STUDIES = ("resolution", "window", "bytes", "plots")
SIDES = (240, 480, 720, 1080, 2160)
WINDOWS = (1, 3, 7, 15, 31)
ROUNDS = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the studies; see `--help`."""
    parser = ArgumentParser(description="Measures what docs/speed.md tells beside `hodor benchmark`, and draws pictures.")
    parser.add_argument(
        "--folder", type=Path, default=Path("speed"), help="where studies.json and pictures go (default: speed)"
    )
    parser.add_argument("--only", nargs="+", choices=STUDIES, default=STUDIES)
    parser.add_argument("--report", type=Path, help="a benchmark.json of `hodor benchmark`, whose sections are drawn too")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see whether everything works")
    parser.add_argument("--side", type=int, help="measure one size of frames in this process and print it as JSON")
    options = parser.parse_args(arguments)
    keep_freed_memory()
    if options.side:
        print(json.dumps(of_size(Bench(device=options.device, quick=options.quick), options.side)))
        return 0
    options.folder.mkdir(parents=True, exist_ok=True)
    file = options.folder / "studies.json"
    found: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    for name in [name for name in STUDIES if name in options.only and name != "plots"]:
        if name == "resolution":
            sides = (32, 64) if options.quick else SIDES
            found[name] = [in_own_process(side, options.device, options.quick) for side in sides]
        else:
            bench = Bench(device=options.device, quick=options.quick)
            found[name] = of_windows(bench) if name == "window" else bytes_moved(bench.step())
        print(f"{name}: {json.dumps(found[name])}")
        file.write_text(json.dumps(found, indent=2) + "\n")
    if "plots" in options.only:
        sections = json.loads(options.report.read_text())["sections"] if options.report else {}
        rows = {"objects": sections.get("objects", {}).get("by_count"), "frames": sections.get("memory", {}).get("by_frame")}
        for name, points in ({key: found.get(key) for key in ("resolution", "window")} | rows).items():
            if points:
                plot(options.folder / f"speed_{name}.png", points)
    return 0


def size_of(side: int) -> tuple[int, int]:
    """A 16:9 frame by its shorter side: (height, width), the width even or, at 480, that of DAVIS."""
    return side, 854 if side == 480 else 2 * (side * 8 // 9)


def of_size(bench: Bench, side: int) -> dict[str, Any]:
    """Seconds per frame of one size, which the network sees as it is, and the peak of memory in bytes."""
    video = Video.drawn(size_of(side), bench.sizes.objects, frames=2)
    with contextlib.suppress(OSError):  # else drawing counts
        Path("/proc/self/clear_refs").write_text("5")
    step = in_progress(bench.segmenter(min_dim=side), video, bench.sizes.window)
    times = in_turns({0: step}, bench.device, rounds=ROUNDS, repeats=bench.repeats)[0]
    on_gpu = bench.device.type == "cuda"
    peak = torch.cuda.max_memory_allocated(bench.device) if on_gpu else peak_of_memory()
    return {"shorter side in pixels": side, "seconds": times, "memory": peak}


def in_own_process(side: int, device: str, quick: bool) -> dict[str, Any]:
    """What `of_size` gives in a fresh process, or {"failed": reason in one line}."""
    command = [sys.executable, __file__, "--side", str(side), "--device", device, *(["--quick"] if quick else [])]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode == 0:
        result: dict[str, Any] = json.loads(finished.stdout)
        return result
    reason = (finished.stderr.strip().splitlines() or [f"exit code {finished.returncode}"])[-1]
    return {"shorter side in pixels": side, "failed": reason}


def peak_of_memory() -> int:
    """Bytes of this process that lay in memory at most.

    From the kernel's account; where there is none, the peak that `getrusage` knows. That alone would not do: a process inherits
    the peak of the one that started it.
    """
    status = Path("/proc/self/status")
    for line in status.read_text().splitlines() if status.is_file() else []:
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def of_windows(bench: Bench) -> list[dict[str, Any]]:
    """Seconds per frame against the number of frames in memory, in turns."""
    runs = {
        window: in_progress(bench.segmenter(temporal_window=window), bench.video(), window)
        for window in ((1, 2) if bench.quick else WINDOWS)
    }
    times = in_turns(runs, bench.device, rounds=bench.sizes.rounds, repeats=bench.repeats)
    return [{"frames in memory": window, "seconds": took} for window, took in times.items()]


def bytes_moved(run: Callable[[], object]) -> int:
    """Adds up the tensors that the operators in what `run` computes read and write, in bytes.

    Views and allocations don't count, nor do kernels that PyTorch doesn't know as operators (Triton's).
    """
    with _Bytes() as counter:
        run()
    return counter.total


class _Bytes(TorchDispatchMode):
    """Counts the bytes of every operator's tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, operator: Any, types: Any, arguments: Any = (), options: Any = None) -> Any:
        result = operator(*arguments, **(options or {}))
        if not operator.is_view and "empty" not in operator.name():
            tensors = [leaf for leaf in tree_leaves((arguments, options, result)) if isinstance(leaf, torch.Tensor)]
            self.total += sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        return result


def plot(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Draws seconds per frame and, where it was measured, memory (dashed) against the first value of each row."""
    from matplotlib.figure import Figure  # noqa: PLC0415 (it is not needed to measure)

    rows = [row for row in rows if "failed" not in row]
    name = next(iter(rows[0]))
    x = [row[name] for row in rows]
    seconds = [row["seconds"]["median"] if isinstance(row["seconds"], dict) else row["seconds"] for row in rows]
    memory = [row.get("memory", row.get("resident", 0)) / 2**30 for row in rows]
    figure = Figure(figsize=(6.4, 3.2), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(x, seconds, color="C0", marker="" if len(x) > 20 else "o")
    axes.set(xlabel=name, ylabel="seconds per frame", ylim=(0, 1.1 * max(seconds)))
    axes.grid(alpha=0.3)
    if any(memory):
        right = axes.twinx()
        right.plot(x, memory, color="C1", linestyle="--")
        right.set(ylabel="memory in GiB (dashed)", ylim=(0, 1.1 * max(memory)))
    figure.savefig(path, format="png", dpi=120)


if __name__ == "__main__":
    run(main)

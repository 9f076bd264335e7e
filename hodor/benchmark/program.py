"""Measures the speed of this machine and writes a report.

hodor benchmark --output benchmark
"""

import contextlib
import datetime
import logging
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hodor.benchmark import sections
from hodor.benchmark.bench import FULL, QUICK, Bench
from hodor.benchmark.frame import frame
from hodor.benchmark.report import TABLES_NAME, Report, machine
from hodor.checkpoints.checkpoint import fingerprint
from hodor.devices import is_out_of_memory, keep_freed_memory
from hodor.errors import HodorError
from hodor.program import ArgumentParser

SECTIONS = ("floor", "frame", "modes", "objects", "memory")
_LEAST_FRAMES = 8
_LOGGER = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program; see `--help`. Returns the exit code 0.

    Raises:
        HodorError: an argument is out of range, a device or checkpoint isn't there, or the folder holds another report.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(arguments)
    if options.long is not None and options.long < _LEAST_FRAMES:
        raise HodorError(f"--long must be at least {_LEAST_FRAMES}, not {options.long}")
    if options.output.exists() and not options.output.is_dir():
        raise HodorError(f"{options.output}: is a file; choose another --output")
    keep_freed_memory()
    bench = Bench(options.checkpoint, options.device, options.precision, quick=options.quick)
    weights = "random" if options.checkpoint is None else fingerprint(options.checkpoint)
    settings = {"weights": weights, "precision": options.precision, "quick": options.quick}
    report = Report(options.output, machine(bench.device), settings)
    options.output.mkdir(parents=True, exist_ok=True)  # what can't be written shall fail now
    measurements: dict[str, Callable[[], dict[str, Any]]] = {
        "floor": partial(sections.floor, bench),
        "frame": partial(frame, bench),
        "modes": partial(sections.modes, bench),
        "objects": partial(sections.objects, bench),
        "memory": partial(sections.memory, bench, options.long or bench.sizes.long),
    }
    for name in [name for name in SECTIONS if name in options.only]:
        _LOGGER.info("%s ...", name)
        with _naming(name):
            results = measurements[name]()
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        report.add(name, {"date": now, "command": shlex.join(["hodor", "benchmark", *arguments])} | results)
    print(f"report: {options.output / TABLES_NAME}")
    return 0


@contextlib.contextmanager
def _naming(section: str) -> Iterator[None]:
    """Turns a lack of memory into one line that names the section."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise HodorError(f"section {section!r}: not enough memory; leave it out by naming others with --only") from None


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="python -m hodor.benchmark",
        description="Measures how fast this machine segments and writes benchmark.json and benchmark.md. "
        "Sections that were measured before on the same machine with the same settings are kept or replaced.",
        epilog="sections: floor (arithmetic), frame (one 854x480 frame, its parts, a plain twin, files), modes (float32, bf16 "
        "and, on a GPU, compiled), objects (1 to 44), memory (time and memory along a long video)",
    )
    add = parser.add_argument
    add("--output", type=Path, default=Path("benchmark"), metavar="DIR", help="where to write (default: benchmark)")
    add("--checkpoint", type=Path, metavar="PATH", help="the network (default: the paper's with random weights, as fast)")
    add("--device", choices=["auto", "cpu", "cuda"], default="auto", help="(default: auto)")
    add("--precision", choices=["float32", "bf16"], default="float32", help="(default: float32)")
    add("--only", nargs="+", choices=SECTIONS, default=SECTIONS, metavar="SECTION", help="only these sections (default: all)")
    frames = f"(default: {FULL.long}; with --quick {QUICK.long})"
    add("--long", type=int, metavar="N", help=f"frames of the long video {frames}")
    add("--quick", action="store_true", help="tiny sizes, to see in seconds whether everything works")
    return parser

"""Measures the speed of this machine: benchmark.json with everything, benchmark.md with tables. Both grow section by section.

hodor benchmark --output benchmark
"""

import dataclasses
import datetime
import json
import logging
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from hodor.benchmark.sizes import FULL, QUICK
from hodor.checkpoints.weights import locate_existing
from hodor.devices import is_out_of_memory, keep_freed_memory
from hodor.errors import HodorError
from hodor.files import written_aside
from hodor.program import ArgumentParser, run

SECTIONS = ("floor", "frame", "modes", "objects", "memory")
_JSON_NAME, _TABLES_NAME = "benchmark.json", "benchmark.md"
_LOGGER = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program; see `--help`. Returns the exit code 0.

    Raises:
        HodorError: an argument is out of range, a device or checkpoint isn't there, or the folder holds another report.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(arguments)
    if options.long is not None and options.long < 8:
        raise HodorError(f"--long must be at least 8, not {options.long}")
    if options.output.exists() and not options.output.is_dir():
        raise HodorError(f"{options.output}: is a file; choose another --output")
    from hodor.benchmark import sections  # noqa: PLC0415 (torch takes seconds to import)
    from hodor.benchmark.bench import Bench  # noqa: PLC0415
    from hodor.benchmark.report import begun, tables  # noqa: PLC0415
    from hodor.checkpoints.checkpoint import fingerprint  # noqa: PLC0415

    checkpoint = None if options.checkpoint is None else locate_existing(options.checkpoint)
    keep_freed_memory()
    bench = Bench(checkpoint, options.device, options.precision, quick=options.quick)
    bench.sizes = dataclasses.replace(bench.sizes, long=options.long or bench.sizes.long)
    weights = "random" if checkpoint is None else fingerprint(checkpoint)
    settings = {"weights": weights, "precision": options.precision, "quick": options.quick}
    report = begun(options.output / _JSON_NAME, bench.machine(), settings)
    options.output.mkdir(parents=True, exist_ok=True)  # what can't be written shall fail now
    for name in [name for name in SECTIONS if name in options.only]:
        _LOGGER.info("%s ...", name)
        try:
            found = getattr(sections, name)(bench)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            raise HodorError(f"section {name!r}: not enough memory; leave it out by naming others with --only") from None
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        report["sections"][name] = {"date": now, "command": shlex.join(["hodor", "benchmark", *arguments])} | found
        for file, text in ((_JSON_NAME, json.dumps(report, indent=2) + "\n"), (_TABLES_NAME, tables(report))):
            with written_aside(options.output / file) as aside:
                aside.write_text(text)
    print(f"report: {options.output / _TABLES_NAME}")
    return 0


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="python -m hodor.benchmark",
        description="Measures how fast this machine segments and writes benchmark.json and benchmark.md. "
        "Sections that were measured before on the same machine with the same settings are kept or replaced.",
        epilog="sections: floor (arithmetic), frame (one 854x480 frame), modes (float32, bf16 "
        "and, on a GPU, compiled), objects (1 to 44), memory (time and memory along a long video)",
    )
    add = parser.add_argument
    add("--output", type=Path, default=Path("benchmark"), metavar="DIR", help="where to write (default: benchmark)")
    add("--checkpoint", type=Path, metavar="PATH", help="the network (default: the paper's with random weights, as fast)")
    add("--device", choices=["auto", "cpu", "cuda"], default="auto", help="(default: auto)")
    add("--precision", choices=["float32", "bf16"], default="float32", help="(default: float32)")
    add("--only", nargs="+", choices=SECTIONS, default=SECTIONS, metavar="SECTION", help="only these sections (default: all)")
    add("--long", type=int, metavar="N", help=f"frames of the long video (default: {FULL.long}; with --quick {QUICK.long})")
    add("--quick", action="store_true", help="tiny sizes, to see in seconds whether everything works")
    return parser


if __name__ == "__main__":
    run(main)

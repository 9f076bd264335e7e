"""Feeds every reader with damaged inputs: each must be read, or refused with an error in one line; nothing else may happen.

    python benchmarks/fuzzing.py --inputs 1000000 --only run_length_masks inference_json training_json
    python benchmarks/fuzzing.py --inputs 2000

Inputs are examples that were cut, spliced, and sprinkled with bytes and with words that mean something to some reader. They
are drawn from a seed, so that a finding can be made again; it is kept in the report as it was. Another seed adds to the report.
Memory is limited while readers work, and an input that takes longer than 20 s counts as a finding.
"""

import contextlib
import io
import json
import random
import resource
import signal
import tempfile
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from fuzzed_readers import Reader, readers

from hodor.errors import HodorError
from hodor.program import ArgumentParser, at_least_1, one_line, run

_HANGS = 20.0
_MEMORY = 1 << 30
"""Bytes that readers may take beside what the process has when it begins."""
_CHUNK = 10_000
"""Inputs between two reports."""
_NOTHING: Mapping[str, Any] = {"inputs": 0, "seeds": [], "peak_mib": 0, "found": []}
_WORDS = [
    *(b"0 1 -1 255 256 65536 4294967295 9007199254740993 1e308 1e400 NaN -Infinity null true {} [] \"\" '' -- = , : / .. @ # %")
    .split(b" "),
    *(b"../../x", b"/etc/passwd", b"a\x00b", b"\\u0000", b"\\ud800", b"\xff\xfe", b"\xed\xa0\x80", b"\n", b"\x1b[31m"),
    *(b"[" * 2000, b'{"a":' * 500, b"9" * 5000, b"&a [*a]", b"!!python/object/apply:os.system [x]", b"<script>", b"=1+1"),
]  # fmt: skip


def damaged(examples: Sequence[bytes], chance: random.Random) -> bytes:
    """An input, drawn by `chance`."""
    content = bytearray(chance.choice(examples))
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        begin = chance.randint(0, len(content))
        end = min(begin + chance.choice((0, 1, 1, 2, 8, 64)), len(content))
        way = chance.randint(0, 6)
        if way == 0:
            content[begin:end] = bytes(chance.getrandbits(8) for _ in range(end - begin))
        elif way == 1:
            content[begin:end] = chance.choice(_WORDS)
        elif way == 2:
            del content[begin:end]
        elif way == 3:
            content[begin:begin] = content[begin:end] * chance.randint(1, 9)
        elif way == 4 and begin < len(content):
            content[begin] ^= 1 << chance.randint(0, 7)
        elif way == 5:
            other = chance.choice(examples)
            content[begin:] = other[chance.randint(0, len(other)) :]
        elif chance.random() < 0.2:
            del content[begin:]
    return bytes(content)


def finding(reader: Reader, content: bytes) -> str | None:
    """What is wrong with how a reader takes an input; None if nothing is."""
    try:
        with contextlib.redirect_stderr(io.StringIO()) as complaint, contextlib.redirect_stdout(io.StringIO()):
            reader.read(content)
    except HodorError as error:
        said = str(error)
        return None if said and len(one_line(said)) < 1000 + 6 * len(content) else f"no line for people: {said[:200]!r}"
    except SystemExit as end:
        lines = complaint.getvalue().splitlines()
        return None if end.code == 0 or (end.code == 2 and len(lines) == 1) else f"exit code {end.code}, {lines}"
    except OSError as error:  # one line in every program, as for a name that is too long
        return None if error.errno is not None else repr(error)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def fuzz(reader: Reader, inputs: int, chance: random.Random) -> list[tuple[str, str]]:
    """Feeds so many inputs; gives what was wrong, and the input in hexadecimal digits."""
    found = []
    for _ in range(inputs):
        content = damaged(reader.examples, chance)
        signal.setitimer(signal.ITIMER_REAL, _HANGS)
        problem = finding(reader, content)
        signal.setitimer(signal.ITIMER_REAL, 0)
        if problem is not None:
            found.append((problem, content.hex()))
    return found


def _hangs(number: int, frame: FrameType | None) -> NoReturn:
    raise TimeoutError(f"took longer than {_HANGS:g} s")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the loop; see `--help`. Returns the exit code: 1 if there is a finding."""
    parser = ArgumentParser(description=(__doc__ or "").splitlines()[0])
    with tempfile.TemporaryDirectory() as folder:
        every: Mapping[str, Callable[[], Reader]] = dict(readers(Path(folder)))
        parser.add_argument(
            "--inputs", type=at_least_1, default=2000, metavar="N", help="of each reader (default: %(default)s)"
        )
        parser.add_argument("--only", nargs="+", choices=every, default=list(every), metavar="READER", help="(default: all)")
        parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the inputs (default: %(default)s)")
        parser.add_argument("--output", type=Path, default=Path("fuzzing.json"), metavar="FILE", help="(default: %(default)s)")
        options: Namespace = parser.parse_args(arguments)
        signal.signal(signal.SIGALRM, _hangs)
        report: dict[str, Any] = json.loads(options.output.read_text()) if options.output.is_file() else {}
        for name in options.only:
            reader = every[name]()
            wrong = [(problem, "an example") for problem in (finding(reader, each) for each in reader.examples) if problem]
            used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (used + _MEMORY, resource.RLIM_INFINITY))
            chance, before = random.Random(f"{options.seed} {name}"), report.get(name, _NOTHING)
            for count in range(0, options.inputs, _CHUNK):
                wrong += fuzz(reader, min(_CHUNK, options.inputs - count), chance)
                done = before["inputs"] + min(count + _CHUNK, options.inputs)
                peak = max(before["peak_mib"], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10)
                seeds = [*before["seeds"], options.seed]
                report[name] = {"inputs": done, "seeds": seeds, "peak_mib": peak, "found": [*before["found"], *wrong]}
                options.output.write_text(json.dumps(report, indent=1))
            resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            print(f"{name}: {done} inputs, {len(report[name]['found'])} findings, peak {peak} MiB", flush=True)
            for problem in dict.fromkeys(problem[:300] for problem, _ in wrong):
                print(f"  {one_line(problem)}", flush=True)
    return 1 if any(each["found"] for each in report.values()) else 0


if __name__ == "__main__":
    run(main)

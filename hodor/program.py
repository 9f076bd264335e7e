"""What every command line of the package shares: one-line errors, exit codes, log lines on stderr."""

import argparse
import contextlib
import errno
import io
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from types import FrameType
from typing import Any, NoReturn

from hodor.devices import is_out_of_memory
from hodor.errors import HodorError

_SPINS = "1000"
"""After so many PyTorch's threads sleep while they wait for each other, as OpenMP reads when it is loaded. By default they burn
their cores: with other programs on the same two, a small frame took 5.2 s instead of 0.8 s."""
_CALLED_AS: ContextVar[str | None] = ContextVar("_CALLED_AS", default=None)


@contextlib.contextmanager
def called_as(name: str) -> Iterator[None]:
    """A context in which a program's help and complaints call it `name`, which is what the user typed."""
    token = _CALLED_AS.set(name)
    try:
        yield
    finally:
        _CALLED_AS.reset(token)


class ArgumentParser(argparse.ArgumentParser):
    """An argument parser whose complaints are one line on stderr (exit code 2).

    Takes what `argparse.ArgumentParser` takes. A `prog` that begins with "python" gives way to the name in `called_as`.
    Options may be written with dashes or underscores.
    """

    def __init__(self, *, prog: str | None = None, **options: Any) -> None:
        if prog is None or prog.startswith("python "):  # parsers of a program's own commands begin with its name instead
            prog = _CALLED_AS.get() or prog
        super().__init__(prog=prog, **options)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        given = list(sys.argv[1:] if args is None else args)
        return super().parse_known_args([self._as_declared(each) for each in given], namespace)

    def _as_declared(self, argument: str) -> str:
        """An option as it was declared, where it is written with dashes instead of underscores, or the other way round."""
        name, sign, value = argument.partition("=")
        if not name.startswith("--"):
            return argument
        same = (each for each in self._option_string_actions if each.replace("-", "_") == name.replace("-", "_"))
        return next(same, name) + sign + value

    def error(self, message: str) -> NoReturn:
        print(f"error: {one_line(message)} (see {self.prog} --help)", file=sys.stderr)
        raise SystemExit(2)


def at_least_1(text: str) -> int:
    """The type of an option: a whole number from 1 on."""
    number = int(text) if text.strip().isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number, at least 1, not {text!r}")
    return number


def parse_with_overrides(
    parser: ArgumentParser, arguments: Sequence[str] | None
) -> tuple[argparse.Namespace, list[tuple[str, str]]]:
    """Parses a command line in which `--cfg.SECTION.KEY VALUE` (or `=VALUE`) overrides keys of a configuration.

    Returns:
        The options, and the overrides as (SECTION.KEY, VALUE).

    Raises:
        SystemExit: an argument is unknown, or a value is missing (exit code 2).
    """
    options, rest = parser.parse_known_args(arguments)
    overrides = []
    while rest:
        key, *value = rest.pop(0).split("=", 1)
        rest[:0] = value
        if not key.startswith("--cfg.") or not rest:
            parser.error(f"unrecognised argument {key!r}")
        overrides.append((key.removeprefix("--cfg."), rest.pop(0)))
    return options, overrides


class _LevelFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        text = one_line(record.getMessage())
        return text if record.levelno == logging.INFO else f"{record.levelname.lower()}: {text}"


def run(main: Callable[[Sequence[str] | None], int], arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs a program and leaves the process with its exit code.

    Everything a user can cause (`HodorError`, a failing disk, a lack of memory, Ctrl-C, SIGTERM, a reader of our output that
    left) becomes one line on stderr without a traceback. `main` may import torch only now, so that the settings of its threads
    take effect.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    signal.signal(signal.SIGTERM, _terminate)
    handler = logging.StreamHandler()
    handler.setFormatter(_LevelFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    try:
        code = main(arguments)
        sys.stdout.flush()
    except HodorError as error:
        code = complain(str(error))
    except BrokenPipeError:
        code = complain("nobody reads the output any more")
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python would complain once more when it ends
    except OSError as error:
        code = complain(describe_os_error(error))
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        said = str(error) or type(error).__name__
        code = complain(f"not enough memory ({said}); end other programs, or ask for less: smaller frames, fewer processes")
    except _TerminatedError as error:
        reason = error.__context__  # torchrun ends all processes when one is lost, which this one may just have noticed itself
        complain(str(reason) if isinstance(reason, HodorError) else "terminated")
        code = 128 + signal.SIGTERM
    except KeyboardInterrupt:
        complain("interrupted")
        code = 128 + signal.SIGINT
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # all is said; torchrun ends what is left once one of its processes failed
    sys.exit(code)


class _TerminatedError(KeyboardInterrupt):
    """SIGTERM arrived; it passes through everything as a Ctrl-C does, and what is half-written gets removed."""


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise _TerminatedError


def describe_os_error(error: OSError) -> str:
    """One line for a failed file operation: the file and the reason, with the way out where there is one."""
    reason = error.strerror or next(map(str, error.args), type(error).__name__)  # libraries say no number
    if error.errno == errno.ENOSPC:
        reason += "; free some space and run the same command again"
    return f"{error.filename}: {reason}" if error.filename else reason


def complain(message: str) -> int:
    """Prints an error in one line on stderr. Returns the exit code for it, 1."""
    print(f"error: {one_line(message)}", file=sys.stderr)
    return 1


def one_line(text: str) -> str:
    """A message in one line, as a terminal may see it: what names of files can hold besides printable characters is escaped."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in " ".join(text.split())
    )

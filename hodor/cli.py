"""The command `hodor`: one name for every program of the package.

hodor infer CHECKPOINT --dataset davis_val      is      python hodor/inference/main.py CHECKPOINT --dataset davis_val
"""

import difflib
import importlib
import importlib.metadata
import sys
from collections.abc import Sequence
from typing import NamedTuple, NoReturn

from hodor.program import called_as, run


class _Command(NamedTuple):
    module: str
    purpose: str


_COMMANDS = {
    "infer": _Command("hodor.inference.main", "segment the videos of a data set"),
    "train": _Command("hodor.training.main", "train a network by a recipe"),
    "evaluate": _Command("hodor.evaluation.main", "score masks against true ones: J and F"),
    "convert": _Command("hodor.convert.__main__", "make a data set known: DAVIS, YouTube-VOS, COCO, any folder"),
    "split": _Command("hodor.media.split", "turn a video file into frames"),
    "show": _Command("hodor.data.show", "draw what training samples look like"),
    "synthetic": _Command("hodor.synthetic.__main__", "make toy videos, or one of photographs, with exact masks"),
    "benchmark": _Command("hodor.benchmark.__main__", "measure the speed of this machine"),
}

_MEANINGS = {  # other words that people try
    "infer": "segment segmentation track tracking run predict inference propagate test demo",
    "train": "training fit learn finetune fine-tune resume",
    "evaluate": "eval evaluation score judge measure metrics val validate",
    "convert": "import prepare dataset data add",
    "split": "extract frames video unpack",
    "show": "view visualise visualize draw samples",
    "synthetic": "toy toys generate synthesise synthesize",
    "benchmark": "bench speed profile time fps",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Hands everything after the name of a command to its program; returns that program's exit code.

    Only the chosen program is imported.

    Raises:
        SystemExit: no command is named, or one that doesn't exist (exit code 2).
    """
    name, *rest = list(sys.argv[1:] if arguments is None else arguments) or [""]
    if name in ("-h", "--help"):
        print(_help())
        return 0
    if name == "--version":
        print(f"hodor {importlib.metadata.version('hodor')}")
        return 0
    if name not in _COMMANDS:
        print(f"error: {_complaint(name)} (see hodor --help)", file=sys.stderr)
        raise SystemExit(2)
    with called_as(f"hodor {name}"):
        code: int = importlib.import_module(_COMMANDS[name].module).main(rest)
    return code


def start() -> NoReturn:
    """Runs the command line of this process and leaves with its exit code."""
    run(main)


def _complaint(name: str) -> str:
    if not name:
        return f"name a command: {', '.join(_COMMANDS)}"
    meant = next((command for command, others in _MEANINGS.items() if name.lower() in others.split()), None)
    close = meant or difflib.get_close_matches(name, _COMMANDS, n=1, cutoff=0)[0]
    return f"unknown command {name!r}; did you mean {close!r}?"


def _help() -> str:
    width = max(map(len, _COMMANDS))
    commands = [f"  {name:{width}}  {command.purpose}" for name, command in _COMMANDS.items()]
    return "\n".join(
        [
            "usage: hodor COMMAND ...",
            "",
            "Video object segmentation with high-level object descriptors.",
            "",
            "commands (`hodor COMMAND --help` explains each):",
            *commands,
            "",
            "options:",
            f"  {'--help':{width}}  show this",
            f"  {'--version':{width}}  show the version",
        ]
    )

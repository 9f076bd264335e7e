"""The command `hodor`: one name for every program of the package.

hodor infer CHECKPOINT --dataset davis_val      is      python hodor/inference/main.py CHECKPOINT --dataset davis_val
"""

import difflib
import importlib
import importlib.metadata
import sys
from collections.abc import Sequence
from typing import NoReturn

from hodor.program import called_as, run

_COMMANDS = {  # module, purpose, and other words that people try
    "infer": (
        "hodor.inference.main",
        "segment the videos of a data set",
        "segmentation inference propagate test davis",
    ),
    "track": (
        "hodor.tracking.program",
        "follow objects through a video, a folder of frames or a camera's picture",
        "tracking follow video camera webcam run predict demo segment",
    ),
    "app": (
        "hodor.app.program",
        "a page in the browser: paint objects in a video, follow, correct, take away",
        "gui page browser web ui serve interactive paint",
    ),
    "describe": (
        "hodor.tracking.describe",
        "write what an object looks like as a small file, to find it in other videos",
        "object descriptor remember",
    ),
    "train": ("hodor.training.main", "train a network by a recipe", "training fit learn finetune fine-tune resume"),
    "evaluate": (
        "hodor.evaluation.main",
        "score masks against true ones: J and F",
        "eval evaluation score judge measure metrics val validate",
    ),
    "convert": (
        "hodor.convert.__main__",
        "make a data set known: DAVIS, YouTube-VOS, COCO, any folder",
        "import prepare dataset data add",
    ),
    "download": (
        "hodor.supplies.download",
        "get the authors' annotations, pretrained backbone and checkpoints",
        "get fetch weights checkpoint checkpoints pretrained",
    ),
    "export": ("hodor.export.program", "write a network as ONNX files", "onnx onnxruntime deploy mobile"),
    "push": ("hodor.checkpoints.push", "put a checkpoint on a hub", "upload publish share hub huggingface"),
    "doctor": (
        "hodor.supplies.doctor",
        "say what is here, what is missing or broken, and what mends it",
        "check diagnose info status env environment setup",
    ),
    "split": ("hodor.media.split", "turn a video file into frames", "extract frames video unpack"),
    "show": ("hodor.data.show", "draw what training samples look like", "view visualise visualize draw samples"),
    "synthetic": (
        "hodor.synthetic.__main__",
        "make toy videos, or one of photographs, with exact masks",
        "toy toys generate synthesise synthesize",
    ),
    "benchmark": ("hodor.benchmark.__main__", "measure the speed of this machine", "bench speed profile time fps"),
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
    module, *_ = _COMMANDS[name]
    with called_as(f"hodor {name}"):
        code: int = importlib.import_module(module).main(rest)
    return code


def start() -> NoReturn:
    """Runs the command line of this process and leaves with its exit code."""
    run(main)


def _complaint(name: str) -> str:
    if not name:
        return f"name a command: {', '.join(_COMMANDS)}"
    meant = [each for each, (_, _, synonyms) in _COMMANDS.items() if name.lower() in synonyms.split()]
    close = meant or difflib.get_close_matches(name, _COMMANDS, n=1, cutoff=0)
    return f"unknown command {name!r}; did you mean {close[0]!r}?"


def _help() -> str:
    commands = "\n".join(f"  {name:9}  {purpose}" for name, (_, purpose, _) in _COMMANDS.items())
    return f"""usage: hodor COMMAND ...

Video object segmentation with high-level object descriptors.

commands (`hodor COMMAND --help` explains each):
{commands}

options:
  --help     show this
  --version  show the version"""

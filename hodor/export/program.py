"""The program `hodor export`: a network as ONNX files, which run without PyTorch."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from hodor.checkpoints.weights import MEANING, locate_existing
from hodor.errors import HodorError
from hodor.program import ArgumentParser
from hodor.workspace import checkpoints_folder

_PACKAGES = ("onnx", "onnxscript")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program; see `--help`. Returns the exit code 0.

    Raises:
        HodorError: there is no such checkpoint, the folder exists, or a package is missing.
    """
    parser = ArgumentParser(
        prog="hodor export",
        description="Writes a network as three ONNX files, features.onnx, describe.onnx and segment.onnx, for images of any "
        "size and any number of objects. examples/track_with_onnxruntime.py tracks a video with them.",
    )
    parser.add_argument("checkpoint", help=MEANING)
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="FOLDER", help="is made")
    options = parser.parse_args(arguments)
    if missing := [name for name in _PACKAGES if importlib.util.find_spec(name) is None]:
        raise HodorError(f"hodor export needs {' and '.join(missing)}; install them: pip install 'hodor[export]'")
    weights = locate_existing(options.checkpoint, checkpoints_folder())

    from hodor.checkpoints.checkpoint import load  # noqa: PLC0415 (torch takes seconds to import)
    from hodor.export.onnx_files import write_onnx  # noqa: PLC0415

    write_onnx(options.out, load(weights))
    print(", ".join(f"{path} ({path.stat().st_size / 1e6:.1f} MB)" for path in sorted(options.out.iterdir())))
    return 0

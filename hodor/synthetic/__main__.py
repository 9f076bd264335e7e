"""The command line of the synthetic clips: `hodor synthetic OUT_DIR`."""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from hodor.errors import HodorError
from hodor.program import ArgumentParser, run
from hodor.synthetic.clip import SyntheticClip
from hodor.synthetic.davis_folder import write_davis_folder

_DESCRIPTION = """\
Writes synthetic videos with exact masks in the layout of DAVIS: things with textures that move, turn, bend, hide each other,
leave and come back. Equal arguments write equal pixels."""

_EPILOG = """\
example:
  hodor synthetic toys --clips 4 --frames 20 --objects 3
  hodor convert davis toys --name toys"""

_log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the clips; returns the exit code 0.

    Raises:
        HodorError: a number is out of range, or the folder is not empty.
    """
    parser = ArgumentParser(
        prog="python -m hodor.synthetic",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, metavar="OUT_DIR", help="a folder that doesn't exist yet or is empty")
    for name, default, what in (
        ("clips", 4, "how many videos"),
        ("frames", 20, "in each video"),
        ("height", 128, "in pixels, at least 16"),
        ("width", 224, "in pixels, at least 16"),
        ("objects", 3, "in each video, 1..254"),
        ("seed", 0, "the first video's; each further one adds 1"),
    ):
        parser.add_argument(f"--{name}", type=int, default=default, metavar="N", help=f"{what} (default: {default})")
    options = parser.parse_args(arguments)
    if options.clips < 1:
        raise HodorError(f"--clips: {options.clips} must be at least 1")
    try:
        clips = [
            (f"clip_{seed:05d}", SyntheticClip(seed, options.frames, options.height, options.width, options.objects))
            for seed in range(options.seed, options.seed + options.clips)
        ]
    except ValueError as error:
        raise HodorError(str(error)) from None
    write_davis_folder(options.folder, tqdm(clips, desc="drawing", unit="clip", disable=None))
    _log.info("%s: %d clips of %d frames, %dx%d", options.folder, options.clips, options.frames, options.width, options.height)
    _log.info("next: hodor convert davis %s --name NAME", options.folder)
    return 0


if __name__ == "__main__":
    run(main)

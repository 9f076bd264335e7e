"""The command line of the synthetic clips: `hodor synthetic OUT_DIR`."""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from hodor.errors import HodorError
from hodor.files import errors_naming
from hodor.program import ArgumentParser, run
from hodor.synthetic.clip import SyntheticClip, write_davis_folder
from hodor.synthetic.photograph_clip import PhotographClip

_DESCRIPTION = """\
Writes synthetic videos with exact masks in the layout of DAVIS: things with textures that move, turn, bend, hide each other,
leave and come back; or, with --photographs, one video of cut-out photographs. Equal arguments write equal pixels."""

_EPILOG = """\
example:
  hodor synthetic toys --clips 4 --frames 20 --objects 3
  hodor synthetic launch --photographs
  hodor convert davis toys --name toys"""

_NUMBERS = {
    "clips": (4, "how many videos"),
    "frames": (20, "in each video"),
    "height": (128, "in pixels, at least 16"),
    "width": (224, "in pixels, at least 16"),
    "objects": (3, "in each video, 1..254"),
    "seed": (0, "the first video's; each further one adds 1"),
}
_log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the clips; see `--help`."""
    parser = ArgumentParser(
        prog="python -m hodor.synthetic",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, metavar="OUT_DIR", help="a folder that doesn't exist yet or is empty")
    parser.add_argument(
        "--photographs",
        action="store_true",
        help="one clip in which a cat, a space shuttle and a cup of coffee meet at a launch site; takes --frames (default: 32)"
        " and --height (default: 240, at least 48; the width is 16/9 of it)",
    )
    for name, (default, what) in _NUMBERS.items():
        parser.add_argument(f"--{name}", type=int, metavar="N", help=f"{what} (default: {default})")
    options = parser.parse_args(arguments)
    given = {name: getattr(options, name) for name in _NUMBERS if getattr(options, name) is not None}
    try:
        clips = _clips(given, photographs=options.photographs)
    except ValueError as error:
        raise HodorError(str(error)) from None
    with errors_naming(options.folder):
        write_davis_folder(options.folder, tqdm(clips, desc="drawing", unit="clip", disable=None))
    _, first = clips[0]
    _log.info("%s: %d clips of %d frames, %dx%d", options.folder, len(clips), first.frames, first.width, first.height)
    _log.info("next: hodor convert davis %s --name NAME", options.folder)
    return 0


def _clips(given: dict[str, Any], *, photographs: bool) -> Sequence[tuple[str, SyntheticClip | PhotographClip]]:
    """The clips and their names; `given` are the numbers that the user wrote."""
    if photographs:
        if needless := sorted(given.keys() - {"frames", "height"}):
            raise HodorError(f"--{needless[0]} says nothing about --photographs; leave it out")
        return [("launch_site", PhotographClip(**given))]
    numbers = {name: default for name, (default, _) in _NUMBERS.items()} | given
    count, first = numbers.pop("clips"), numbers.pop("seed")
    if count < 1:
        raise HodorError(f"--clips: {count} must be at least 1")
    return [(f"clip_{seed:05d}", SyntheticClip(seed, **numbers)) for seed in range(first, first + count)]


if __name__ == "__main__":
    run(main)

"""The command line of `hodor track`. Nothing here needs the network, so that a wrong argument is answered at once."""

import argparse
from pathlib import Path
from typing import Any

from hodor.checkpoints.weights import MEANING
from hodor.errors import HodorError
from hodor.files import refuse_file_in_place
from hodor.formats.colour_ids import MAX_OBJECT_ID
from hodor.formats.object_files import is_one_line
from hodor.inference.options import add_network_options
from hodor.media.camera_source import CAMERA
from hodor.media.drawing import OPACITY
from hodor.program import ArgumentParser
from hodor.tracking.folder import PAGE
from hodor.tracking.products import FORMATS

_EXAMPLES = """\
examples:
  hodor track holiday.mp4 --masks first.png
  hodor track holiday.mp4 --box 120,80,300,260 --names 1=dog
  hodor track holiday.mp4 --masks 0=dog.png 40=dog_and_cat.png --format video cutout --backwards
  hodor track frames/ --masks masks/ --out result
  hodor track camera:0 --click 320,240 --end 300

Frames count from 0. Coordinates are pixels of the source, from its upper left corner. The same command again goes on where it
was stopped; with other masks it goes on from the first frame in which they differ."""


def parser(kind: type[ArgumentParser] = ArgumentParser) -> ArgumentParser:
    """The options of the program, in a parser of some kind."""
    options = kind(
        prog="hodor track",
        description="Follows objects through a video, a folder of frames or a camera's picture.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = options.add_argument
    add("source", metavar="VIDEO|FOLDER|camera:N", help="any file that FFmpeg reads, a folder of images, or a camera")
    given = options.add_argument_group("what to follow (object ids are 1..254)")
    add = given.add_argument
    several: dict[str, Any] = {"nargs": "+", "action": "extend", "default": []}  # and more where the option is said again
    add(
        "--masks",
        **several,
        metavar="[FRAME=]FILE|FOLDER",
        help="drawn masks, of the first frame where none is named, or a folder of masks that are called like their frames; "
        "palette, grey, black and white, or one colour per object",
    )
    add("--box", **several, metavar="[ID=]X0,Y0,X1,Y1[@FRAME]", help="cut an object out of a box around it")
    add("--click", **several, metavar="[ID=]X,Y[@FRAME]", help="cut out what is under a point; several for one ID")
    add("--colours", **several, metavar="COLOUR=ID", help="which object a colour of the masks means: red=1 #00ff00=2")
    add("--threshold", type=int, metavar="N", help="masks have soft edges: what is at least N (1..255) is the object")
    add("--objects", **several, metavar="[ID=]FILE", help="find objects described by hodor describe")
    add("--presence_threshold", type=float, metavar="P", help="how certain that must be, 0 to 1 (default: the checkpoint's)")
    add("--names", **several, metavar="ID=NAME", help="names of objects, for legends and tables")
    add("--backwards", action="store_true", help="also follow objects from where they are given back to the first frame")
    _add_frames_and_output(options)
    network = options.add_argument_group("network")
    network.add_argument("--checkpoint", metavar="CKPT", help=MEANING)
    add_network_options(network)
    options.set_defaults(corrections_replace=True)
    return options


def _add_frames_and_output(options: ArgumentParser) -> None:
    frames = options.add_argument_group("which frames")
    add = frames.add_argument
    add("--start", type=int, default=0, metavar="N", help="the first frame (default: 0)")
    add("--end", type=int, metavar="N", help="the frame behind the last one (default: all)")
    add("--stride", type=int, default=1, metavar="N", help="take every N-th frame (default: 1)")
    add("--max_size", type=int, metavar="N", help="make frames smaller whose longer side has more pixels")
    add("--rate", type=float, metavar="R", help="frames per second of a folder (default: 24)")
    output = options.add_argument_group("output")
    add = output.add_argument
    add("-o", "--out", type=Path, metavar="DIR", help="where to write (default: <name of the source>_tracked)")
    formats = "; ".join(f"{name}: {what}" for name, what in FORMATS.items())
    add(
        "--format",
        nargs="*",
        action=_InsteadOfDefault,
        default=["video"],
        choices=list(FORMATS),
        metavar="FORM",
        help=f"besides masks/<frame>.png, confidences.csv and .svg: {formats} (default: video)",
    )
    add("--opacity", type=_opacity, default=OPACITY, metavar="P", help=f"of objects' colours in the video (default: {OPACITY})")
    add("--outline", action=argparse.BooleanOptionalAction, default=True, help="lines around objects there (default: yes)")
    add("--overwrite", action="store_true", help="begin anew where DIR holds another run")


class _InsteadOfDefault(argparse.Action):
    """Values that take the default's place and, when the option is said again, follow those said before."""

    def __call__(self, parser: object, namespace: argparse.Namespace, values: Any, option_string: str | None = None) -> None:
        said = getattr(namespace, self.dest)
        setattr(namespace, self.dest, [*([] if said is self.default else said), *values])


def _opacity(text: str) -> float:
    """The type of an option: a number from 0 to 1."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to 1, not {text!r}")
    return number


def names_of_objects(texts: list[str]) -> dict[int, str]:
    """{object id: name} of `ID=NAME`.

    Raises:
        HodorError: one has another form.
    """
    names = {}
    for text in texts:
        number, sign, name = text.partition("=")
        if not (sign and is_one_line(name) and number.isdecimal() and 1 <= int(number) <= MAX_OBJECT_ID):
            raise HodorError(f"--names: {text!r} must be ID=NAME, an id of 1..254 and a name in one line, such as 1=dog")
        names[int(number)] = name.strip()
    return names


def output_folder(options: argparse.Namespace) -> Path:
    """Where a run writes.

    Raises:
        HodorError: a file is in its place, or the source lies in it.
    """
    source = str(options.source)
    is_camera = source.startswith(CAMERA)
    name = "camera" if is_camera else Path(source).resolve().stem
    folder: Path = options.out or Path(f"{name}_tracked")
    refuse_file_in_place(folder, "--out")
    path, place = Path(source).resolve(), folder.resolve()
    kept_by_page = path.is_relative_to(place / PAGE)  # the videos of `hodor app`
    if not is_camera and path.is_relative_to(place) and not kept_by_page:
        raise HodorError(f"{source}: lies in {folder}, where a run replaces what it finds; choose another --out")
    return folder

"""The program `hodor describe`: what the network knows of an object in some pictures, as a small file for `hodor track`."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from hodor.checkpoints.weights import DEFAULT, MEANING, locate_existing
from hodor.errors import HodorError
from hodor.formats.drawn_masks import ColourIds, read_drawn_mask
from hodor.formats.label_maps import present_ids
from hodor.formats.object_files import SUFFIX, check_object_name, read_object, write_object
from hodor.formats.prompts import parse_prompt
from hodor.inference.options import add_computing_options
from hodor.media.images import IMAGE_SUFFIXES, read_image
from hodor.media.sources import Selection, SourceFrame, open_source
from hodor.program import ArgumentParser
from hodor.tracking.given import cut
from hodor.workspace import checkpoints_folder

_EXAMPLES = """\
examples:
  hodor describe mug.jpg mug_mask.png -o mug.hodor
  hodor describe left.jpg left.png right.jpg right.png --name "my mug" -o mug.hodor
  hodor describe kitchen.mp4 --frame 40 --box 120,80,300,260 -o mug.hodor
  hodor track other.mp4 --objects mug.hodor cat.hodor"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program; see `--help`. Returns the exit code 0."""
    options = _parser().parse_args(arguments)
    output: Path = options.output
    if output.suffix != SUFFIX:
        raise HodorError(f"{output}: the name must end in {SUFFIX}")
    name = options.name or output.stem
    check_object_name(name, "--name" if options.name else str(output))
    if output.exists() and not options.add:
        raise HodorError(f"{output}: exists already; add views to it with --add, or choose another name")
    views = list(_views(options))
    weights = locate_existing(options.checkpoint or DEFAULT, checkpoints_folder())

    from hodor.checkpoints.checkpoint import load  # noqa: PLC0415 (torch takes seconds to import)
    from hodor.inference.from_options import segmenter_from_options  # noqa: PLC0415

    segmenter = segmenter_from_options(load(weights), options)
    described = read_object(output) if options.add and output.exists() else None
    for image, mask in views:
        view = segmenter.describe(image, mask, name=name)
        described = view if described is None else described.with_views_of(view)
    assert described is not None
    write_object(output, described)
    print(f"{output}: {described.name}, {len(described.objects)} views, {output.stat().st_size} bytes")
    return 0


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="hodor describe",
        description="Writes what the network knows of an object in one or several pictures as a small file, "
        "with which hodor track finds it again in any video.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "views",
        nargs="+",
        metavar="IMAGE [MASK]",
        help="a picture and the mask of the object in it, as often as there are views",
    )
    add("--frame", type=int, default=0, metavar="N", help="of a video instead of a picture, which frame (default: 0)")
    prompts = parser.add_mutually_exclusive_group()
    prompts.add_argument(
        "--box", metavar="X0,Y0,X1,Y1", help="cut the object out of a box, where there is no mask; for one picture"
    )
    prompts.add_argument(
        "--click", nargs="+", action="extend", metavar="X,Y", help="cut out what is under these points; for one picture"
    )
    add("--object", type=int, metavar="ID", help="which object of the masks, where they show several")
    add("--threshold", type=int, metavar="N", help="masks have soft edges: what is at least N (1..255) is the object")
    add("--name", help="the object's name, for legends (default: the file's)")
    add("-o", "--output", type=Path, required=True, metavar=f"FILE{SUFFIX}", help="the file to write")
    add("--add", action="store_true", help="add the views to those in the file")
    network = parser.add_argument_group("network")
    network.add_argument("--checkpoint", metavar="CKPT", help=MEANING)
    add_computing_options(network)
    parser.set_defaults(compile=False, look_ahead=1)
    return parser


def _views(options: argparse.Namespace) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Each picture [H, W, 3] with the mask [H, W] bool of the object in it."""
    prompted = options.box is not None or options.click is not None
    if prompted and len(options.views) != 1:
        raise HodorError("--box and --click are for one picture without a mask")
    if not prompted and len(options.views) % 2:
        raise HodorError(f"{options.views[-1]}: has no mask; name pictures and masks in turn, or add --box or --click")
    for start in range(0, len(options.views), 1 if prompted else 2):
        frame = _frame(options.views[start], options)
        if prompted:
            yield frame.image, _cut(options, frame)
        else:
            yield frame.image, _drawn(Path(options.views[start + 1]), options, frame)


def _frame(text: str, options: argparse.Namespace) -> SourceFrame:
    """A picture, or a frame of a video."""
    if Path(text).suffix.lower() not in IMAGE_SUFFIXES:
        return open_source(text, Selection(), max_pixels=options.max_pixels).frame(options.frame)
    return Selection().frame(0, 0.0, read_image(Path(text), options.max_pixels, upright=True))


def _cut(options: argparse.Namespace, frame: SourceFrame) -> np.ndarray:
    prompts = []
    for text in options.click if options.box is None else [options.box]:
        prompt = parse_prompt("click" if options.box is None else "box", text)
        if prompt.frame is not None or prompt.object_id is not None:
            what = f"--{prompt.kind} {text}"
            raise HodorError(f"{what}: one object is described, in the frame that --frame names; leave ID= and @FRAME out")
        prompts.append(prompt._replace(object_id=1))
    return next(mask for _, mask in cut(prompts, frame, set()))


def _drawn(path: Path, options: argparse.Namespace, frame: SourceFrame) -> np.ndarray:
    drawn = read_drawn_mask(path, colours=ColourIds(), threshold=options.threshold, size=frame.full_size)
    ids = present_ids(drawn.labels)
    if options.object is None and len(ids) > 1:
        raise HodorError(f"{path}: shows the objects {', '.join(map(str, ids))}; say which with --object")
    chosen = ids[0] if options.object is None else options.object
    if chosen not in ids:
        raise HodorError(f"{path}: shows no object {chosen}, only {', '.join(map(str, ids))}")
    return np.asarray(drawn.labels == chosen)

"""The command line of the converters: `hodor convert KIND ... --help`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from hodor.convert import coco, davis, folder, images, youtube_vos
from hodor.convert.clips import advice_for_file
from hodor.convert.output import SEQUENCES
from hodor.convert.training import add_video_arguments
from hodor.program import ArgumentParser, run
from hodor.workspace import VARIABLE

_CONVERTERS = {
    "davis": davis.TO_SEGMENT,
    "youtube_vos": youtube_vos.TO_SEGMENT,
    "folder": folder.TO_SEGMENT,
    "coco": coco.TO_LEARN_FROM,
    "images": images.TO_LEARN_FROM,
    "davis_training": davis.TO_LEARN_FROM,
    "youtube_vos_training": youtube_vos.TO_LEARN_FROM,
}

_DESCRIPTION = """\
Makes a data set known to HODOR: videos to segment (davis, youtube_vos, folder), photographs to learn from (coco,
images), or videos to learn from (davis_training, youtube_vos_training). Each converter checks the images and masks of
a folder as it was downloaded, and writes
    $HODOR_WORKSPACE_DIR/dataset_json_annotations/NAME.json    which images there are, and their masks
    $HODOR_WORKSPACE_DIR/dataset_images/NAME/                  links to the images (or copies)
If anything is wrong with the data nothing is written, and running a command again is safe."""

_EPILOG = """\
examples:
  hodor convert davis ~/DAVIS --split val
  hodor convert youtube_vos ~/youtube_vos_2019/valid
  hodor convert folder my_frames my_masks --name my_clip
  hodor convert coco ~/coco/train2017 ~/coco/annotations/instances_train2017.json
  hodor convert images my_photos my_masks --name my_photos
  hodor convert davis_training ~/DAVIS
  hodor convert youtube_vos_training ~/youtube_vos_2019/train

`hodor convert KIND --help` explains each."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one converter; returns the exit code 0. A HodorError says what is wrong with the data set or the workspace."""
    layout = argparse.RawDescriptionHelpFormatter
    parser = ArgumentParser(prog="python -m hodor.convert", description=_DESCRIPTION, epilog=_EPILOG, formatter_class=layout)
    kinds = parser.add_subparsers(dest="kind", metavar="KIND", required=True)
    for name, converter in _CONVERTERS.items():
        summary = converter.help.splitlines()[0]
        kind = kinds.add_parser(
            name, help=summary, description=converter.help, epilog=converter.examples, formatter_class=layout
        )
        converter.add_arguments(kind)
        if converter.kind == SEQUENCES:
            add_video_arguments(kind)
        name_help = "name of the data set" + (f" (default: {converter.default_name})" if converter.default_name else "")
        kind.add_argument("--name", required=not converter.default_name, help=name_help)
        how = "symbolic links to the frames (default), or copies of them"
        kind.add_argument("--frames", choices=("link", "copy"), default="link", help=how)
        kind.add_argument("--workspace", type=Path, metavar="DIR", help=f"the workspace (default: ${VARIABLE})")
        kind.set_defaults(converter=converter)
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words and words[0] not in _CONVERTERS and Path(words[0]).exists():
        parser.error(f"{words[0]} is no KIND of data set; {_command_for(Path(words[0]))}")
    options = parser.parse_args(words)
    options.converter.convert(options)
    return 0


def _command_for(path: Path) -> str:
    """What somebody may want who names a file or folder and no KIND."""
    if path.is_file():
        return advice_for_file(path)
    for file, kind in (("meta.json", "youtube_vos"), ("JPEGImages", "davis")):
        if (path / file).exists():
            return f"did you mean: hodor convert {kind} {path}"
    return (
        f"did you mean videos (hodor convert folder {path} MASKS_DIR), or photographs (hodor convert images {path} MASKS_DIR)?"
    )


if __name__ == "__main__":
    run(main)

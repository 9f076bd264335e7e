"""DAVIS 2016 and 2017 as they are downloaded: the first annotated frame's mask to segment by, all masks to learn from."""

import argparse
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from hodor.convert.clips import check_name, existing_folder, find_masks, given_masks, id_list, read_clip, subfolders
from hodor.convert.output import SEQUENCES, ConvertedClip, Converter, Target, publish_clips
from hodor.convert.training import OBJECT_LABELS, add_video_arguments, publish_videos
from hodor.errors import HodorError
from hodor.formats.label_maps import VOID

_LAYOUT = """\
DAVIS_DIR holds JPEGImages/<resolution>/<sequence>/*.jpg, Annotations/<resolution>/<sequence>/*.png and
ImageSets/<year>/<split>.txt; without a folder ImageSets, all sequences are taken.
--year 2017: a pixel's value is its object's id, 255 means "unsure" and counts as background.
--year 2016: everything that is not black is object 1."""

_BENCHMARKS = {("2017", "val"): "davis_val", ("2017", "test-dev"): "davis_testdev"}
_log = logging.getLogger(__name__)


def _add_arguments(parser: argparse.ArgumentParser, default_split: str = "val") -> None:
    parser.add_argument("folder", type=Path, metavar="DAVIS_DIR", help="the folder with JPEGImages and Annotations")
    parser.add_argument(
        "--split", default=default_split, help=f"train, val, trainval, test-dev, ... (default: {default_split})"
    )
    parser.add_argument("--year", choices=("2017", "2016"), default="2017", help="default: 2017")
    parser.add_argument("--resolution", default="480p", help="the folder below JPEGImages and Annotations (default: 480p)")


def _convert(arguments: argparse.Namespace) -> None:
    year, split = arguments.year, arguments.split
    images, annotations, sequences = _find_split(arguments)
    name = arguments.name or _BENCHMARKS.get((year, split), f"davis_{year}_{split}")
    publish_clips(_clips(images, annotations, sequences, binary=year == "2016"), len(sequences), name, arguments)


INFERENCE = Converter(
    f"""\
DAVIS 2016 or 2017: semi-supervised, the first annotated frame's mask is given

{_LAYOUT}""",
    """\
examples:
  hodor convert davis ~/DAVIS --split val
  hodor convert davis ~/DAVIS-test-dev --split test-dev
  hodor convert davis ~/DAVIS --year 2016 --split val --name davis_2016_val

Data set names: davis_val and davis_testdev for these two splits of 2017, else davis_<year>_<split>.""",
    _add_arguments,
    _convert,
    default_name="see below",
)


def _add_training_arguments(parser: argparse.ArgumentParser) -> None:
    _add_arguments(parser, "train")
    add_video_arguments(parser)


def _convert_for_training(arguments: argparse.Namespace) -> None:
    year, split = arguments.year, arguments.split
    frames, masks, sequences = _find_split(arguments)
    default_name = "davis_train" if (year, split) == ("2017", "train") else f"davis_{year}_{split}_training"
    target = Target.chosen(arguments.name or default_name, SEQUENCES, arguments)
    videos = dict.fromkeys(sequences)
    publish_videos(videos, frames, masks, labels=OBJECT_LABELS, target=target, arguments=arguments, binary=year == "2016")


TRAINING = Converter(
    f"""\
for training: DAVIS 2016 or 2017 with the masks of all frames

{_LAYOUT}""",
    """\
examples:
  hodor convert davis_training ~/DAVIS
  hodor convert davis_training ~/DAVIS --year 2016 --resolution 1080p --name davis_2016_large

Data set names: davis_train for the split train of 2017, else davis_<year>_<split>_training.""",
    _add_training_arguments,
    _convert_for_training,
    default_name="see below",
)


def _find_split(arguments: argparse.Namespace) -> tuple[Path, Path, list[str]]:
    """The folder of frames, the folder of masks, and the names of a split's sequences in them."""
    root = existing_folder(arguments.folder, "DAVIS")
    check_name(arguments.split, "--split")
    check_name(arguments.resolution, "--resolution")
    images = root / "JPEGImages" / arguments.resolution
    if not images.is_dir():
        found = ", ".join(subfolders(root / "JPEGImages")) if (root / "JPEGImages").is_dir() else "no JPEGImages"
        raise HodorError(f"{images}: no such folder; --resolution can be one of: {found}")
    sequences = _sequences(root, arguments.split, arguments.year, arguments.resolution)
    return images, root / "Annotations" / arguments.resolution, sequences


def _clips(images: Path, annotations: Path, sequences: list[str], *, binary: bool) -> Iterator[ConvertedClip]:
    for sequence in sequences:
        clip = read_clip(sequence, images / sequence)
        frame_index, mask = find_masks(clip, annotations / sequence)[0]
        given = given_masks(clip, [(frame_index, mask)], binary=binary).get(frame_index, {})
        objects = {object_id: text for object_id, text in given.items() if object_id != VOID}
        if not objects:
            only_void = "; it holds only 255, which is DAVIS 2016's object: add --year 2016" if given else ""
            raise HodorError(f"{mask}: the first mask of sequence {sequence!r} shows no object{only_void}")
        understood = "all that is not black is object 1" if binary else id_list(list(objects))
        yield ConvertedClip(clip, {frame_index: objects}, understood)


def _sequences(root: Path, split: str, year: str, resolution: str) -> list[str]:
    """The names of a split's sequences; DAVIS 2016 lists them by resolution, as pairs of files."""
    sets = root / "ImageSets"
    if not sets.is_dir():
        sequences = subfolders(root / "JPEGImages" / resolution)
        if not sequences:
            raise HodorError(f"{root / 'JPEGImages' / resolution}: no sequences in it")
        _log.warning("%s: no such folder, so all %d sequences are taken as split %r", sets, len(sequences), split)
        return sequences
    lists = [sets / year / f"{split}.txt"] + ([sets / resolution / f"{split}.txt"] if year == "2016" else [])
    for path in lists:
        if path.is_file():
            return _listed(path)
    found = ", ".join(sorted(path.relative_to(sets).with_suffix("").as_posix() for path in sets.glob("*/*.txt")))
    raise HodorError(f"{lists[0]}: no such split; ImageSets has: {found or 'none'} (choose with --year and --split)")


def _listed(path: Path) -> list[str]:
    """The sequences in a list: one name per line, or '/JPEGImages/480p/bear/00000.jpg /Annotations/...' for each frame."""
    content = path.read_bytes()
    if b"\0" in content:
        raise HodorError(f"{path}: not a text file; replace it")
    names = []
    for line in filter(None, map(str.strip, os.fsdecode(content).split("\n"))):
        name = line.split()[0].split("/")[-2] if line.startswith("/JPEGImages/") else line
        check_name(name, str(path))
        names.append(name)
    if not names:
        raise HodorError(f"{path}: lists no sequence")
    return list(dict.fromkeys(names))

"""DAVIS 2016 and 2017 as they are downloaded: the first annotated frame's mask to segment by, all masks to learn from."""

import argparse
import logging
import os
from functools import partial
from pathlib import Path

from hodor.convert.clips import Clip, check_name, encoded, existing_folder, id_list
from hodor.convert.output import INFERENCE, SEQUENCES, Converter, publish_clips
from hodor.convert.training import publish_videos
from hodor.errors import HodorError
from hodor.formats.inference_json import InferenceSequence
from hodor.formats.label_maps import VOID, present_ids
from hodor.media.folder_source import subfolders

_LAYOUT = """\
DAVIS_DIR holds JPEGImages/<resolution>/<sequence>/*.jpg, Annotations/<resolution>/<sequence>/*.png and
ImageSets/<year>/<split>.txt; without a folder ImageSets, all sequences are taken.
--year 2017: a pixel's value is its object's id, 255 means "unsure" and counts as background.
--year 2016: everything that is not black is object 1."""

_NAMES = {("2017", "val"): "davis_val", ("2017", "test-dev"): "davis_testdev"}
_TRAINING_NAMES = {("2017", "train"): "davis_train"}
_log = logging.getLogger(__name__)


def _add_arguments(parser: argparse.ArgumentParser, default_split: str) -> None:
    parser.add_argument("folder", type=Path, metavar="DAVIS_DIR", help="the folder with JPEGImages and Annotations")
    parser.add_argument(
        "--split", default=default_split, help=f"train, val, trainval, test-dev, ... (default: {default_split})"
    )
    parser.add_argument("--year", choices=("2017", "2016"), default="2017", help="default: 2017")
    parser.add_argument("--resolution", default="480p", help="the folder below JPEGImages and Annotations (default: 480p)")


def _convert(arguments: argparse.Namespace) -> None:
    year, split = arguments.year, arguments.split
    name = arguments.name or _NAMES.get((year, split), f"davis_{year}_{split}")
    publish_clips(arguments, name, _clips(arguments), _read)


def _convert_for_training(arguments: argparse.Namespace) -> None:
    year, split = arguments.year, arguments.split
    name = arguments.name or _TRAINING_NAMES.get((year, split), f"davis_{year}_{split}_training")
    publish_videos(arguments, name, _clips(arguments))


TO_SEGMENT = Converter(
    INFERENCE,
    f"""\
DAVIS 2016 or 2017: semi-supervised, the first annotated frame's mask is given

{_LAYOUT}""",
    """\
examples:
  hodor convert davis ~/DAVIS --split val
  hodor convert davis ~/DAVIS-test-dev --split test-dev
  hodor convert davis ~/DAVIS --year 2016 --split val --name davis_2016_val

Data set names: davis_val and davis_testdev for these two splits of 2017, else davis_<year>_<split>.""",
    partial(_add_arguments, default_split="val"),
    _convert,
    default_name="see below",
)

TO_LEARN_FROM = Converter(
    SEQUENCES,
    f"""\
for training: DAVIS 2016 or 2017 with the masks of all frames

{_LAYOUT}""",
    """\
examples:
  hodor convert davis_training ~/DAVIS
  hodor convert davis_training ~/DAVIS --year 2016 --resolution 1080p --name davis_2016_large

Data set names: davis_train for the split train of 2017, else davis_<year>_<split>_training.""",
    partial(_add_arguments, default_split="train"),
    _convert_for_training,
    default_name="see below",
)


def _read(clip: Clip) -> tuple[InferenceSequence, str]:
    index, mask = next(iter(clip.masks.items()))
    labels = clip.labels(index)
    ids = present_ids(labels)
    objects = [object_id for object_id in ids if object_id != VOID]
    if not objects:
        only_void = "; it holds only 255, which is DAVIS 2016's object: add --year 2016" if ids else ""
        raise HodorError(f"{mask}: the first mask of sequence {clip.name!r} shows no object{only_void}")
    return InferenceSequence(clip.name, clip.paths, {index: encoded(labels, objects)}), id_list(objects)


def _clips(arguments: argparse.Namespace) -> list[Clip]:
    """The sequences of a split; DAVIS 2016 lists them by resolution, as pairs of files."""
    root, year, split, resolution = arguments.folder, arguments.year, arguments.split, arguments.resolution
    existing_folder(root, "DAVIS")
    check_name(split, "--split")
    check_name(resolution, "--resolution")
    images, masks, sets = root / "JPEGImages" / resolution, root / "Annotations" / resolution, root / "ImageSets"
    if not images.is_dir():
        found = ", ".join(subfolders(root / "JPEGImages")) if (root / "JPEGImages").is_dir() else "no JPEGImages"
        raise HodorError(f"{images}: no such folder; --resolution can be one of: {found}")
    lists = [sets / year / f"{split}.txt"] + ([sets / resolution / f"{split}.txt"] if year == "2016" else [])
    listing = next((path for path in lists if path.is_file()), None)
    if listing:
        names = _listed(listing)
    elif sets.is_dir():
        found = ", ".join(sorted(path.relative_to(sets).with_suffix("").as_posix() for path in sets.glob("*/*.txt")))
        raise HodorError(f"{lists[0]}: no such split; ImageSets has: {found or 'none'} (choose with --year and --split)")
    else:
        names = subfolders(images)
        if not names:
            raise HodorError(f"{images}: no sequences in it")
        _log.warning("%s: no such folder, so all %d sequences are taken as split %r", sets, len(names), split)
    return [Clip(name, images / name, masks / name, binary=year == "2016") for name in names]


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

"""YouTube-VOS as it is downloaded: to segment, each object's mask is given in its first frame, which may be any; to learn
from, the masks of every fifth frame are given with the objects' categories.
"""

import argparse
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from hodor.convert.clips import check_name, existing_folder, find_masks, given_masks, id_list, read_clip
from hodor.convert.output import SEQUENCES, ConvertedClip, Converter, Target, publish_clips
from hodor.convert.training import OBJECT_CATEGORY, add_video_arguments, publish_videos
from hodor.errors import HodorError
from hodor.formats.inference_json import MAX_OBJECT_ID
from hodor.formats.json_files import JsonValue, read_json

_log = logging.getLogger(__name__)


class _ListedObject(NamedTuple):
    """What meta.json says of an object: the names of its frames, none where it lists none, and what it is."""

    frames: tuple[str, ...]
    category: str


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="the folder with meta.json, JPEGImages and Annotations")


def _convert(arguments: argparse.Namespace) -> None:
    root = existing_folder(arguments.folder, "YouTube-VOS")
    videos = _read_meta(root / "meta.json")
    publish_clips(_clips(root, videos), len(videos), arguments.name or "youtube_vos_val", arguments)


INFERENCE = Converter(
    """\
YouTube-VOS, validation split: each object's first mask is given, in any frame

DIR holds meta.json, JPEGImages/<sequence>/*.jpg and Annotations/<sequence>/*.png. Sequences and objects are those of
meta.json; the frames it lists are the ones the benchmark server wants back. A mask that shows an object again after
its first frame is not given.""",
    """\
example:
  hodor convert youtube_vos ~/youtube_vos_2019/valid""",
    _add_arguments,
    _convert,
    default_name="youtube_vos_val, stored as youtube_vos_2019_val",
)


def _add_training_arguments(parser: argparse.ArgumentParser) -> None:
    _add_arguments(parser)
    parser.add_argument("--frames_folder", type=Path, metavar="DIR", help="where the frames are (default: JPEGImages in DIR)")
    add_video_arguments(parser)


def _convert_for_training(arguments: argparse.Namespace) -> None:
    root = existing_folder(arguments.folder, "YouTube-VOS")
    target = Target.chosen(arguments.name or "youtube_vos_2019_train", SEQUENCES, arguments)
    listed = _read_meta(root / "meta.json")
    names = sorted({item.category for objects in listed.values() for item in objects.values()})
    numbers = {name: number for number, name in enumerate(names, start=OBJECT_CATEGORY)}
    frames = existing_folder(arguments.frames_folder or root / "JPEGImages", "the frames")
    videos = {name: {i: numbers[item.category] for i, item in objects.items()} for name, objects in listed.items()}
    labels = {str(number): name for name, number in numbers.items()}
    publish_videos(videos, frames, root / "Annotations", labels=labels, target=target, arguments=arguments)


TRAINING = Converter(
    """\
for training: YouTube-VOS' split train with the masks of all annotated frames

DIR holds meta.json, JPEGImages/<sequence>/*.jpg and Annotations/<sequence>/*.png. Sequences, objects and their
categories are those of meta.json. Frames without a mask are left out unless you say --all_frames; there are none in
the split train. In train_all_frames, a download of frames only, four of five have none: see the second example.""",
    """\
examples:
  hodor convert youtube_vos_training ~/youtube_vos_2019/train
  hodor convert youtube_vos_training ~/youtube_vos_2019/train \\
      --frames_folder ~/youtube_vos_2019/train_all_frames/JPEGImages --all_frames --name youtube_vos_2019_all_frames""",
    _add_training_arguments,
    _convert_for_training,
    default_name="youtube_vos_2019_train",
)


def _clips(root: Path, videos: Mapping[str, Mapping[int, _ListedObject]]) -> Iterator[ConvertedClip]:
    for sequence, objects in videos.items():
        clip, annotations = read_clip(sequence, root / "JPEGImages" / sequence), root / "Annotations" / sequence
        indices = {frame.stem: index for index, frame in enumerate(clip.frames)}
        names = [stem for listed in objects.values() for stem in listed.frames]
        for stem in names:
            if stem not in indices:
                raise HodorError(f"{root / 'meta.json'}: frame {stem!r} of sequence {sequence!r} is not in {clip.folder}")
        starts = {object_id: min((indices[stem] for stem in listed.frames), default=0) for object_id, listed in objects.items()}
        given = given_masks(clip, find_masks(clip, annotations), starts=starts)
        if not given:
            raise HodorError(f"{annotations}: no mask shows any of the {id_list(sorted(starts))} that meta.json lists")
        ids = sorted(object_id for masks in given.values() for object_id in masks)
        for object_id in starts:
            if object_id not in ids:
                _log.warning("%s: no mask shows object %d, which meta.json lists; it is left out", annotations, object_id)
        eval_files = tuple(clip.frames[index].name for index in sorted({indices[stem] for stem in names})) or None
        yield ConvertedClip(clip, given, id_list(ids), eval_files)


def _read_meta(path: Path) -> dict[str, dict[int, _ListedObject]]:
    """Reads meta.json: {sequence: {object id: what is said of it}}."""
    videos = read_json(path, missing="it comes with YouTube-VOS", broken="download it again").get("videos").entries()
    if not videos:
        raise HodorError(f"{path}: lists no sequence")
    listed: dict[str, dict[int, _ListedObject]] = {}
    for sequence, video in videos.items():
        check_name(sequence, str(path))
        where = f"{path}: sequence {sequence!r}"
        objects = JsonValue(video.content, where).get("objects").numbered(1, MAX_OBJECT_ID, "an object id")
        if not objects:
            raise HodorError(f"{where}: lists no object")
        listed[sequence] = {object_id: _listed_object(value) for object_id, value in objects.items()}
    return listed


def _listed_object(value: JsonValue) -> _ListedObject:
    frames, category = value.optional("frames"), value.optional("category")
    return _ListedObject(() if frames is None else tuple(frames.texts()), str(category.content) if category else "object")

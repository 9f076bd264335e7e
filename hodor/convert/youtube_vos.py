"""YouTube-VOS as it is downloaded: to segment, each object's mask is given in its first frame, which may be any; to learn
from, the masks of every fifth frame are given with the objects' categories.
"""

import argparse
import logging
from pathlib import Path

from hodor.convert.clips import Clip, ListedObject, check_name, encoded, existing_folder, id_list
from hodor.convert.output import INFERENCE, SEQUENCES, Converter, publish_clips
from hodor.convert.training import publish_videos
from hodor.errors import HodorError
from hodor.formats.inference_json import MAX_OBJECT_ID, InferenceSequence
from hodor.formats.json_files import JsonValue, read_json
from hodor.formats.label_maps import present_ids

_log = logging.getLogger(__name__)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="the folder with meta.json, JPEGImages and Annotations")
    parser.set_defaults(frames_folder=None)


def _add_training_arguments(parser: argparse.ArgumentParser) -> None:
    _add_arguments(parser)
    parser.add_argument("--frames_folder", type=Path, metavar="DIR", help="where the frames are (default: JPEGImages in DIR)")


def _convert(arguments: argparse.Namespace) -> None:
    publish_clips(arguments, arguments.name or "youtube_vos_val", _clips(arguments), _read)


def _convert_for_training(arguments: argparse.Namespace) -> None:
    publish_videos(arguments, arguments.name or "youtube_vos_2019_train", _clips(arguments))


TO_SEGMENT = Converter(
    INFERENCE,
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

TO_LEARN_FROM = Converter(
    SEQUENCES,
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


def _clips(arguments: argparse.Namespace) -> list[Clip]:
    """The sequences that meta.json lists, with their objects."""
    path = existing_folder(arguments.folder, "YouTube-VOS") / "meta.json"
    videos = read_json(path, missing="it comes with YouTube-VOS", broken="download it again").get("videos").entries()
    if not videos:
        raise HodorError(f"{path}: lists no sequence")
    frames, masks = arguments.frames_folder or arguments.folder / "JPEGImages", arguments.folder / "Annotations"
    existing_folder(frames, "the frames")
    clips = []
    for name, video in videos.items():
        check_name(name, str(path))
        where = f"{path}: sequence {name!r}"
        objects = JsonValue(video.content, where).get("objects").numbered(1, MAX_OBJECT_ID, "an object id")
        if not objects:
            raise HodorError(f"{where}: lists no object")
        listed = {object_id: _listed_object(value) for object_id, value in objects.items()}
        clips.append(Clip(name, frames / name, masks / name, listed))
    return clips


def _listed_object(value: JsonValue) -> ListedObject:
    frames, category = value.optional("frames"), value.optional("category")
    return ListedObject(str(category.content) if category else "object", frames.texts() if frames else [])


def _read(clip: Clip) -> tuple[InferenceSequence, str]:
    indices = {frame.stem: index for index, frame in enumerate(clip.frames)}
    objects = clip.listed or {}
    wanted = {stem for each in objects.values() for stem in each.frames}
    strange = sorted(wanted - indices.keys())
    if strange:
        raise HodorError(f"{clip.frames_folder}: frame {strange[0]!r}, which meta.json lists, is not in it")
    starts = {i: min((indices[stem] for stem in each.frames), default=0) for i, each in objects.items()}
    given: dict[int, dict[int, str]] = {}
    ids: list[int] = []
    for index in clip.masks:
        due = {object_id for object_id, start in starts.items() if start <= index}.difference(ids)
        if due:
            labels = clip.labels(index)
            found = [object_id for object_id in present_ids(labels) if object_id in due]
            ids += found
            if found:
                given[index] = encoded(labels, found)
    if not given:
        raise HodorError(f"{clip.masks_folder}: no mask shows any of the {id_list(sorted(starts))} that meta.json lists")
    for object_id in starts:
        if object_id not in ids:
            _log.warning("%s: no mask shows object %d, which meta.json lists; it is left out", clip.masks_folder, object_id)
    eval_files = tuple(frame.name for frame in clip.frames if frame.stem in wanted)
    return InferenceSequence(clip.name, clip.paths, given, eval_files or None), id_list(sorted(ids))

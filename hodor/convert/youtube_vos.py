"""YouTube-VOS as it is downloaded: to segment, each object's mask is given in its first frame, which may be any; to learn
from, the masks of every fifth frame are given with the objects' categories.
"""

import argparse
import logging
from functools import partial
from pathlib import Path

from hodor.convert.clips import Clip, check_name, encoded, existing_folder, id_list
from hodor.convert.output import INFERENCE, SEQUENCES, Converter, Given, publish_clips
from hodor.convert.training import publish_videos
from hodor.errors import HodorError
from hodor.formats.inference_json import MAX_OBJECT_ID
from hodor.formats.json_files import JsonValue, read_json
from hodor.formats.label_maps import present_ids

_Objects = dict[str, dict[int, JsonValue]]  # of each sequence what meta.json says of its objects by their ids
_log = logging.getLogger(__name__)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="the folder with meta.json, JPEGImages and Annotations")


def _add_training_arguments(parser: argparse.ArgumentParser) -> None:
    _add_arguments(parser)
    parser.add_argument("--frames_folder", type=Path, metavar="DIR", help="where the frames are (default: JPEGImages in DIR)")


def _convert(arguments: argparse.Namespace) -> None:
    root = arguments.folder
    objects = _read_meta(root)
    clips = [Clip(name, root / "JPEGImages" / name, root / "Annotations" / name) for name in objects]
    publish_clips(arguments, arguments.name or "youtube_vos_val", clips, partial(_given, objects=objects))


def _convert_for_training(arguments: argparse.Namespace) -> None:
    root = arguments.folder
    objects = _read_meta(root)
    frames = existing_folder(arguments.frames_folder or root / "JPEGImages", "the frames")
    names = sorted({_category(value) for listed in objects.values() for value in listed.values()})
    clips = []
    for name, listed in objects.items():
        categories = {object_id: names.index(_category(value)) + 1 for object_id, value in listed.items()}
        clips.append(Clip(name, frames / name, root / "Annotations" / name, categories))
    publish_videos(arguments, arguments.name or "youtube_vos_2019_train", clips, dict(enumerate(names, start=1)))


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


def _given(clip: Clip, objects: _Objects) -> Given:
    listed = {object_id: _listed_frames(clip, value) for object_id, value in objects[clip.name].items()}
    given: dict[int, dict[int, str]] = {}
    ids: list[int] = []
    for index in clip.masks:
        due = {object_id for object_id, frames in listed.items() if min(frames, default=0) <= index} - set(ids)
        if due:
            labels = clip.labels(index)
            found = [object_id for object_id in present_ids(labels) if object_id in due]
            ids += found
            if found:
                given[index] = encoded(labels, found)
    if not given:
        raise HodorError(f"{clip.masks_folder}: no mask shows any of the {id_list(sorted(listed))} that meta.json lists")
    for object_id in listed:
        if object_id not in ids:
            _log.warning("%s: no mask shows object %d, which meta.json lists; it is left out", clip.masks_folder, object_id)
    wanted = sorted({index for frames in listed.values() for index in frames})
    return Given(given, id_list(sorted(ids)), tuple(clip.frames[index].name for index in wanted) or None)


def _read_meta(root: Path) -> _Objects:
    """Reads the meta.json in a folder: {sequence: {object id: what is said of it}}."""
    path = existing_folder(root, "YouTube-VOS") / "meta.json"
    videos = read_json(path, missing="it comes with YouTube-VOS", broken="download it again").get("videos").entries()
    if not videos:
        raise HodorError(f"{path}: lists no sequence")
    listed = {}
    for sequence, video in videos.items():
        check_name(sequence, str(path))
        where = f"{path}: sequence {sequence!r}"
        listed[sequence] = JsonValue(video.content, where).get("objects").numbered(1, MAX_OBJECT_ID, "an object id")
        if not listed[sequence]:
            raise HodorError(f"{where}: lists no object")
    return listed


def _listed_frames(clip: Clip, value: JsonValue) -> list[int]:
    """The indices of the frames that meta.json lists for an object."""
    frames = value.optional("frames")
    stems = frames.texts() if frames else []
    indices = {frame.stem: index for index, frame in enumerate(clip.frames)}
    for stem in stems:
        if stem not in indices:
            raise HodorError(f"{value.where}: frame {stem!r} is not in {clip.frames[0].parent}")
    return [indices[stem] for stem in stems]


def _category(value: JsonValue) -> str:
    category = value.optional("category")
    return str(category.content) if category else "object"

"""YouTube-VOS as it is downloaded: each object's mask is given in its first frame, which may be any frame."""

import argparse
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hodor.convert.clips import Clip, check_name, existing_folder, find_masks, read_clip
from hodor.convert.masks import encode_objects, id_list, object_ids, read_labels
from hodor.convert.output import ConvertedClip, add_output_arguments, publish
from hodor.errors import HodorError
from hodor.formats.inference_json import MAX_OBJECT_ID
from hodor.formats.json_values import read_json

HELP = """\
YouTube-VOS, validation split: each object's first mask is given, in any frame

DIR holds meta.json, JPEGImages/<sequence>/*.jpg and Annotations/<sequence>/*.png. Sequences and objects are those of
meta.json; the frames it lists are the ones the benchmark server wants back. A mask that shows an object again after
its first frame is not given."""

EXAMPLES = """\
example:
  hodor convert youtube_vos ~/youtube_vos_2019/valid"""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ListedObject:
    """What meta.json says of an object: the names of its frames, none where it lists none, and what it is."""

    frames: tuple[str, ...]
    category: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what `convert` reads."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="the folder with meta.json, JPEGImages and Annotations")
    add_output_arguments(parser, name_help="name of the data set (default: youtube_vos_val, stored as youtube_vos_2019_val)")


def convert(arguments: argparse.Namespace) -> None:
    """Converts the sequences of meta.json.

    Raises:
        HodorError: meta.json, a folder or a file is missing or bad.
    """
    root = existing_folder(arguments.folder, "YouTube-VOS")
    videos = read_meta(root / "meta.json")
    publish(_clips(root, videos), len(videos), arguments.name or "youtube_vos_val", arguments)


def _clips(root: Path, videos: Mapping[str, Mapping[int, ListedObject]]) -> Iterator[ConvertedClip]:
    for sequence, objects in videos.items():
        clip = read_clip(sequence, root / "JPEGImages" / sequence)
        indices = {frame.stem: index for index, frame in enumerate(clip.frames)}
        for stem in (stem for listed in objects.values() for stem in listed.frames):
            if stem not in indices:
                raise HodorError(f"{root / 'meta.json'}: frame {stem!r} of sequence {sequence!r} is not in {clip.folder}")
        starts = {object_id: min((indices[stem] for stem in listed.frames), default=0) for object_id, listed in objects.items()}
        given = _first_masks(clip, root / "Annotations" / sequence, starts)
        listed = sorted({indices[stem] for item in objects.values() for stem in item.frames})
        eval_files = tuple(clip.frames[index].name for index in listed) or None
        ids = sorted(object_id for masks in given.values() for object_id in masks)
        yield ConvertedClip(clip, given, id_list(ids), eval_files)


def _first_masks(clip: Clip, annotations: Path, starts: Mapping[int, int]) -> dict[int, dict[int, str]]:
    """{frame index: {object: mask}}: for each object the first mask that shows it, not before the frame it starts in."""
    given: dict[int, dict[int, str]] = {}
    waiting = dict(starts)
    for index, path in find_masks(clip, annotations):
        expected = {object_id for object_id, start in waiting.items() if start <= index}
        if not expected:
            continue
        labels = read_labels(clip, index, path, binary=False)
        ids = [object_id for object_id in object_ids(labels) if object_id in expected]
        if ids:
            given[index] = encode_objects(labels, ids)
        for object_id in ids:
            waiting.pop(object_id)
    if not given:
        raise HodorError(f"{annotations}: no mask shows any of the {id_list(sorted(starts))} that meta.json lists")
    for object_id in waiting:
        _log.warning("%s: no mask shows object %d, which meta.json lists; it is left out", annotations, object_id)
    return given


def read_meta(path: Path) -> dict[str, dict[int, ListedObject]]:
    """Reads meta.json: {sequence: {object id: what is said of it}}.

    Raises:
        HodorError: the file is missing, is no JSON, or lacks something.
    """
    content = read_json(path, missing="it comes with YouTube-VOS", broken="download it again").content
    videos = _entries(content, "videos", str(path))
    if not videos:
        raise HodorError(f"{path}: lists no sequence")
    return {sequence: _objects(sequence, video, path) for sequence, video in videos.items()}


def _objects(sequence: str, video: Any, path: Path) -> dict[int, ListedObject]:
    check_name(sequence, str(path))
    where = f"{path}: sequence {sequence!r}"
    objects: dict[int, ListedObject] = {}
    for key, value in _entries(video, "objects", where).items():
        if not (key.isascii() and key.isdigit() and 1 <= int(key) <= MAX_OBJECT_ID):
            raise HodorError(f"{where}: {key!r} is not an object id (1..{MAX_OBJECT_ID})")
        frames = value.get("frames", []) if isinstance(value, dict) else None
        if not isinstance(frames, list) or not all(isinstance(frame, str) for frame in frames):
            raise HodorError(f"{where}, object {key}: 'frames' must be a list of frame names")
        objects[int(key)] = ListedObject(tuple(frames), str(value.get("category", "object")))
    if not objects:
        raise HodorError(f"{where}: lists no object")
    return objects


def _entries(content: Any, key: str, where: str) -> dict[str, Any]:
    value = content.get(key) if isinstance(content, dict) else None
    if not isinstance(value, dict):
        raise HodorError(f"{where}: key {key!r} is missing or is no JSON object")
    return value

"""Reads the JSON of training videos, whose every frame is annotated, as masks to evaluate with.

    {"meta"?: {"category_labels"?: {"1": "person", ...}},
     "sequences": [{"id", "height", "width", "image_paths": [...], "categories"?: {"<object>": category},
                    "tracks": [per frame {"<object>": {"seg": run-length string, ...}}]}]}

Further keys are ignored.
"""

import json
from pathlib import Path, PurePosixPath
from typing import Any

from hodor.errors import HodorError
from hodor.evaluation.masks import RunLengthMasks
from hodor.files import inside

_MAX_OBJECT_ID = 254  # 255 is void in label maps
_MAX_DIGITS = 9
_MAX_PIXELS = 2**30
_NAMES = {dict: "an object", list: "a list", str: "a string", int: "a whole number"}


def read_run_length_file(path: Path) -> dict[str, RunLengthMasks]:
    """Reads a file of annotated videos: {name: sequence}, in the file's order.

    Raises:
        HodorError: the file is missing, is no JSON, or lacks something; the message names sequence and key.
    """
    content = read_json(path)
    labels = member(content.get("meta") or {}, "category_labels", dict, f"{path}: key 'meta'", {})
    sequences: dict[str, RunLengthMasks] = {}
    for index, value in enumerate(member(content, "sequences", list, str(path))):
        masks = _sequence(value, path, index, {str(key): str(label) for key, label in labels.items()})
        if masks.sequence in sequences:
            raise HodorError(f"{path}: sequence {masks.sequence!r} stands in it twice")
        sequences[masks.sequence] = masks
    return sequences


def read_json(path: Path) -> dict[str, Any]:
    """Reads a JSON file that holds an object.

    Raises:
        HodorError: the file is missing, is no JSON, or holds something else.
    """
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise HodorError(f"{path}: no such file") from None
    except (ValueError, RecursionError) as error:
        raise HodorError(f"{path}: not valid JSON ({error})") from None
    if not isinstance(content, dict):
        raise HodorError(f"{path}: expected an object, found {type(content).__name__}")
    return content


def member(value: Any, key: str, kind: type, place: str, default: Any = None) -> Any:
    """The value of a key of a JSON object, checked to be of a type.

    Raises:
        HodorError: `value` is no object, the key is missing and has no default, or the type differs.
    """
    if not isinstance(value, dict):
        raise HodorError(f"{place}: expected an object, found {type(value).__name__}")
    if key not in value and default is not None:
        return default
    if key not in value:
        raise HodorError(f"{place}: key {key!r} is missing")
    found = value[key]
    if not isinstance(found, kind) or isinstance(found, bool):
        raise HodorError(f"{place}: key {key!r}: expected {_NAMES[kind]}, found {type(found).__name__}")
    return found


def _sequence(value: Any, path: Path, index: int, labels: dict[str, str]) -> RunLengthMasks:
    name = member(value, "id", str, f"{path}: sequence number {index + 1}")
    place = f"{path}: sequence {name!r}"
    inside(Path(), name, f"{place}, key 'id'")
    if not name.isprintable():
        raise HodorError(f"{place}, key 'id': {name!r} holds characters that can't be printed; rename it")
    height, width = (member(value, key, int, place) for key in ("height", "width"))
    if height < 1 or width < 1 or height * width > _MAX_PIXELS:
        raise HodorError(f"{place}: key 'height' or 'width': {height} x {width} is no size of a frame")
    frames = _frames(member(value, "image_paths", list, place), place)
    tracks = member(value, "tracks", list, place)
    if len(tracks) != len(frames):
        raise HodorError(f"{place}: key 'tracks' has {len(tracks)} frames, but 'image_paths' has {len(frames)}")
    masks = tuple(_track(track, f"{place}: key 'tracks', frame {frame}") for frame, track in zip(frames, tracks, strict=True))
    categories = {
        _object_id(key, f"{place}: key 'categories'"): labels.get(str(category), str(category))
        for key, category in member(value, "categories", dict, place, {}).items()
    }
    return RunLengthMasks(name, path, frames, height, width, masks, categories)


def _frames(image_paths: list[Any], place: str) -> tuple[str, ...]:
    for image_path in image_paths:
        if not isinstance(image_path, str):
            raise HodorError(f"{place}: key 'image_paths': expected strings, found {type(image_path).__name__}")
    frames = tuple(PurePosixPath(image_path).stem for image_path in image_paths)
    if not frames:
        raise HodorError(f"{place}: key 'image_paths': the sequence has no frames")
    if len(set(frames)) != len(frames):
        raise HodorError(f"{place}: key 'image_paths': two frames have the same name")
    return frames


def _track(track: Any, place: str) -> dict[int, str]:
    if not isinstance(track, dict):
        raise HodorError(f"{place}: expected an object, found {type(track).__name__}")
    return {_object_id(key, place): member(entry, "seg", str, f"{place}, object {key!r}") for key, entry in track.items()}


def _object_id(key: str, place: str) -> int:
    if not (key.isascii() and key.isdigit() and len(key) <= _MAX_DIGITS and 1 <= int(key) <= _MAX_OBJECT_ID):
        raise HodorError(f"{place}: {key[:_MAX_DIGITS]!r} is no object id (1..{_MAX_OBJECT_ID})")
    return int(key)

"""Reads the JSON of training videos, whose every frame is annotated, as masks to evaluate with.

    {"meta"?: {"category_labels"?: {"1": "person", ...}},
     "sequences": [{"id", "height", "width", "image_paths": [...], "categories"?: {"<object>": category},
                    "tracks": [per frame {"<object>": {"seg": run-length string, ...}}]}]}

Further keys are ignored.
"""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from hodor.errors import HodorError
from hodor.evaluation.masks import RunLengthMasks
from hodor.files import inside
from hodor.formats.json_values import JsonValue, read_json

_MAX_OBJECT_ID = 254  # 255 is void in label maps
_MAX_DIGITS = 9
_MAX_PIXELS = 2**30


def read_run_length_file(path: Path) -> dict[str, RunLengthMasks]:
    """Reads a file of annotated videos: {name: sequence}, in the file's order.

    Raises:
        HodorError: the file is missing, is no JSON, or lacks something; the message names sequence and key.
    """
    content = read_json(path, broken="write it again")
    meta = content.optional("meta")
    labels = None if meta is None else meta.optional("category_labels")
    names = {} if labels is None else {key: str(label.content) for key, label in labels.entries().items()}
    sequences: dict[str, RunLengthMasks] = {}
    for index, value in enumerate(content.get("sequences").items()):
        name = JsonValue(value.content, f"{path}: sequence number {index + 1}").get("id").text()
        if name in sequences:
            raise HodorError(f"{path}: sequence {name!r} stands in it twice")
        sequences[name] = _sequence(name, JsonValue(value.content, f"{path}: sequence {name!r}"), path, names)
    return sequences


def _sequence(name: str, value: JsonValue, path: Path, labels: Mapping[str, str]) -> RunLengthMasks:
    where = value.where
    inside(Path(), name, f"{where}, key 'id'")
    if not name.isprintable():
        raise HodorError(f"{where}, key 'id': {name!r} holds characters that can't be printed; rename it")
    height, width = (_whole_number(value, key) for key in ("height", "width"))
    if height < 1 or width < 1 or height * width > _MAX_PIXELS:
        raise HodorError(f"{where}: key 'height' or 'width': {height} x {width} is no size of a frame")
    frames = tuple(PurePosixPath(image_path).stem for image_path in value.get("image_paths").texts())
    if not frames:
        raise HodorError(f"{where}: key 'image_paths': the sequence has no frames")
    if len(set(frames)) != len(frames):
        raise HodorError(f"{where}: key 'image_paths': two frames have the same name")
    tracks = value.get("tracks").items()
    if len(tracks) != len(frames):
        raise HodorError(f"{where}: key 'tracks' has {len(tracks)} frames, but 'image_paths' has {len(frames)}")
    masks = tuple(
        _strings(JsonValue(track.content, f"{where}: key 'tracks', frame {frame}"))
        for frame, track in zip(frames, tracks, strict=True)
    )
    given = value.optional("categories")
    numbers = {} if given is None else _by_object(given)
    categories = {object_id: labels.get(str(number.content), str(number.content)) for object_id, number in numbers.items()}
    return RunLengthMasks(name, path, frames, height, width, masks, categories)


def _whole_number(value: JsonValue, key: str) -> int:
    number = value.get(key).content
    if not isinstance(number, int) or isinstance(number, bool):
        raise HodorError(f"{value.where}: key {key!r}: expected a whole number, found {type(number).__name__}")
    return number


def _strings(track: JsonValue) -> dict[int, str]:
    """{object id: run-length string} of a frame."""
    return {object_id: entry.get("seg").text() for object_id, entry in _by_object(track).items()}


def _by_object(value: JsonValue) -> dict[int, JsonValue]:
    """The entries of a JSON object whose keys are object ids."""
    entries: dict[int, JsonValue] = {}
    for key, entry in value.entries().items():
        if not (key.isascii() and key.isdigit() and len(key) <= _MAX_DIGITS and 1 <= int(key) <= _MAX_OBJECT_ID):
            raise HodorError(f"{value.where}: {key[:_MAX_DIGITS]!r} is no object id (1..{_MAX_OBJECT_ID})")
        entries[int(key)] = JsonValue(entry.content, f"{value.where}, object {key!r}")
    return entries

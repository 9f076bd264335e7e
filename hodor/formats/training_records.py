"""The records of the training JSON, images or videos, one at a time."""

from collections.abc import Iterator
from pathlib import Path

from hodor.errors import HodorError
from hodor.formats.json_stream import walk
from hodor.formats.json_values import JsonValue

_REFUSALS = {
    "images": "holds images, not videos; train on it with TRAINING.MODE static_image",
    "sequences": "holds videos, not images; train on it with TRAINING.MODE dense_video or sparse_video",
}


def training_records(path: Path, key: str, what: str, name_key: str) -> Iterator[tuple[str, JsonValue]]:
    """Iterates over the images or the videos in a file, whose size doesn't matter: (name, record).

    Args:
        path: the JSON file.
        key: "images" or "sequences", the list of the records.
        what: what a record is, for messages.
        name_key: the key of a record's name.

    Raises:
        HodorError: the file is missing, is no JSON, holds the other kind, or a record has no name.
    """
    if not path.exists():
        raise HodorError(f"{path}: no such file; make it with hodor convert --help")
    for found, index, _, _, content in walk(path):
        if found not in _REFUSALS:
            continue
        if found != key:
            raise HodorError(f"{path}: {_REFUSALS[found]}")
        if index is None:
            JsonValue(content, f"{path}: key {key!r}").items()
        name = JsonValue(content, f"{path}: {what} number {(index or 0) + 1}").get(name_key).text()
        yield name, JsonValue(content, f"{path}: {what} {name!r}")

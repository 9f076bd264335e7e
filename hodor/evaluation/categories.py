"""Categories of objects, to tell those seen in training from the others."""

from collections.abc import Mapping
from pathlib import Path

from hodor.errors import HodorError
from hodor.evaluation.masks import RunLengthMasks, SequenceMasks
from hodor.formats.json_values import read_json


def read_names(path: Path, option: str, what: str) -> list[str]:
    """Reads a text file with one name a line, without repetitions.

    Args:
        path: the file.
        option: the option that names it, for messages.
        what: what the names are of, for messages.

    Raises:
        HodorError: the file is missing, no text, or empty.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise HodorError(f"{path}: no such file; {option} is a text with one {what} a line") from None
    except UnicodeDecodeError:
        raise HodorError(f"{path}: not a text file; {option} is a text with one {what} a line") from None
    names = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if not names:
        raise HodorError(f"{path}: the file names no {what}; write one a line")
    return names


def read_categories(
    ground_truth: Path, truth: Mapping[str, SequenceMasks], meta_file: Path | None
) -> dict[tuple[str, int], str]:
    """The category of each object, {(sequence, object id): category}.

    Args:
        ground_truth: the file or folder of the truth; beside a folder lies its meta.json.
        truth: its sequences; one from a JSON knows its categories.
        meta_file: a file like YouTube-VOS' meta.json, `{"videos": {sequence: {"objects": {id: {"category": name}}}}}`.
            None = what belongs to the truth.

    Raises:
        HodorError: the categories of a sequence are missing, or the file is broken.
    """
    own = {
        (name, object_id): category
        for name, masks in truth.items()
        if isinstance(masks, RunLengthMasks)
        for object_id, category in masks.categories.items()
    }
    if own and meta_file is None:
        return own
    if meta_file is None and ground_truth.is_file():
        raise HodorError(f"{ground_truth}: the sequences have no 'categories'; name a meta.json with --categories")
    meta_file = meta_file or ground_truth.resolve().parent / "meta.json"
    videos = read_json(meta_file, missing="name one with --categories", broken="get it again").get("videos")
    found = {}
    for name in truth:
        for key, entry in videos.get(name).get("objects").entries().items():
            if not (key.isascii() and key.isdigit()):
                raise HodorError(f"{meta_file}: sequence {name!r}: {key!r} is no object id")
            found[name, int(key)] = entry.get("category").text()
    return found

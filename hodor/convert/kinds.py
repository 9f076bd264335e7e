"""The kinds of data sets that a JSON of a workspace can hold; one never overwrites another."""

from contextlib import suppress
from pathlib import Path

from hodor.errors import HodorError
from hodor.formats.json_stream import walk

IMAGES, SEQUENCES, INFERENCE = "images", "sequences", "inference"
KINDS = {IMAGES: "training images", SEQUENCES: "training videos", INFERENCE: "videos for inference"}


def kind_of_json(path: Path) -> str | None:
    """What a JSON of a workspace holds, a key of KINDS; None where there is no file, or none of these kinds in it."""
    if not path.exists():
        return None
    with suppress(HodorError):
        for entry in walk(path):
            if entry.key == IMAGES:
                return IMAGES
            if entry.key == SEQUENCES:
                return SEQUENCES if isinstance(entry.value, dict) and "tracks" in entry.value else INFERENCE
    return None


def refuse_other_kind(path: Path, kind: str) -> None:
    """Makes sure that writing a JSON doesn't overwrite one of another kind.

    Raises:
        HodorError: it would.
    """
    found = kind_of_json(path)
    if found not in {None, kind}:
        raise HodorError(f"{path}: holds {KINDS[str(found)]} already, not {KINDS[kind]}; choose another name with --name")

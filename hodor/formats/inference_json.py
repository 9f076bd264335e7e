"""The JSON of inference videos: which frames, which masks are given in which of them.

    {"meta"?: {...},
     "sequences": [{"id": "bear",
                    "image_paths": ["bear/00000.jpg", ...],               relative to the data set's image folder
                    "segmentations": {"0": {"1": "run-length string"}},   frame index -> object id -> mask
                    "eval_files"?: ["00000.jpg", ...]}]}                  the frames a server wants back

Further keys are ignored. Masks stay text until a frame is reached: a run-length string is a few hundred bytes.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from hodor.errors import HodorError
from hodor.files import inside, written_aside
from hodor.formats import run_length
from hodor.formats.json_files import JsonValue, read_json

MAX_OBJECT_ID = 255


@dataclass(frozen=True)
class InferenceSequence:
    """A video to segment."""

    id: str  # its name, which is also the name of its output folder
    image_paths: tuple[str, ...]  # its frames in order, relative to the data set's image folder, with forward slashes
    segmentations: Mapping[int, Mapping[int, str]]  # {frame: {object id (1..255): run-length string}}, in the file's order
    eval_files: tuple[str, ...] | None = None  # names of the frames that a benchmark server wants back; None = all

    def masks(self, frame_index: int, height: int, width: int) -> dict[int, np.ndarray]:
        """The masks given in one frame, {object id: [height, width] bool}, in the file's order; {} where there are none.

        Raises:
            HodorError: a run-length string doesn't decode to this size, or a mask is empty.
        """
        masks = {}
        for object_id, text in self.segmentations.get(frame_index, {}).items():
            where = f"sequence {self.id!r}, frame {self.image_paths[frame_index]}, object {object_id}"
            mask = run_length.decode_at(where, text, height, width)
            if not mask.any():
                raise HodorError(f"{where}: the mask is empty; leave the object out of this frame")
            masks[object_id] = mask
        return masks


def read_inference_json(path: Path) -> list[InferenceSequence]:
    """Reads a file of inference videos.

    Raises:
        HodorError: the file is missing, is no JSON, or has a value of the wrong type; the message names sequence and key.
    """
    values = read_json(path).get("sequences").items()
    if not values:
        raise HodorError(f"{path}: key 'sequences': the list is empty, so there is nothing to segment")
    sequences = [_sequence(*JsonValue.record(value.content, path, "sequence", index)) for index, value in enumerate(values)]
    _refuse_shared_folders(path, [sequence.id for sequence in sequences])
    return sequences


def write_inference_json(path: Path, sequences: list[InferenceSequence], meta: Mapping[str, Any] | None = None) -> None:
    """Writes a file of inference videos; complete or absent."""
    content = [{key: value for key, value in vars(sequence).items() if value is not None} for sequence in sequences]
    with written_aside(path) as aside:
        aside.write_text(json.dumps({"meta": meta or {}, "sequences": content}, default=dict))


def _sequence(sequence_id: str, value: JsonValue) -> InferenceSequence:
    _check_path(sequence_id, f"{value.where}, key 'id'")
    paths = value.get("image_paths")
    image_paths = tuple(paths.texts())
    if not image_paths:
        raise HodorError(f"{paths.where}: the sequence has no frames")
    for image_path in image_paths:
        _check_path(image_path, paths.where)
    names = {PurePosixPath(image_path).stem for image_path in image_paths}
    if len(names) != len(image_paths):
        raise HodorError(f"{paths.where}: two frames have the same name, so their masks would overwrite each other")
    segmentations = {
        frame: {object_id: text.text() for object_id, text in masks.numbered(1, MAX_OBJECT_ID, "an object id").items()}
        for frame, masks in value.get("segmentations").numbered(0, len(image_paths) - 1, "a frame index").items()
    }
    eval_files = value.get("eval_files").texts() if "eval_files" in value.content else None
    for name in eval_files or ():
        if "/" in name or PurePosixPath(name).stem not in names:
            raise HodorError(f"{value.where}, key 'eval_files': {name!r} is none of the sequence's frames")
    return InferenceSequence(sequence_id, image_paths, segmentations, None if eval_files is None else tuple(eval_files))


def _check_path(relative: str, what: str) -> None:
    """Makes sure that a path stays in its folder and can be a file's name."""
    inside(Path(), relative, what)
    try:
        os.fsencode(relative)
    except UnicodeEncodeError:
        raise HodorError(f"{what}: {relative!r} holds half a character and can't be the name of a file; rename it") from None


def _refuse_shared_folders(path: Path, ids: list[str]) -> None:
    """Makes sure that no sequence's output folder is another's or lies in it: the one would be replaced with the other."""
    for first, second in pairwise(sorted(map(PurePosixPath, ids))):  # what lies in a folder stands right behind it
        if first == second:
            raise HodorError(f"{path}: sequence {str(first)!r} stands in it twice")
        if first in second.parents:
            problem = f"sequence {str(second)!r} would lie in the folder of sequence {str(first)!r}"
            raise HodorError(f"{path}: {problem}; rename one")

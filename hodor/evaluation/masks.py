"""Where the masks to compare come from: folders of mask files, or the JSON of videos whose every frame is annotated.

The JSON is that of training videos (`formats/training_json.py`). A sequence in it may have "categories": {object id: number},
and "meta" has the names of these then: "category_labels": {number: name}.
"""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from hodor.errors import HodorError
from hodor.files import inside, natural_order
from hodor.formats import run_length
from hodor.formats.json_files import JsonValue, read_json
from hodor.formats.label_maps import VOID, is_white_only, present_ids, read_label_map
from hodor.formats.training_json import read_size, read_tracks

_NO_TEXT = re.compile("[\ud800-\udfff]")  # what Python makes of bytes in the name of a file that are no UTF-8
_IDS = (1, VOID - 1)


@dataclass(frozen=True)
class SequenceMasks:
    """The label maps of one sequence in files: small enough for another process, where one frame at a time is read."""

    sequence: str  # its name
    source: Path  # the folder of the files <frame>.png
    frames: tuple[str, ...]  # names of its annotated frames in order, without suffix
    categories: Mapping[int, str] = field(default_factory=dict, kw_only=True)  # {object id: category}; empty if unknown

    def place(self, frame: str) -> str:
        """Where a frame's masks stand, for messages."""
        return str(self.source / f"{frame}.png")

    def read(self, frame: str, *, binary: bool = False) -> np.ndarray:
        """A frame's label map `[H, W]` uint8; with `binary` everything in a file that is not black belongs to object 1.

        Raises:
            HodorError: the frame is missing or broken.
        """
        path = Path(self.place(frame))
        if not path.is_file():
            raise HodorError(f"{path}: no such file; sequence {self.sequence!r} needs a mask of frame {frame}")
        return read_label_map(path, binary=binary)

    def is_white_only(self, frame: str, labels: np.ndarray) -> bool:
        """Whether `labels`, read from this frame, came from a file that shows white on black: something, but no ids."""
        return is_white_only(present_ids(labels), Path(self.place(frame)))


@dataclass(frozen=True)
class RunLengthMasks(SequenceMasks):
    """The same in a JSON file, which is the source. Where objects overlap the later one wins."""

    size: tuple[int, int]  # (height, width)
    tracks: Mapping[str, Mapping[int, str]]  # {frame: {object id (1..254): run-length string}}

    def place(self, frame: str) -> str:
        return f"{self.source}: sequence {self.sequence!r}, frame {frame}"

    def read(self, frame: str, *, binary: bool = False) -> np.ndarray:
        if frame not in self.tracks:
            raise HodorError(f"{self.source}: sequence {self.sequence!r} needs masks of frame {frame}, which it lacks")
        labels = np.zeros(self.size, dtype=np.uint8)
        for object_id, text in self.tracks[frame].items():
            try:
                labels[run_length.decode(text, *self.size)] = 1 if binary else object_id
            except ValueError as error:
                raise HodorError(f"{self.place(frame)}, object {object_id}, key 'seg': {error}") from None
        return labels

    def is_white_only(self, frame: str, labels: np.ndarray) -> bool:
        return False


def read_sequences(path: Path) -> dict[str, SequenceMasks]:
    """All sequences of a JSON in the file's order, or of a folder `<sequence>/<frame>.png` in natural order, by their names.

    Anything else in a folder is passed over; with a warning a sequence that a report couldn't name, because of names in it that
    are no UTF-8.

    Raises:
        HodorError: there is neither, or the file is no JSON, or lacks something; the message names sequence and key.
    """
    return _read_run_lengths(path) if path.is_file() else _read_folder(path)


def _read_folder(folder: Path) -> dict[str, SequenceMasks]:
    if not folder.is_dir():
        raise HodorError(f"{folder}: no such folder; it must hold <sequence>/<frame>.png")
    names = [entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")]
    sequences: dict[str, SequenceMasks] = {}
    for name in sorted(names, key=natural_order):
        frames = [path.stem for path in (folder / name).glob("*.png") if not path.name.startswith(".") and path.is_file()]
        unreadable = next((each for each in (name, *frames) if _NO_TEXT.search(each)), None)
        if unreadable is not None and frames:
            logging.warning("%s: %a is no name in UTF-8: sequence %a is left out; rename it", folder, unreadable, name)
        elif frames:
            sequences[name] = SequenceMasks(name, folder / name, tuple(sorted(frames, key=natural_order)))
    return sequences


def _read_run_lengths(path: Path) -> dict[str, SequenceMasks]:
    content = read_json(path, broken="write it again")
    meta = content.optional("meta")
    labels = meta and meta.optional("category_labels")
    names = {key: str(label.content) for key, label in labels.entries().items()} if labels else {}
    sequences: dict[str, SequenceMasks] = {}
    for index, value in enumerate(content.get("sequences").items()):
        name, record = JsonValue.record(value.content, path, "sequence", index)
        if name in sequences:
            raise HodorError(f"{path}: sequence {name!r} stands in it twice")
        inside(Path(), name, f"{record.where}, key 'id'")
        if not name.isprintable():
            raise HodorError(f"{record.where}, key 'id': {name!r} holds characters that can't be printed; rename it")
        frames = read_tracks(record, *_IDS)
        tracks = {}
        for image_path, objects in frames:
            texts = {object_id: track.get("seg").text() for object_id, track in objects.items()}
            tracks[PurePosixPath(image_path.text()).stem] = texts
        if not 0 < len(tracks) == len(frames):
            problem = "two frames have the same name" if frames else "the sequence has no frames"
            raise HodorError(f"{record.where}, key 'image_paths': {problem}")
        given = record.optional("categories")
        numbers = given.numbered(*_IDS, "an object id") if given else {}
        categories = {i: names.get(str(number.content), str(number.content)) for i, number in numbers.items()}
        sequences[name] = RunLengthMasks(name, path, tuple(tracks), read_size(record), tracks, categories=categories)
    return sequences

"""The JSON of training videos: frames with the masks of the objects that are followed through them.

    {"meta"?: {...},
     "sequences": [{"id": "bear", "height": 480, "width": 854,
                    "image_paths": ["bear/00000.jpg", ...],      relative to the data set's image folder
                    "tracks": [{"1": {"seg": "run-length string", "box"?: [x, y, w, h], "area"?: n}}, ...]}]}   one per frame

Further keys are ignored. Frames stay files and masks stay text until a sample is made.
"""

from array import array
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from hodor.errors import HodorError
from hodor.files import inside
from hodor.formats.json_values import JsonValue
from hodor.formats.mask_table import MaskTable, MaskTableBuilder
from hodor.formats.text_table import TextTable
from hodor.formats.training_records import training_records

_MAX_OBJECT_ID = 999_999_999


@dataclass(frozen=True, eq=False)
class AnnotatedVideos:
    """Sequences in a few arrays; their frames are numbered through all of them.

    Attributes:
        source: the JSON file, for messages.
        folder: what the paths are relative to.
        names: S sequences.
        heights: `[S]` int32, in pixels.
        widths: `[S]` int32, in pixels.
        starts: `[S + 1]` int64; sequence s has the frames starts[s] .. starts[s + 1] - 1.
        paths: F image files, relative, with forward slashes.
        masks: group f holds the objects of frame f.
    """

    source: Path
    folder: Path
    names: TextTable
    heights: np.ndarray
    widths: np.ndarray
    starts: np.ndarray
    paths: TextTable
    masks: MaskTable

    def __len__(self) -> int:
        return len(self.names)

    @property
    def lengths(self) -> np.ndarray:
        """The number of frames of each sequence, `[S]` int64."""
        return np.diff(self.starts)

    def where(self, sequence: int, frame: int) -> str:
        """File, sequence and frame (numbered through all sequences), for messages."""
        return f"{self.source}: sequence {self.names[sequence]!r}, frame {PurePosixPath(self.paths[frame]).name}"


def read_annotated_videos(path: Path, folder: Path) -> AnnotatedVideos:
    """Reads a file of training videos, sequence by sequence: its size doesn't matter.

    Args:
        path: the JSON file.
        folder: the data set's image folder.

    Raises:
        HodorError: the file is missing, is no JSON, has a value that can't be, or no sequence at all; the message names
            sequence, frame and key.
    """
    names: list[str] = []
    paths: list[str] = []
    heights, widths, starts = array("i"), array("i"), array("q", [0])
    masks = MaskTableBuilder("frame")
    for name, value in training_records(path, "sequences", "sequence", "id"):
        size = value.get("height").whole_number(), value.get("width").whole_number()
        paths.extend(_add_frames(value, folder, size, masks))
        names.append(name)
        heights.append(size[0])
        widths.append(size[1])
        starts.append(len(paths))
    if not names:
        raise HodorError(f"{path}: no sequence in it (key 'sequences'); convert the data set again")
    height, width = (np.array(side, dtype=np.int32) for side in (heights, widths))
    all_starts = np.array(starts, dtype=np.int64)
    return AnnotatedVideos(path, folder, TextTable.of(names), height, width, all_starts, TextTable.of(paths), masks.finish())


def _add_frames(value: JsonValue, folder: Path, size: tuple[int, int], masks: MaskTableBuilder) -> list[str]:
    """Adds the objects of each frame of a sequence as a group; returns the frames' paths."""
    image_paths, tracks = value.get("image_paths").texts(), value.get("tracks")
    for image_path in image_paths:
        inside(folder, image_path, f"{value.where}, key 'image_paths'")
    frames = tracks.items()
    if len(frames) != len(image_paths):
        raise HodorError(f"{tracks.where} has {len(frames)} frames, but 'image_paths' has {len(image_paths)}")
    for frame in frames:
        for object_id, track in sorted(frame.numbered(0, _MAX_OBJECT_ID, "an object id").items()):
            _add_object(object_id, track, size, masks)
        masks.end_group()
    return image_paths


def _add_object(object_id: int, track: JsonValue, size: tuple[int, int], masks: MaskTableBuilder) -> None:
    text, where = track.get("seg").text(), f"{track.where}, key 'seg'"
    area, box = track.optional("area"), track.optional("box")
    sides = None if box is None else box.box()
    masks.add(object_id, text, None if area is None else area.number(), sides, size, where=where)

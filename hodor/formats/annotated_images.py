"""The JSON of training images: photographs with the masks of the objects in them.

    {"meta"?: {...},
     "images": [{"image_path": "000000000009.jpg",             relative to the data set's image folder
                 "height": 480, "width": 640,
                 "segmentations": ["run-length string", ...],  one for each object
                 "areas"?: [n, ...], "bboxes"?: [[x, y, w, h], ...],
                 "iscrowd"?: [0, ...], "ignore"?: [0, ...]}]}

Further keys are ignored. Images stay files and masks stay text until a sample is made.
"""

from array import array
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hodor.errors import HodorError
from hodor.files import inside
from hodor.formats.json_values import JsonValue
from hodor.formats.mask_table import MaskTable, MaskTableBuilder
from hodor.formats.text_table import TextTable
from hodor.formats.training_records import training_records


@dataclass(frozen=True, eq=False)
class AnnotatedImages:
    """Images that have at least one object, in a few arrays.

    Attributes:
        source: the JSON file, for messages.
        folder: what the paths are relative to.
        paths: N image files, relative, with forward slashes.
        heights: `[N]` int32, in pixels.
        widths: `[N]` int32, in pixels.
        masks: group i holds the objects of image i, without crowds and those to ignore.
    """

    source: Path
    folder: Path
    paths: TextTable
    heights: np.ndarray
    widths: np.ndarray
    masks: MaskTable

    def __len__(self) -> int:
        return len(self.paths)

    def where(self, index: int) -> str:
        """File and image, for messages."""
        return f"{self.source}: image {self.paths[index]!r}"


def read_annotated_images(path: Path, folder: Path) -> AnnotatedImages:
    """Reads a file of training images, image by image: its size doesn't matter. Images without objects are left out.

    Args:
        path: the JSON file.
        folder: the data set's image folder.

    Raises:
        HodorError: the file is missing, is no JSON, has a value that can't be, or no object at all; the message names image
            and key.
    """
    paths: list[str] = []
    heights, widths = array("i"), array("i")
    masks = MaskTableBuilder("image")
    for image_path, value in training_records(path, "images", "image", "image_path"):
        inside(folder, image_path, f"{value.where}, key 'image_path'")
        size = value.get("height").whole_number(), value.get("width").whole_number()
        if _add_objects(value, size, masks):
            paths.append(image_path)
            heights.append(size[0])
            widths.append(size[1])
    if not paths:
        raise HodorError(f"{path}: no image in it has an object to learn from (key 'images'); convert the data set again")
    height, width = (np.array(side, dtype=np.int32) for side in (heights, widths))
    return AnnotatedImages(path, folder, TextTable.of(paths), height, width, masks.finish())


def _add_objects(value: JsonValue, size: tuple[int, int], masks: MaskTableBuilder) -> int:
    """Adds the objects of an image as a group, unless there is none; returns how many there are."""
    texts = value.get("segmentations").texts()
    areas, boxes = value.optional("areas"), value.optional("bboxes")
    all_areas = [None] * len(texts) if areas is None else [area.number() for area in _parallel(areas, len(texts))]
    all_boxes = [None] * len(texts) if boxes is None else [box.box() for box in _parallel(boxes, len(texts))]
    left_out = [
        crowd or ignore
        for crowd, ignore in zip(*(_flags(value, key, len(texts)) for key in ("iscrowd", "ignore")), strict=True)
    ]
    if all(left_out):
        return 0
    for index, text in enumerate(texts):
        if not left_out[index]:
            where = f"{value.where}, key 'segmentations'[{index}]"
            masks.add(index + 1, text, all_areas[index], all_boxes[index], size, where=where)
    return masks.end_group()


def _parallel(value: JsonValue, count: int) -> list[JsonValue]:
    """The values in a list that has one for each object."""
    items = value.items()
    if len(items) != count:
        raise HodorError(f"{value.where} has {len(items)} entries, but 'segmentations' has {count}")
    return items


def _flags(value: JsonValue, key: str, count: int) -> list[bool]:
    """A mark of each object; the file gives a list, one value for all, or nothing."""
    flags = value.optional(key)
    if flags is None:
        return [False] * count
    if isinstance(flags.content, list):
        return [bool(flag.content) for flag in _parallel(flags, count)]
    return [bool(flags.content)] * count

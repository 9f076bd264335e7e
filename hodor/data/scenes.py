"""Frames from files, and label maps from masks that may cover each other."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from hodor.errors import HodorError
from hodor.formats.label_maps import present_ids
from hodor.formats.mask_table import MaskTable
from hodor.media.images import read_image

MAX_OBJECTS = 255
_CHOICES = 5


def read_frame(path: Path, height: int, width: int, where: str) -> np.ndarray:
    """Reads an image of a known size as `[height, width, 3]` (uint8, R, G, B).

    Args:
        path: the file.
        height: in pixels, as the JSON says.
        width: in pixels, as the JSON says.
        where: the place in the JSON, for messages.

    Raises:
        HodorError: the file is missing, broken, or has another size.
    """
    try:
        image = read_image(path)
    except HodorError as error:
        raise HodorError(f"{error} ({where} needs it)") from None
    if image.shape[:2] != (height, width):
        raise HodorError(
            f"{path}: has {image.shape[1]}x{image.shape[0]} pixels, but {where} says {width}x{height}; "
            "convert the data set again"
        )
    return image


class Scene:
    """The objects of one image or frame, whose masks are decoded when they are needed."""

    def __init__(self, masks: MaskTable, height: int, width: int, where: str) -> None:
        self._masks = masks
        self._size = (height, width)
        self._where = where
        self._decoded: dict[int, np.ndarray] = {}

    def choose(self, rows: np.ndarray, count: int, random: np.random.Generator) -> tuple[list[int], np.ndarray]:
        """Draws some objects that can all be seen; where masks overlap the later one lies on top.

        Where a few draws don't give such objects, smaller ones lie on top, and those still covered are left out.

        Args:
            rows: rows of the table to choose from.
            count: how many, at most as there are rows.
            random: where the choices come from.

        Returns:
            The chosen rows, ascending, at least one; labels `[H, W]` uint8, where the i-th of them is i + 1.

        Raises:
            HodorError: a mask is broken, or all are empty.
        """
        for _ in range(_CHOICES if count < len(rows) else 1):
            chosen = sorted(random.choice(rows, count, replace=False).tolist())
            labels = self.paint(dict(zip(chosen, range(1, count + 1), strict=True)), chosen)
            if len(present_ids(labels)) == count:
                return chosen, labels
        by_area = sorted(chosen, key=lambda row: -np.count_nonzero(self._mask(row)))
        labels = self.paint(dict(zip(chosen, range(1, count + 1), strict=True)), by_area)
        present = present_ids(labels)
        if not present:
            raise HodorError(f"{self._where}: its masks are empty; convert the data set again")
        new_ids = np.zeros(count + 1, dtype=np.uint8)
        new_ids[present] = range(1, len(present) + 1)
        return [chosen[object_id - 1] for object_id in present], new_ids[labels]

    def paint(self, object_ids: Mapping[int, int], order: Sequence[int]) -> np.ndarray:
        """Labels `[H, W]` uint8 of some masks.

        Args:
            object_ids: {row of the table: id}.
            order: the rows; later ones lie on top.
        """
        labels = np.zeros(self._size, dtype=np.uint8)
        for row in order:
            labels[self._mask(row)] = object_ids[row]
        return labels

    def _mask(self, row: int) -> np.ndarray:
        if row not in self._decoded:
            self._decoded[row] = self._masks.decode(row, *self._size, self._where)
        return self._decoded[row]

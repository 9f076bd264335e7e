"""The masks of a data set that every loading process holds: strings, areas and boxes of all objects in a few arrays."""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from hodor.formats import run_length
from hodor.media.boxes import bounding_box

_ERRORS = "surrogatepass"  # JSON can spell halves of surrogate pairs


class TextTable:
    """A list of strings that is two objects to Python, so that forked processes share its memory."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._content = bytearray()
        self._ends = array("q")  # the offset behind each string's last byte
        for text in texts:
            self.append(text)

    def append(self, text: str) -> None:
        """Adds a string."""
        self._content += text.encode("utf-8", _ERRORS)
        self._ends.append(len(self._content))

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: int) -> str:
        start = self._ends[index - 1] if index else 0
        return self._content[start : self._ends[index]].decode("utf-8", _ERRORS)


@dataclass(frozen=True, eq=False)
class MaskTable:
    """Masks in groups; a group holds those of one image or frame.

    Attributes:
        starts: `[G + 1]` int64; group g has the rows starts[g] .. starts[g + 1] - 1.
        object_ids: `[M]` int32, ascending in a group.
        texts: M run-length strings.
        areas: `[M]` float64, in pixels.
        boxes: `[M, 4]` float32, x, y, width, height in pixels.
    """

    starts: np.ndarray
    object_ids: np.ndarray
    texts: TextTable
    areas: np.ndarray
    boxes: np.ndarray

    def rows(self, group: int) -> np.ndarray:
        """The rows of one group."""
        return np.arange(self.starts[group], self.starts[group + 1])

    def count(self, chosen: np.ndarray) -> np.ndarray:
        """How many of the chosen rows (`[M]` bool) each group has, `[G]` int64."""
        before = np.concatenate([[0], np.cumsum(chosen, dtype=np.int64)])
        return before[self.starts[1:]] - before[self.starts[:-1]]

    def larger_than(self, area: float, side: float, *, or_equal: bool = False) -> np.ndarray:
        """Which objects have more pixels than `area` and a box whose shorter side is longer than `side` pixels, `[M]` bool.

        With `or_equal` exactly as many will do as well; empty masks never do.
        """
        sides = self.boxes[:, 2:].min(axis=1)
        if or_equal:
            return (self.areas >= area) & (sides >= side) & (self.areas > 0)
        return (self.areas > area) & (sides > side)

    def decode(self, row: int, height: int, width: int, where: str) -> np.ndarray:
        """A mask as `[height, width]` bool.

        Raises:
            HodorError: its string is broken or has another size; `where` names file and image.
        """
        return run_length.decode_at(f"{where}, object {self.object_ids[row]}", self.texts[row], height, width, "the image")


class MaskTableBuilder:
    """Collects the masks of groups ("image" or "frame" to messages) in arrays, without an object for each mask."""

    def __init__(self, group: str) -> None:
        self._group = group
        self._starts = array("q", [0])
        self._object_ids = array("i")
        self._areas = array("d")
        self._boxes = array("f")
        self._texts = TextTable()

    def add(
        self, object_id: int, text: str, area: float | None, box: Sequence[float] | None, size: tuple[int, int], *, where: str
    ) -> None:
        """Adds the mask of a run-length string to the group that was not ended yet.

        Area and box (x, y, width, height), in pixels, are measured where they are None; `size` is the image's (height, width).

        Raises:
            HodorError: area or box is None, and the string is none of a mask of this size; `where` names its place.
        """
        if area is None or box is None:
            mask = run_length.decode_at(where, text, *size, what=f"the {self._group}")
            area = int(np.count_nonzero(mask)) if area is None else area
            box = (bounding_box(mask) or (0, 0, 0, 0)) if box is None else box
        self._object_ids.append(object_id)
        self._areas.append(area)
        self._boxes.extend(box)
        self._texts.append(text)

    def end_group(self) -> int:
        """Ends a group; returns the number of masks in it."""
        self._starts.append(len(self._areas))
        return self._starts[-1] - self._starts[-2]

    def finish(self) -> MaskTable:
        """The table of everything that was added."""
        return MaskTable(
            np.array(self._starts, dtype=np.int64),
            np.array(self._object_ids, dtype=np.int32),
            self._texts,
            np.array(self._areas, dtype=np.float64),
            np.array(self._boxes, dtype=np.float32).reshape(-1, 4),
        )

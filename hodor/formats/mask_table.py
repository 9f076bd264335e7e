"""The masks of a data set that every loading process holds: strings, areas and boxes of all objects in a few arrays."""

from array import array
from dataclasses import dataclass

import numpy as np

from hodor.formats import run_length

_ERRORS = "surrogatepass"  # JSON can spell halves of surrogate pairs


class TextTable:
    """A list of strings that is two objects to Python, so that forked processes share its memory."""

    def __init__(self) -> None:
        self._content = bytearray()
        self._ends = array("q")  # the offset behind each string's last byte

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
        return run_length.decode_at(f"{where}, object {self.object_ids[row]}", self.texts[row], height, width)

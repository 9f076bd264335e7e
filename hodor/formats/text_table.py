"""Many strings as one: for data sets that every loading process holds."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

_ERRORS = "surrogatepass"  # JSON can spell halves of surrogate pairs


@dataclass(frozen=True, eq=False)
class TextTable:
    """A list of strings that is two objects to Python, so that forked processes share its memory.

    Attributes:
        content: all strings, in UTF-8.
        ends: `[N]` int64, the offset behind each string's last byte.
    """

    content: bytes
    ends: np.ndarray

    @classmethod
    def of(cls, texts: Iterable[str]) -> "TextTable":
        """A table of these strings, which are taken one at a time."""
        content, ends = bytearray(), []
        for text in texts:
            content += text.encode("utf-8", _ERRORS)
            ends.append(len(content))
        return cls(bytes(content), np.array(ends, dtype=np.int64))

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, index: int) -> str:
        start = int(self.ends[index - 1]) if index else 0
        return self.content[start : int(self.ends[index])].decode("utf-8", _ERRORS)

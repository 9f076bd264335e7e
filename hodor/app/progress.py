"""How far a run is, in a form that pages may ask for while it goes on."""

import time
from collections import deque
from collections.abc import Iterable
from typing import Any

from hodor.tracking.confidences import Row

_MEAN_OF = 30  # frames, whose mean time tells how fast it goes


class CancelledError(BaseException):
    """Someone pressed "cancel"; passes through everything that keeps what was found."""


class Progress:
    """How far a run is. Written by the thread that runs, read by any."""

    def __init__(self, number: int, total: int) -> None:
        self.number = number  # tells runs apart
        self.what = "loading"  # then "backwards", "following", "writing"; and at the end "done", "cancelled" or "failed"
        self.done = 0  # frames of this part
        self.total = total  # how many there will be, as far as anybody knows
        self.error = ""  # one line, if it failed or the video broke off
        self.forms: list[str] = []  # what was made to be taken away
        self.rows: list[Row] = []  # how sure the network was in the frames that this run followed so far
        self.is_cancelled = False  # whether it shall stop; set by any thread
        self._times: deque[float] = deque(maxlen=_MEAN_OF)

    def begin(self, what: str, total: int) -> None:
        """Begins another part of so many frames, or raises a CancelledError if the run shall stop."""
        self.what, self.done, self.total = what, 0, total
        self._times.clear()
        self._end_if_cancelled()

    def next_frame(self, frame: object) -> None:
        """One more frame is done."""
        self.reach(self.done + 1)

    def reach(self, done: int) -> None:
        """So many frames of the part are done; raises a CancelledError if the run shall stop."""
        self.done = done
        self._times.append(time.monotonic())
        self._end_if_cancelled()

    def as_json(self, after: int = 0) -> dict[str, Any]:
        """For a page that knows the first `after` rows already."""
        times = list(self._times)
        passed = times[-1] - times[0] if times else 0.0
        rate = (len(times) - 1) / passed if passed else 0.0  # of late, in frames per second; 0 where nobody knows yet
        rows = self.rows[after:]
        return {
            "number": self.number, "what": self.what, "over": self.what in {"done", "cancelled", "failed"},
            "done": self.done, "total": self.total, "error": self.error, "forms": self.forms, "fps": round(rate, 3),
            "left": round(max(self.total - self.done, 0) / rate, 1) if rate else None,
            "rows": rows_as_json(rows), "seen": after + len(rows),
        }  # fmt: skip

    def _end_if_cancelled(self) -> None:
        if self.is_cancelled:
            raise CancelledError


def rows_as_json(rows: Iterable[Row]) -> list[list[float]]:
    """How sure the network was: [[index of the frame, object id, confidence]]."""
    return [[row.frame, row.object_id, row.confidence] for row in rows]

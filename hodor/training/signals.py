"""Stopping a training from outside without losing anything."""

import multiprocessing
import os
import signal
import time
from types import FrameType


class StopRequest:
    """Turns the first SIGINT or SIGTERM into a wish that the trainer looks at between iterations; a second one ends at once.

    Used as a context manager; afterwards signals mean again what they meant before.

    Attributes:
        wanted: whether somebody asked to stop.
    """

    def __init__(self, burst: float = 0.0) -> None:
        """
        Args:
            burst: seconds in which signals after the first one count as the same: a cluster signals a process both itself and
                through `torchrun`.
        """
        self.wanted = False
        self._burst = burst
        self._asked = 0.0

    def __enter__(self) -> "StopRequest":
        self._before = {number: signal.signal(number, self._receive) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.wanted:
            if time.monotonic() >= self._asked + self._burst:
                for worker in multiprocessing.active_children():  # or they would complain that this process is gone
                    worker.kill()
                os._exit(128 + number)
            return
        self.wanted, self._asked = True, time.monotonic()
        name = signal.Signals(number).name
        line = f"warning: {name}: finishing this iteration, then saving; once more to stop at once\n"
        os.write(2, line.encode())  # the log may be in the middle of a line and can't be entered twice

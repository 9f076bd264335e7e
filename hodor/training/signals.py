"""Stopping a training from outside without losing anything."""

import logging
import os
import signal
from types import FrameType

_LOGGER = logging.getLogger(__name__)


class StopRequest:
    """Turns the first SIGINT or SIGTERM into a wish that the trainer looks at between iterations; a second one ends at once.

    Used as a context manager; afterwards signals mean again what they meant before.

    Attributes:
        wanted: whether somebody asked to stop.
    """

    def __init__(self) -> None:
        self.wanted = False

    def __enter__(self) -> "StopRequest":
        self._before = {number: signal.signal(number, self._receive) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.wanted:
            os._exit(128 + number)
        self.wanted = True
        _LOGGER.warning("%s: finishing this iteration, then saving; once more to stop at once", signal.Signals(number).name)

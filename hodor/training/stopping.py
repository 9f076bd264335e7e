"""Ctrl-C and SIGTERM during a training: the first asks to stop, a second one ends the process."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_BURST = 2.0  # seconds


@contextmanager
def stop_requests(*, several: bool) -> Iterator[Callable[[], bool]]:
    """Gives a function that tells whether SIGINT or SIGTERM came since; the trainer asks it between iterations.

    A second one ends the process at once; but where several processes work together, not so soon after the first that it may
    be the same, for a cluster signals them itself and through `torchrun`. Afterwards signals mean what they meant before.
    """
    asked: list[float] = []

    def receive(number: int, _: FrameType | None) -> None:
        if not asked:
            asked.append(time.monotonic())
            name = signal.Signals(number).name
            line = f"warning: {name}: finishing this iteration, then saving; once more to stop at once\n"
            os.write(2, line.encode())  # the log may be in the middle of a line and can't be entered twice
        elif time.monotonic() >= asked[0] + (_BURST if several else 0):
            for worker in multiprocessing.active_children():  # or they would complain that this process is gone
                worker.kill()
            os._exit(128 + number)

    before = {number: signal.signal(number, receive) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

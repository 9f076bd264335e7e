"""The same work for many items in several processes, with results in order and little in memory."""

import argparse
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

import cv2

from hodor.errors import HodorError

Item = TypeVar("Item")
Result = TypeVar("Result")
_AHEAD = 4  # tasks under way for each process


def add_workers_argument(parser: argparse.ArgumentParser) -> None:
    """Adds --num_workers."""
    default = os.cpu_count() or 1
    parser.add_argument("--num_workers", type=int, default=default, help=f"processes to use (default: all {default} cores)")


def ordered_map(function: Callable[[Item], Result], items: Iterable[Item], num_workers: int) -> Iterator[Result]:
    """Yields `function(item)` for all items in their order; with one worker or less in this process.

    Args:
        function: a function of a module, with arguments and results that can be pickled.
        items: taken a few ahead of the results.
        num_workers: how many processes.

    Raises:
        HodorError: a process died; whatever `function` raises comes through.
    """
    if num_workers <= 1:
        yield from map(function, items)
        return
    pool = ProcessPoolExecutor(num_workers, multiprocessing.get_context("spawn"), initializer=_begin)
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= _AHEAD * num_workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool:
        raise HodorError("a worker process was killed, perhaps for want of memory; try a smaller --num_workers") from None
    finally:
        pool.shutdown(cancel_futures=True)


def _begin() -> None:
    """Prepares a worker: Ctrl-C is its parent's business, it ends with its parent, and it uses one core."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    cv2.setNumThreads(1)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)

"""The same work for many items in several processes: results in order, and errors and Ctrl-C end all of them at once."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

import cv2

from hodor.errors import HodorError

Item = TypeVar("Item")
Result = TypeVar("Result")


def ordered_map(
    function: Callable[[Item], Result], items: Sequence[Item], num_workers: int, *, ahead: int | None = None
) -> Generator[Result, None, None]:
    """Yields `function(item)` for all items in their order; in this process if one worker is enough.

    Processes import the function's module, and items and results are pickled. At most `ahead` items are under way, or their
    results wait for their turn; None = four for each process.

    Raises:
        HodorError: a process died; whatever `function` raises comes through, at once.
    """
    num_workers = min(num_workers, len(items))
    if num_workers <= 1:
        yield from map(function, items)
        return
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(num_workers, multiprocessing.get_context("spawn"), initializer=_begin)
    waiting: deque[Future[Result]] = deque()
    rest = iter(items)
    try:
        for _ in items:
            for item in islice(rest, (ahead or 4 * num_workers) - len(waiting)):
                with _interrupts_held_back():
                    waiting.append(pool.submit(function, item))
            while not waiting[0].done():
                done, _ = wait([future for future in waiting if not future.done()], return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()  # or whatever it raised, before its turn
            yield waiting.popleft().result()
    except BrokenProcessPool:
        raise HodorError(
            "a worker process has died, perhaps for lack of memory; try again with a smaller --num_workers"
        ) from None
    except BaseException:
        for process in set(multiprocessing.active_children()) - others:
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Ctrl-C waits until the end of the block; processes that start in it never get to know."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


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

"""Spreads independent jobs over processes, so that errors and Ctrl-C end all of them at once."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar

import cv2

from hodor.errors import HodorError

Job = TypeVar("Job")
Result = TypeVar("Result")


def available_cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_processes(
    function: Callable[[Job], Result], jobs: Sequence[Job], num_workers: int
) -> Generator[tuple[int, Result], None, None]:
    """Yields (index of the job, its result) in the order in which jobs finish.

    Args:
        function: a function of a module, so that a fresh process can import it; runs here if one worker is enough.
        jobs: its arguments; they and the results must be picklable. They start in the given order.
        num_workers: number of processes at most.

    Raises:
        HodorError: raised by a job, or a process has died.
    """
    num_workers = min(num_workers, len(jobs))
    if num_workers <= 1:
        yield from ((index, function(job)) for index, job in enumerate(jobs))
        return
    others = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(num_workers, mp_context=context, initializer=_prepare_worker)
    try:
        with _interrupts_held_back():
            futures = {executor.submit(function, job): index for index, job in enumerate(jobs)}
        for future in as_completed(futures):
            yield futures[future], future.result()
    except BrokenProcessPool:
        raise HodorError("a worker process has died, perhaps for lack of memory; try again with --num_workers 1") from None
    except BaseException:
        for process in set(multiprocessing.active_children()) - others:
            process.terminate()
        raise
    finally:
        executor.shutdown(cancel_futures=True)


def _prepare_worker() -> None:
    cv2.setNumThreads(1)


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

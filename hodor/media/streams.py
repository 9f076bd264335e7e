"""Files off the critical path: frames are decoded ahead and results written behind, in threads, while the network works."""

import queue
import threading
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, TypeVar

Item = TypeVar("Item")
_END = object()


def read_ahead(items: Iterable[Item], depth: int = 4) -> Generator[Item, None, None]:
    """Iterates over `items` in another thread, at most `depth` of them ahead.

    An exception of the iteration is raised here, at its place in the order. Closing the generator ends the thread, and closes
    `items` if that is a generator, too.
    """
    ready: queue.Queue[Any] = queue.Queue(maxsize=depth)
    stop = threading.Event()

    def put(value: Any) -> bool:
        while not stop.is_set():
            try:
                ready.put(value, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def work() -> None:
        try:
            for item in items:
                if not put((item, None)):
                    return
            put((_END, None))
        except BaseException as error:
            put((_END, error))
        finally:
            if isinstance(items, Generator):
                items.close()

    thread = threading.Thread(target=work, name="read_ahead", daemon=True)
    thread.start()
    try:
        while True:
            item, error = ready.get()
            if error is not None:
                raise error
            if item is _END:
                return
            yield item
    finally:
        stop.set()
        thread.join()


class WriteBehind:
    """Runs jobs in other threads; no more than `depth` wait, so that memory stays bounded.

    Used as a context manager. The first job that fails stops the others, and its exception is raised by the next `submit` or at
    the end. Leaving the context normally waits for all jobs; leaving it by an exception drops those not yet begun.
    """

    def __init__(self, workers: int = 2, depth: int = 16) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="write_behind")
        self._room = threading.Semaphore(depth)
        self._error: BaseException | None = None

    def __enter__(self) -> "WriteBehind":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._pool.shutdown(wait=True, cancel_futures=error is not None)
        if error is None:
            self._raise_failure()

    def submit(self, job: Callable[..., object], *arguments: Any) -> None:
        """Queues `job(*arguments)`; waits while too many jobs are queued.

        Raises:
            BaseException: whatever an earlier job raised.
        """
        self._room.acquire()
        self._raise_failure()
        self._pool.submit(self._run, job, arguments).add_done_callback(self._done)

    def _run(self, job: Callable[..., object], arguments: tuple[Any, ...]) -> None:
        if self._error is None:
            try:
                job(*arguments)
            except BaseException as error:
                self._error = self._error or error

    def _done(self, _: Future[None]) -> None:
        self._room.release()

    def _raise_failure(self) -> None:
        if self._error is not None:
            raise self._error

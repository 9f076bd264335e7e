"""Files off the critical path: frames are decoded ahead and results written behind, in threads, while the network works."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, TypeVar

Item = TypeVar("Item")
_END: Any = object()


def read_ahead(items: Iterable[Item], depth: int = 4) -> Generator[Item, None, None]:
    """Iterates over `items` in another thread, at most `depth` of them ahead.

    An exception of the iteration is raised here, at its place in the order. Closing the generator ends the thread, and closes
    `items` if that is a generator, too.
    """
    iterator = iter(items)
    pool = ThreadPoolExecutor(1, thread_name_prefix="read_ahead")
    try:
        waiting = deque(pool.submit(next, iterator, _END) for _ in range(depth))
        while (item := waiting.popleft().result()) is not _END:
            waiting.append(pool.submit(next, iterator, _END))
            yield item
    finally:
        pool.shutdown(cancel_futures=True)
        if isinstance(items, Generator):
            items.close()


class WriteBehind:
    """Runs jobs in other threads; no more than `depth` wait, so that memory stays bounded.

    Used as a context manager. The first job that fails stops the others, and its exception is raised by the next `submit` or at
    the end. Leaving the context normally waits for all jobs; leaving it by an exception drops those not yet begun.
    """

    def __init__(self, workers: int = 2, depth: int = 16) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="write_behind")
        self._depth = depth
        self._waiting: deque[Future[None]] = deque()
        self._error: BaseException | None = None

    def __enter__(self) -> "WriteBehind":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._pool.shutdown(cancel_futures=error is not None)
        if error is None and self._error is not None:
            raise self._error

    def submit(self, job: Callable[..., object], *arguments: Any) -> None:
        """Queues `job(*arguments)`; waits while too many jobs are queued.

        Raises:
            BaseException: whatever an earlier job raised.
        """
        if len(self._waiting) == self._depth:
            self._waiting.popleft().result()
        if self._error is not None:
            raise self._error
        self._waiting.append(self._pool.submit(self._run, job, arguments))

    def _run(self, job: Callable[..., object], arguments: tuple[Any, ...]) -> None:
        if self._error is None:
            try:
                job(*arguments)
            except BaseException as error:
                self._error = self._error or error

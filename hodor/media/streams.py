"""Files off the critical path: frames are decoded ahead and results written behind, in threads, while the network works."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
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


@contextmanager
def write_behind(workers: int = 2, depth: int = 16) -> Iterator[Callable[..., None]]:
    """Gives a function that queues `job(*arguments)` for other threads; it waits while `depth` wait, so memory stays bounded.

    The first job that fails stops the others, and its exception is raised by the next call, or at the end. Leaving the context
    normally waits for all jobs; leaving it by an exception drops those not yet begun.
    """
    pool = ThreadPoolExecutor(workers, thread_name_prefix="write_behind")
    waiting: deque[Future[None]] = deque()
    failures: list[BaseException] = []

    def run(job: Callable[..., object], arguments: tuple[Any, ...]) -> None:
        if not failures:
            try:
                job(*arguments)
            except BaseException as error:
                failures.append(error)

    def submit(job: Callable[..., object], *arguments: Any) -> None:
        if len(waiting) == depth:
            waiting.popleft().result()
        if failures:
            raise failures[0]
        waiting.append(pool.submit(run, job, arguments))

    try:
        yield submit
    except BaseException:
        pool.shutdown(cancel_futures=True)
        raise
    pool.shutdown()
    if failures:
        raise failures[0]

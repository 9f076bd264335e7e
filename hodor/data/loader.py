"""Batches of samples, made ahead of their use by other processes, in an order that doesn't depend on how many there are."""

import gc
import signal
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from typing import Any

import cv2
import torch
from torch.nn.functional import pad
from torch.utils.data import DataLoader, Dataset

from hodor.data.samples import SampleRequest, TrainingBatch, TrainingSample, TrainingSamples
from hodor.data.training_data import TrainingData
from hodor.errors import HodorError
from hodor.program import describe_os_error

STRIDE = 32


def collate(samples: Sequence[TrainingSample]) -> TrainingBatch:
    """Stacks samples, padded at the right and at the bottom to the largest of them in multiples of 32.

    Where objects that others cover made samples lose some, all samples keep as many as the poorest has.
    """
    height, width = (-(-max(sample.labels.shape[axis] for sample in samples) // STRIDE) * STRIDE for axis in (-2, -1))
    num_objects = min(sample.presence.shape[1] for sample in samples)
    images, valid, labels = (
        torch.stack([pad(part, (0, width - part.shape[-1], 0, height - part.shape[-2])) for part in parts])
        for parts in zip(*(sample[:3] for sample in samples), strict=True)
    )
    labels[labels > num_objects] = 0
    presence = torch.stack([sample.presence[:, :num_objects] for sample in samples])
    return TrainingBatch(images, valid, labels, presence, [name for sample in samples for name in sample.names])


def training_loader(
    data: TrainingData, *, first: int = 0, step: int = 1, num_workers: int = 0, pin_memory: bool = False
) -> Generator[TrainingBatch, None, None]:
    """Loads the batches first, first + step, ... of the stream, without end, into page-locked memory with `pin_memory`.

    Process r of P that goes on after n batches of its own says first = r + n * P and step = P. `num_workers` processes make
    batches ahead; with 0 this process makes them when they are needed. They start with the first batch, end when the iterator
    is closed or deleted, and are deaf to SIGINT and SIGTERM, so that this process decides what happens then. OpenCV gets one
    thread in them, and in this process too.

    Raises:
        HodorError: (while iterating) a file is missing or broken, or a process ended.
    """
    loader = DataLoader(
        _Batches(data.parts),
        batch_size=None,
        sampler=map(data.stream.__getitem__, count(first, step)),
        num_workers=num_workers,
        pin_memory=pin_memory,
        worker_init_fn=_begin,
    )
    if num_workers:
        cv2.setNumThreads(1)  # a process forked from one with OpenCV's threads waits for them forever
    with _forking():
        iterator: Any = iter(loader)
    try:
        for batch in iterator:
            if isinstance(batch, HodorError):
                raise batch
            yield batch
    except (RuntimeError, EOFError, ConnectionError) as error:
        if isinstance(error, RuntimeError) and "DataLoader worker" not in str(error):
            raise
        raise HodorError(
            "a process that loads data ended unexpectedly, probably for lack of memory or of shared memory (/dev/shm); "
            "use fewer with --num_cpu_workers"
        ) from error
    finally:
        if num_workers:
            with suppress(RuntimeError):  # of a process that ended unexpectedly, once more
                iterator._shutdown_workers()
            for worker in iterator._workers:
                worker.kill()
                worker.join()


@contextmanager
def _forking() -> Iterator[None]:
    """A context in which processes may be forked: they begin deaf, and what they inherit harms neither them nor this one."""
    held_back = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})  # here until the end, there for good
    on_death = signal.getsignal(signal.SIGCHLD)
    gc.collect()
    gc.freeze()  # collecting there what holds threads of here, as scalers of videos do, would wait for them for ever
    try:
        yield
    finally:
        gc.unfreeze()
        if on_death is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGCHLD, on_death)  # PyTorch's raises wherever this process is just then
        signal.pthread_sigmask(signal.SIG_SETMASK, held_back)


class _Batches(Dataset[TrainingBatch | HodorError]):
    """Batches by their requests, or what is wrong with them: what is raised would arrive with its traceback as text."""

    def __init__(self, parts: Sequence[TrainingSamples]) -> None:
        self._parts = parts  # nothing else, since some systems pickle it for their processes

    def __getitem__(self, requests: Sequence[SampleRequest]) -> TrainingBatch | HodorError:
        try:
            return collate([self._parts[request.part][request] for request in requests])
        except HodorError as error:
            return error
        except OSError as error:
            return HodorError(describe_os_error(error))


def _begin(_: int) -> None:
    """Prepares a process; PyTorch keeps to one thread there by itself."""
    cv2.setNumThreads(1)

"""Several processes on one or more machines, as `torchrun` starts them.

PyTorch is imported when there are several processes, not before: one alone may not need it.
"""

import contextlib
import datetime
import importlib
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from hodor.errors import HodorError
from hodor.program import complain, describe_os_error

if TYPE_CHECKING:
    import torch

Value = TypeVar("Value")

_TIMEOUT = datetime.timedelta(days=1)  # whoever is done waits for the slowest; a connection that closes is noticed at once


def share(lengths: Sequence[int], count: int) -> list[list[int]]:
    """Shares out jobs: the longest first, each to the process with the least to do so far. The same wherever it is computed.

    Returns:
        For each of `count` processes the indices of its jobs, in ascending order. The largest sum of lengths, which are in any
        unit, is at most 4/3 of the smallest that is possible.
    """
    shares: list[list[int]] = [[] for _ in range(count)]
    loads = [0] * count
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        process = loads.index(min(loads))
        shares[process].append(index)
        loads[process] += lengths[index]
    return [sorted(indices) for indices in shares]


class Group:
    """The processes that work together, from now to the end of the context; one alone needs no set-up.

    `rank` is the number of this process, 0 for the one that `is_first`; `count` says how many there are, and `count_here` how
    many of them run on this machine. Whatever exchanges something must be called by all processes, in the same order, and
    raises `HodorError` when another process ended.
    """

    def __init__(self, device: "torch.device | None" = None, timeout: datetime.timedelta = _TIMEOUT) -> None:
        """Joins the others if `torchrun` started this process, which may keep it waiting as long as `timeout`.

        Tensors to exchange lie on `device`, None = the CPU. GPUs talk to each other by NCCL, everything else by gloo.

        Raises:
            HodorError: the others can't be reached.
        """
        self.rank = int(os.environ.get("RANK", "0"))
        self.count = int(os.environ.get("WORLD_SIZE", "1"))
        self.count_here = int(os.environ.get("LOCAL_WORLD_SIZE", str(self.count)))
        self.is_first = self.rank == 0
        self._device = device
        if self.count == 1:
            return
        self._torch: Any = importlib.import_module("torch")
        backend = "nccl" if device is not None and device.type == "cuda" else "gloo"
        # Imported later, its functions would have this group as their default and keep it until the interpreter is gone, which
        # gloo's threads then still ask for: the process would sometimes abort at its very end.
        importlib.import_module("torch.distributed.nn.functional")
        try:
            self._torch.distributed.init_process_group(backend, timeout=timeout)
        except (ValueError, RuntimeError) as error:
            raise HodorError(f"process {self.rank} can't join the others; start them with torchrun ({error})") from None

    def from_first(self, value: Value) -> Value:
        """The value that the first process gives; those of the others don't count."""
        box = [value]
        self._together("broadcast_object_list", box, src=0)
        return box[0]

    def gather(self, value: Value) -> list[Value]:
        """The values of all processes by rank, on the first; nothing on the others."""
        values = [value] * self.count if self.is_first else None
        self._together("gather_object", value, values, dst=0)
        return values or []

    def wait(self) -> None:
        """Returns when all processes have come here."""
        self._together("barrier")

    def sum(self, values: "torch.Tensor") -> "torch.Tensor":
        """The sum of a tensor over all processes, which it then holds itself."""
        self._together("all_reduce", values)
        return values

    def any(self, wish: bool) -> bool:
        """Whether any process wishes so."""
        return wish if self.count == 1 else bool(self.sum(self._torch.tensor(float(wish), device=self._device)).item())

    def sum_gradients(self, parameters: "Iterable[torch.nn.Parameter]") -> None:
        """Replaces the gradients of parameters that learn by their sums over all processes, in one go; a missing one is zero.

        So a process may skip a micro-batch, no parameter needs to be used, and nothing waits in between.
        """
        if self.count == 1:
            return
        learned = [each for each in parameters if each.requires_grad]
        gradients = [self._torch.zeros_like(each) if each.grad is None else each.grad for each in learned]
        flat = self.sum(self._torch.cat([gradient.flatten() for gradient in gradients]))
        for parameter, part in zip(learned, flat.split([each.numel() for each in learned]), strict=True):
            parameter.grad = part.view_as(parameter)

    @contextlib.contextmanager
    def agreed(self) -> Iterator[None]:
        """For a step in which an error of one process, for a user to mend, ends all of them.

        They wait for each other at the end of it, and the first reports what went wrong in one line, however many failed.

        Raises:
            SystemExit: 1, in every process. One alone just passes on its error.
        """
        problem = None
        try:
            yield
        except (HodorError, OSError) as error:
            if self.count == 1:
                raise
            problem = describe_os_error(error) if isinstance(error, OSError) else str(error)
        problems = self.from_first([each for each in self.gather(problem) if each is not None])
        if problems:
            if self.is_first:
                complain(problems[0])
            self.wait()  # torchrun ends all processes as soon as it sees one fail
            raise SystemExit(1)

    @contextlib.contextmanager
    def heard_once(self) -> Iterator[None]:
        """Silences the warnings of all processes but the first."""
        before = logging.root.manager.disable
        logging.disable(before if self.is_first else logging.WARNING)
        try:
            yield
        finally:
            logging.disable(before)

    def __enter__(self) -> "Group":
        return self

    def __exit__(self, *error: object) -> None:
        if self.count > 1:
            self._torch.distributed.destroy_process_group()

    def _together(self, operation: str, *arguments: Any, **options: Any) -> None:
        """An operation of `torch.distributed` that all processes call at the same time, if there are several."""
        if self.count == 1:
            return
        try:
            getattr(self._torch.distributed, operation)(*arguments, **options)
        except RuntimeError as error:
            raise HodorError(
                f"another process ended or can't be reached; what it said tells why ({str(error)[:200]})"
            ) from None

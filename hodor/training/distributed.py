"""Several processes on one or more machines, as `torchrun` starts them."""

import contextlib
import datetime
import os
from collections.abc import Iterable, Iterator

import torch
from torch import distributed

from hodor.errors import HodorError
from hodor.inference.devices import choose_device

_TIMEOUT = datetime.timedelta(hours=1)  # a checkpoint or a validation may keep the others waiting


@contextlib.contextmanager
def _together() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise HodorError(f"another process ended or can't be reached; what it said tells why ({str(error)[:200]})") from None


class Processes:
    """The processes that train together; one alone needs no set-up.

    Gradients are summed in one go after all micro-batches of an iteration, so a process may skip a micro-batch, no parameter
    needs to be used, and nothing waits in between.

    Attributes:
        rank: number of this process.
        count: how many there are.
        count_here: how many of them run on this machine.
        device: of this process.
    """

    def __init__(self, device: str = "auto") -> None:
        """Joins the others if `torchrun` started this process.

        Raises:
            HodorError: the device isn't there, or the others can't be reached.
        """
        self.rank = int(os.environ.get("RANK", "0"))
        self.count = int(os.environ.get("WORLD_SIZE", "1"))
        self.count_here = int(os.environ.get("LOCAL_WORLD_SIZE", str(self.count)))
        self.device = choose_device(device)
        if self.count == 1:
            return
        if self.device.type == "cuda":
            local = int(os.environ.get("LOCAL_RANK", "0"))
            if local >= torch.cuda.device_count():
                raise HodorError(f"process {local} of this machine has no GPU: there are {torch.cuda.device_count()}")
            self.device = torch.device("cuda", local)
            torch.cuda.set_device(self.device)
        try:
            distributed.init_process_group("nccl" if self.device.type == "cuda" else "gloo", timeout=_TIMEOUT)
        except (ValueError, RuntimeError) as error:
            raise HodorError(f"process {self.rank} can't join the others; start them with torchrun ({error})") from None

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def sum_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Replaces every gradient by the sum over all processes; a missing one counts as zero.

        Raises:
            HodorError: another process ended, as in `sum` and `wait`.
        """
        if self.count == 1:
            return
        own = list(parameters)
        for parameter in own:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        flat = torch.cat([parameter.grad.flatten() for parameter in own if parameter.grad is not None])
        with _together():
            distributed.all_reduce(flat)
        for parameter, part in zip(own, flat.split([parameter.numel() for parameter in own]), strict=True):
            parameter.grad = part.view_as(parameter)

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """The sum of a tensor over all processes."""
        if self.count > 1:
            with _together():
                distributed.all_reduce(values)
        return values

    def wait(self) -> None:
        """Returns when all processes have come here."""
        if self.count > 1:
            with _together():
                distributed.barrier()

    def leave(self) -> None:
        """Says goodbye to the others."""
        if self.count > 1 and distributed.is_initialized():
            distributed.destroy_process_group()

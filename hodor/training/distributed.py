"""Several processes that train together on one or more machines, as `torchrun` starts them."""

import datetime
from collections.abc import Iterable

import torch
from torch import distributed

from hodor.devices import own_device
from hodor.distributed import Group, together

_TIMEOUT = datetime.timedelta(hours=1)  # a checkpoint or a validation may keep the others waiting


class Processes(Group):
    """The processes that train together; one alone needs no set-up.

    Gradients are summed in one go after all micro-batches of an iteration, so a process may skip a micro-batch, no parameter
    needs to be used, and nothing waits in between.

    Attributes:
        device: of this process.
    """

    def __init__(self, device: str = "auto") -> None:
        """Joins the others if `torchrun` started this process.

        Raises:
            HodorError: the device isn't there, or the others can't be reached.
        """
        self.device = own_device(device)
        super().__init__("nccl" if self.device.type == "cuda" else "gloo", _TIMEOUT)

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
        with together():
            distributed.all_reduce(flat)
        for parameter, part in zip(own, flat.split([parameter.numel() for parameter in own]), strict=True):
            parameter.grad = part.view_as(parameter)

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """The sum of a tensor over all processes."""
        if self.count > 1:
            with together():
                distributed.all_reduce(values)
        return values

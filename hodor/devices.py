"""Where and how precisely the network computes; PyTorch is loaded only by what needs it."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Literal

from hodor.errors import HodorError

if TYPE_CHECKING:
    import torch

Precision = Literal["float32", "bf16"]
_SHORT_OF_MEMORY = ("out of memory", "allocate memory", "not enough memory", "ALLOC_FAILED")  # what libraries say


def usable_cores() -> int:
    """The number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, on the GPU or, of which torch makes a plain RuntimeError, on the CPU or in a library."""
    import torch  # noqa: PLC0415 (seconds to import)

    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _SHORT_OF_MEMORY)


def choose_device(name: str | torch.device) -> torch.device:
    """The device of that name; "auto" is CUDA where there is one, else the CPU.

    Raises:
        HodorError: there is no such device here.
    """
    import torch  # noqa: PLC0415 (seconds to import)

    if str(name) == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, NotImplementedError):
        raise HodorError(f"device {str(name)!r} is not available here; use --device cpu, or auto") from None
    return device


def own_device(name: str) -> torch.device:
    """The device of that name for this process: where `torchrun` started several, each has a GPU of its machine for itself.

    Raises:
        HodorError: there is no such device here, or fewer GPUs than processes.
    """
    import torch  # noqa: PLC0415 (seconds to import)

    several, count = int(os.environ.get("WORLD_SIZE", "1")) > 1, torch.cuda.device_count()
    if not several or not count or not (name == "auto" or name.startswith("cuda")):
        return choose_device(name)
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if local >= count:
        raise HodorError(f"process {local} of this machine has no GPU: there are {count}; let torchrun start fewer")
    device = choose_device(f"cuda:{local}")
    torch.cuda.set_device(device)
    return device


def precision_context(device: torch.device, precision: Precision) -> contextlib.AbstractContextManager[object]:
    """A context in which the network computes with this precision.

    Raises:
        HodorError: the precision is unknown.
    """
    import torch  # noqa: PLC0415 (seconds to import)

    if precision == "float32":
        return contextlib.nullcontext()
    if precision == "bf16":
        return torch.autocast(device.type, torch.bfloat16)
    raise HodorError(f"precision must be float32 or bf16, not {precision!r}")

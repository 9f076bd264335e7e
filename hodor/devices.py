"""What a process uses of the machine: cores, memory, devices; PyTorch is loaded only by what needs it."""

from __future__ import annotations

import contextlib
import ctypes
import os
from typing import TYPE_CHECKING, Literal

from hodor.errors import HodorError

if TYPE_CHECKING:
    import torch

Precision = Literal["float32", "bf16"]
_SHORT_OF_MEMORY = ("out of memory", "allocate memory", "not enough memory", "ALLOC_FAILED")  # what libraries say
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # names of glibc's mallopt
_NEVER = 2**31 - 1


def usable_cores() -> int:
    """The number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def keep_freed_memory() -> bool:
    """Lets the process keep memory that tensors no longer need, in huge pages where the system has them, for the next ones.

    By default glibc hands every large block back at once, and the system has to clear its pages again when the next tensor
    asks for them: 220 000 page faults per 480p frame, a tenth of its time on a CPU. The process then holds on to its
    peak until it ends. For programs; a library must leave this choice to the program that it is part of. Call it before the
    first tensor is made. Does nothing where the C library isn't glibc.

    Returns:
        Whether memory is kept from now on.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # PyTorch reads it when it allocates its first tensor
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return False
    return bool(mallopt(_MMAP_MAX, 0) and mallopt(_TRIM_THRESHOLD, _NEVER))


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

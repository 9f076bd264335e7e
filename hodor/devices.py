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
_SHORT_OF_MEMORY = (
    *("out of memory", "allocate memory", "not enough memory", "ALLOC_FAILED", "Insufficient memory"),
    *("failed to map segment", "can't start new thread"),
)
"""What libraries say, those that are being loaded among them."""
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # names of glibc's mallopt
_NEVER = 2**31 - 1
_LARGEST_KEPT = 2**25 - 4096  # bytes; glibc takes no more


def usable_cores() -> int:
    """The number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def keep_freed_memory() -> bool:
    """Lets the process keep memory that tensors no longer need, in huge pages where the system has them, for the next ones.

    By default glibc hands every large block back at once, and the system has to clear its pages again when the next tensor
    asks for them: 220 000 page faults per 480p frame, a tenth of its time on a CPU. The process then holds on to its
    peak until it ends, but for blocks above 32 MiB, of which frames much larger than 480p are made: kept memory would lie in
    pieces of which none is large enough for the next such block (a 2160p frame: 7.6 instead of 4.7 GiB).

    For programs; a library must leave this choice to the program that it is part of. Call it before the first tensor is
    made. Does nothing where the C library isn't glibc.

    Returns:
        Whether memory is kept from now on.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # PyTorch reads it when it allocates its first tensor
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _LARGEST_KEPT) and mallopt(_TRIM_THRESHOLD, _NEVER))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, on the GPU or, of which libraries make plain errors with a text, on the CPU."""
    kind = type(error)
    if isinstance(error, MemoryError) or kind.__name__ == "OutOfMemoryError":  # torch's, which need not be loaded
        return True
    says_so = any(text in str(error) for text in _SHORT_OF_MEMORY)
    return says_so and (isinstance(error, RuntimeError | ImportError) or kind.__module__ == "cv2")


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

"""Reading files of `torch.save` without executing anything in them."""

import collections
import errno
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hodor.errors import HodorError

_NUMPY_MAKERS: list[Any] = [np.float64(0).__reduce__()[0], np.zeros(0).__reduce__()[0]]  # multiarray's scalar, _reconstruct
_HARMLESS: list[Any] = [
    *((maker, f"numpy.{core}.multiarray.{maker.__name__}") for maker in _NUMPY_MAKERS for core in ("core", "_core")),
    collections.Counter,
    collections.OrderedDict,
    collections.defaultdict,
    collections.deque,
    np.dtype,
    np.ndarray,
    *{type(np.dtype(kind)) for kind in ("f4", "f8", "i4", "i8", "u1", "?")},
]


def read_tensors(path: Path, key: str) -> dict[str, torch.Tensor]:
    """The state dict under a key of a `torch.save`d file, on the CPU.

    Raises:
        HodorError: as `read_content` and `state_dict_in`.
    """
    return state_dict_in(read_content(path), path, key)


def state_dict_in(content: Any, path: Path, key: str | None = None) -> dict[str, torch.Tensor]:
    """The state dict that the content of a file is, or that it has under a key.

    Raises:
        HodorError: there is none, or a weight is no plain tensor of real numbers.
    """
    state = content if key is None else content.get(key) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(isinstance(k, str) and isinstance(v, torch.Tensor) for k, v in state.items()):
        where = "" if key is None else f' under "{key}"'
        raise HodorError(f"{path}: the file has no weights{where}; it is no checkpoint of HODOR")
    odd = [name for name, value in state.items() if value.layout != torch.strided or value.is_complex()]
    if odd:
        raise HodorError(f"{path}: weight {odd[0]} is not a plain tensor of real numbers; it is no checkpoint of HODOR")
    return state


def read_content(path: Path) -> Any:
    """What `torch.save` put into a file: tensors on the CPU, numbers, texts and containers of them.

    Raises:
        HodorError: the file is truncated, no such file, or wants to run code.
    """
    try:
        with torch.serialization.safe_globals(_HARMLESS):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        refused = re.search(r"GLOBAL ([\w.]+)", str(error))
        if refused:
            reason = f"the file wants to run {refused[1]} and was not loaded; get it from a source you trust"
        else:
            reason = "truncated or not a checkpoint; get it again"
        raise HodorError(f"{path}: {reason}") from None
    except Exception as error:  # whatever a broken file makes the reader stumble over
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):  # torch's EINVAL: a zip file without its end
            raise
        raise HodorError(f"{path}: truncated or not a checkpoint ({type(error).__name__}); get it again") from None

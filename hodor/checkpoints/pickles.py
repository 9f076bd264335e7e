"""Pickles as `torch.save` writes them, read without calling, importing or making anything that the file names.

What comes out are numbers, texts, None, tuples, lists, dicts and tensors. Harmless things that checkpoints hold beside their
weights, such as NumPy's numbers, become `Inert`; whatever else a file names is refused.
"""

import io
import math
import pickle
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any, ClassVar

import torch

from hodor.errors import HodorError

_MAX_BYTES = 1 << 24  # of one pickle; those of large networks with the state of an optimizer have 1 MB
_MAX_READS = 4_000_000  # each operation reads at least once
_MAX_TENSORS = 100_000
_MAX_DIMENSIONS = 64  # what PyTorch takes
_LONGEST_NAME = 100  # of what a file names; of longer ones so much is shown
_KEYS = (str, bytes, int, float, bool, type(None))
_MAPPING = re.compile(r"collections\.(OrderedDict|defaultdict)")
_SEQUENCE = re.compile(r"collections\.(Counter|deque)|torch\.Size|(builtins|__builtin__)\.(set|frozenset)")
_INERT = re.compile(
    r"numpy\.(core|_core)\.multiarray\.(scalar|_reconstruct)|numpy\.(dtype|ndarray)|numpy\.dtypes\.\w+|_codecs\.encode"
    r"|(builtins|__builtin__)\.(int|float|complex|bool|str|list|dict|tuple|bytearray)|torch\.serialization\._get_layout"
    r"|torch\.(device|Tensor|per_\w+|Q\w+Storage)|torch\.nn\.parameter\.\w+|torch\._utils\._rebuild_\w+"
)
_STORAGES = {
    **{"Double": torch.float64, "Float": torch.float32, "Half": torch.float16, "BFloat16": torch.bfloat16},
    **{"Long": torch.int64, "Int": torch.int32, "Short": torch.int16, "Char": torch.int8, "Byte": torch.uint8},
    **{"Bool": torch.bool, "ComplexFloat": torch.complex64, "ComplexDouble": torch.complex128},
}
_UNTYPED = re.compile(r"torch\.(storage\.)?UntypedStorage")
_PYTHON: Any = pickle._Unpickler  # the one in C takes as much memory as a pickle asks for
_PLAIN_OPERATIONS = """
PROTO STOP MARK POP NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING
SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8 EMPTY_DICT EMPTY_LIST
EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 LIST PUT BINPUT LONG_BINPUT MEMOIZE GET BINGET LONG_BINGET
GLOBAL STACK_GLOBAL BINPERSID"""
_REPLACED = {"EMPTY_SET": "EMPTY_LIST", "FROZENSET": "LIST", "BUILD": "POP"}
"""Sets become lists, as their elements may be anything; BUILD would set an object's attributes."""


@dataclass(frozen=True)
class Inert:
    """Something that a file names, or would make by calling what it names: nothing but the name is here."""

    name: str


StorageReader = Callable[[str, int, torch.dtype], torch.Tensor]
"""Gives the memory that tensors lie in, `[count]`, by its name in the file, how many numbers it is said to hold, and their kind
(uint8 where tensors say themselves what they are)."""


def read_pickle(file: IO[bytes], storage: StorageReader | None = None) -> Any:
    """Reads one pickle, and leaves the file at its end.

    Args:
        file: stands at its beginning.
        storage: None = there are no tensors.

    Raises:
        HodorError: the pickle names something that is not harmless; the message has no file in it.
        Exception: of any kind, where it is broken.
    """
    start = file.tell()
    pickled = _Pickled(file.read(_MAX_BYTES))
    content = _Unpickler(pickled, storage).load()
    file.seek(start + pickled.tell())
    return content


class _Pickled(io.BytesIO):
    """The bytes of a pickle, which may be asked for only so many times: what operations make needs more memory than they."""

    reads = 0

    def read(self, count: int | None = -1) -> bytes:
        self.reads += 1
        if self.reads > _MAX_READS:
            raise ValueError("the pickle is too long")
        return super().read(count)


def _code(operation: str) -> int:
    code: bytes = getattr(pickle, operation)
    return code[0]


class _Unpickler(_PYTHON):
    """Python's own, with the operations that make plain values, and harmless ones in place of those that call or change."""

    def __init__(self, file: _Pickled, storage: StorageReader | None) -> None:
        super().__init__(file, encoding="latin-1")
        self._storage = storage
        self._tensors = 0

    def find_class(self, module: str, name: str) -> Inert:
        """Stands for what the file names."""
        full = f"{module}.{name}"
        harmless = any(pattern.fullmatch(full) for pattern in (_MAPPING, _SEQUENCE, _UNTYPED, _INERT))
        harmless = harmless or (module == "torch" and bool(_storage_kind(full) or _number_kind(full)))
        if not harmless or len(full) > _LONGEST_NAME:  # each time that it is named, a name takes its length once more
            shown = ascii(full[:_LONGEST_NAME])[1:-1]
            raise HodorError(f"the file wants to run {shown} and was not loaded; get it from a source you trust")
        return Inert(full)

    def persistent_load(self, claim: Any) -> torch.Tensor:
        """The memory of what the file says is a storage."""
        _, kind, key, _, count, *view = claim
        dtype = torch.uint8 if _UNTYPED.fullmatch(kind.name) else _storage_kind(kind.name)
        if self._storage is None or dtype is None or type(key) is not str or type(count) is not int or any(view):
            raise ValueError("no storage of numbers")
        return self._storage(key, count, dtype)

    def call(self) -> None:
        """Replaces a name and arguments by what stands for the outcome of its call."""
        arguments, called = self.stack.pop(), self.stack.pop()
        if not isinstance(called, Inert):
            raise TypeError
        self.append(self._outcome(called, arguments))

    def _outcome(self, called: Inert, arguments: tuple[Any, ...]) -> Any:
        if _MAPPING.fullmatch(called.name):
            return {}
        if _SEQUENCE.fullmatch(called.name):  # not copied: copies of one long list need more memory than the file
            return arguments[0] if arguments else []
        match called.name.removeprefix("torch._utils._rebuild_"):
            case "parameter" | "parameter_with_state":
                return arguments[0]
            case "tensor" | "tensor_v2":
                return self._tensor(*arguments[:4])
            case "tensor_v3":
                return self._tensor(arguments[0].view(_number_kind(arguments[6].name)), *arguments[1:4])
        return called

    def _tensor(self, storage: torch.Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> torch.Tensor:
        """A view of a storage `[N]`, nowhere beyond it, with at most as many numbers as it has."""
        self._tensors += 1
        if self._tensors > _MAX_TENSORS or len(size) > _MAX_DIMENSIONS or len(size) != len(stride):
            raise ValueError("no tensor")
        if any(type(value) is not int or not 0 <= value < 1 << 63 for value in (offset, *size, *stride)):
            raise ValueError("no tensor")
        count = math.prod(size)
        last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
        if count and (count > storage.numel() or last >= storage.numel()):
            raise ValueError("the tensor is larger than its storage")
        return storage.as_strided(size, stride, offset if count else 0)

    def extend(self, items: list[Any]) -> None:
        """Adds items to the list on the stack; anything else that has some stays without."""
        if type(self.stack[-1]) is list:
            self.stack[-1].extend(items)

    def set_items(self, items: list[Any]) -> None:
        """Adds keys and values to the dict on the stack; those whose key is no number or text are left out."""
        if type(self.stack[-1]) is not dict:
            raise TypeError
        pairs = zip(items[::2], items[1::2], strict=True)
        self.stack[-1].update((key, value) for key, value in pairs if type(key) in _KEYS)

    dispatch: ClassVar = {
        **{_code(name): _PYTHON.dispatch[_code(name)] for name in _PLAIN_OPERATIONS.split()},
        **{_code(name): _PYTHON.dispatch[_code(harmless)] for name, harmless in _REPLACED.items()},
        _code("FRAME"): lambda self: self.read(8),  # the length of what follows, which needs no frame
        _code("REDUCE"): call,
        _code("NEWOBJ"): call,
        _code("APPEND"): lambda self: self.extend([self.stack.pop()]),
        _code("APPENDS"): lambda self: self.extend(self.pop_mark()),
        _code("ADDITEMS"): lambda self: self.extend(self.pop_mark()),
        _code("SETITEM"): lambda self: self.set_items([self.stack.pop(-2), self.stack.pop()]),
        _code("SETITEMS"): lambda self: self.set_items(self.pop_mark()),
    }


def _storage_kind(name: str) -> torch.dtype | None:
    return _STORAGES.get(name.removeprefix("torch.").removesuffix("Storage")) if name.endswith("Storage") else None


def _number_kind(name: str) -> torch.dtype | None:
    kind = vars(torch).get(name.removeprefix("torch."))
    return kind if isinstance(kind, torch.dtype) else None

"""Pickles as `torch.save` writes them, read without calling, importing or making anything that the file names.

What comes out are numbers, texts, None, tuples, lists, dicts and tensors. Harmless things that checkpoints hold beside their
weights, such as NumPy's numbers, become `Inert`; whatever else a file names is refused.
"""

import pickletools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any, cast

import torch

from hodor.errors import HodorError

_MAX_BYTES = 1 << 24  # of one pickle; those of large networks with the state of an optimizer have 1 MB
_MAX_OPERATIONS = 2_000_000
_MAX_TENSORS = 100_000
_SHOWN = 100
_KEYS = (str, bytes, int, float, bool, type(None))
_CONSTANTS = re.compile(r"(BIN|SHORT_BIN)?(INT|FLOAT|LONG|STRING|UNICODE|BYTES)\d?")
_MAPPINGS = {"collections.OrderedDict", "collections.defaultdict"}
_SEQUENCES = {"collections.Counter", "collections.deque", "torch.Size"} | {
    f"{module}.{kind}" for module in ("builtins", "__builtin__") for kind in ("set", "frozenset")
}
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
_UNTYPED = {"torch.storage.UntypedStorage", "torch.UntypedStorage"}


@dataclass(frozen=True)
class Inert:
    """Something that a file names, or would make by calling what it names: nothing but the name is here."""

    name: str


StorageReader = Callable[[str, int, torch.dtype], torch.Tensor]
"""Gives the memory that tensors lie in, `[count]`, by its name in the file, how many numbers it is said to hold, and their kind
(uint8 where tensors say themselves what they are)."""


def read_pickle(file: IO[bytes], storage: StorageReader | None = None) -> Any:
    """Reads one pickle, and no byte beyond it.

    Args:
        file: stands at its beginning.
        storage: None = there are no tensors.

    Raises:
        HodorError: the pickle names something that is not harmless; the message has no file in it.
        Exception: of any kind, where it is broken.
    """
    return _Reading(file, storage).result()


class _Reading:
    def __init__(self, file: IO[bytes], storage: StorageReader | None) -> None:
        self._file = file
        self._storage = storage
        self._stack: list[Any] = []
        self._outer: list[list[Any]] = []  # stacks below the marks
        self.memo: dict[int, Any] = {}
        self._tensors = 0

    def result(self) -> Any:
        """Goes through the pickle."""
        start = self._file.tell()
        for number, (operation, argument, position) in enumerate(pickletools.genops(self._file)):
            if number > _MAX_OPERATIONS or (position or 0) - start > _MAX_BYTES:
                raise ValueError("the pickle is too long")
            name = operation.name
            if name == "STOP":
                return self._stack.pop()
            if _CONSTANTS.fullmatch(name):
                self._stack.append(argument)
            elif name not in ("PROTO", "FRAME"):
                _OPERATIONS[name](self, argument)
        raise EOFError

    def push(self, value: Any) -> None:
        self._stack.append(value)

    def pop(self) -> Any:
        return self._stack.pop()

    def mark(self) -> None:
        self._outer.append(self._stack)
        self._stack = []

    def above_mark(self) -> list[Any]:
        """Takes everything above the last mark from the stack."""
        items, self._stack = self._stack, self._outer.pop()
        return items

    def last(self, count: int) -> tuple[Any, ...]:
        """Takes the last items from the stack."""
        return tuple([self._stack.pop() for _ in range(count)][::-1])

    def remember(self, key: int | None) -> None:
        self.memo[len(self.memo) if key is None else key] = self._stack[-1]

    def append(self, items: list[Any]) -> None:
        """Adds items to the list on the stack."""
        target = self._stack[-1]
        if type(target) is list:
            target.extend(items)

    def set_items(self, items: list[Any]) -> None:
        """Adds keys and values to the dict on the stack; those whose key is no number or text are left out."""
        target = self._stack[-1]
        if type(target) is not dict:
            raise TypeError
        target.update((key, value) for key, value in zip(items[::2], items[1::2], strict=True) if type(key) in _KEYS)

    def name(self, module: str, name: str) -> None:
        """Puts something that the file names on the stack."""
        if type(module) is not str or type(name) is not str:
            raise TypeError
        full = f"{module}.{name}"
        harmless = full in _MAPPINGS | _SEQUENCES | _UNTYPED or _INERT.fullmatch(full)
        if not harmless and not (module == "torch" and (_storage_kind(full) or _number_kind(full))):
            shown = ascii(full[:_SHOWN])[1:-1]
            raise HodorError(f"the file wants to run {shown} and was not loaded; get it from a source you trust")
        self._stack.append(Inert(full))

    def call(self, arguments: tuple[Any, ...]) -> None:
        """Replaces a name on the stack by what stands for the outcome of its call."""
        called = self._stack.pop()
        if not isinstance(called, Inert):
            raise TypeError
        function, value = called.name, cast(Any, called)
        if function in _MAPPINGS:
            value = {}
        elif function in _SEQUENCES:  # not copied: many copies of one long list would need more memory than the file has
            value = arguments[0] if arguments else []
        elif function in ("torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state"):
            value = arguments[0]
        elif function in ("torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2"):
            value = self._tensor(*arguments[:4])
        elif function == "torch._utils._rebuild_tensor_v3":
            value = self._tensor(arguments[0].view(_number_kind(arguments[6].name)), *arguments[1:4])
        self._stack.append(value)

    def persistent(self, claim: tuple[Any, ...]) -> None:
        """Replaces what names a storage by its memory."""
        _, kind, key, _, count, *view = claim
        dtype = torch.uint8 if kind.name in _UNTYPED else _storage_kind(kind.name)
        if self._storage is None or dtype is None or type(key) is not str or type(count) is not int or any(view):
            raise ValueError("no storage of numbers")
        self._stack.append(self._storage(key, count, dtype))

    def _tensor(self, storage: torch.Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> torch.Tensor:
        """A view of a storage `[N]`, nowhere beyond it, with at most as many numbers as it has."""
        self._tensors += 1
        if self._tensors > _MAX_TENSORS or any(type(value) is not int or value < 0 for value in (offset, *size, *stride)):
            raise ValueError("no tensor")
        count = 1
        for length in size:
            count *= length
        last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
        if count and (count > storage.numel() or last >= storage.numel()):
            raise ValueError("the tensor is larger than its storage")
        return storage.as_strided(size, stride, offset if count else 0)


def _storage_kind(name: str) -> torch.dtype | None:
    return _STORAGES.get(name.removeprefix("torch.").removesuffix("Storage")) if name.endswith("Storage") else None


def _number_kind(name: str) -> torch.dtype | None:
    kind = vars(torch).get(name.removeprefix("torch."))
    return kind if isinstance(kind, torch.dtype) else None


_OPERATIONS: dict[str, Callable[[_Reading, Any], None]] = {
    "NONE": lambda reading, _: reading.push(None),
    "NEWTRUE": lambda reading, _: reading.push(True),
    "NEWFALSE": lambda reading, _: reading.push(False),
    "EMPTY_DICT": lambda reading, _: reading.push({}),
    **dict.fromkeys(("EMPTY_LIST", "EMPTY_SET"), lambda reading, _: reading.push([])),
    "EMPTY_TUPLE": lambda reading, _: reading.push(()),
    "MARK": lambda reading, _: reading.mark(),
    **dict.fromkeys(("POP", "BUILD"), lambda reading, _: reading.pop()),  # BUILD sets attributes of an object
    "TUPLE": lambda reading, _: reading.push(tuple(reading.above_mark())),
    "TUPLE1": lambda reading, _: reading.push(reading.last(1)),
    "TUPLE2": lambda reading, _: reading.push(reading.last(2)),
    "TUPLE3": lambda reading, _: reading.push(reading.last(3)),
    **dict.fromkeys(("LIST", "FROZENSET"), lambda reading, _: reading.push(reading.above_mark())),
    "APPEND": lambda reading, _: reading.append([reading.pop()]),
    **dict.fromkeys(("APPENDS", "ADDITEMS"), lambda reading, _: reading.append(reading.above_mark())),
    "SETITEM": lambda reading, _: reading.set_items(list(reading.last(2))),
    "SETITEMS": lambda reading, _: reading.set_items(reading.above_mark()),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), lambda reading, key: reading.remember(key)),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), lambda reading, key: reading.push(reading.memo[key])),
    "GLOBAL": lambda reading, names: reading.name(*names.split(" ")),
    "STACK_GLOBAL": lambda reading, _: reading.name(*reading.last(2)),
    **dict.fromkeys(("REDUCE", "NEWOBJ"), lambda reading, _: reading.call(reading.pop())),
    "BINPERSID": lambda reading, _: reading.persistent(reading.pop()),
}

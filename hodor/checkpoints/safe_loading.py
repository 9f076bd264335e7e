"""Files of `torch.save`, a zip archive or the older sequence of pickles and storages, read without trusting them."""

import errno
import io
import sys
import zipfile
from pathlib import Path
from typing import IO, Any

import torch

from hodor.checkpoints.pickles import Inert, read_pickle
from hodor.errors import HodorError

_ZIP = b"PK\x03\x04"
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_VERSION = 1001


def state_dict_in(content: Any, path: Path, key: str | None = None) -> dict[str, torch.Tensor]:
    """The state dict that the content of a file is, or that it has under a key.

    Raises:
        HodorError: there is none, or a weight is no plain tensor of real numbers.
    """
    if key is not None:
        content = content.get(key) if isinstance(content, dict) else None
    is_state = isinstance(content, dict) and all(isinstance(name, str) for name in content)
    if not is_state or not all(isinstance(value, torch.Tensor | Inert) for value in content.values()):
        where = "" if key is None else f' under "{key}"'
        raise HodorError(f"{path}: the file has no weights{where}; it is no checkpoint of HODOR")
    for name, value in content.items():
        if isinstance(value, Inert) or value.is_complex():
            raise HodorError(f"{path}: weight {name} is not a plain tensor of real numbers; it is no checkpoint of HODOR")
    state: dict[str, torch.Tensor] = content
    return state


def read_content(path: Path) -> Any:
    """What `torch.save` put into a file: tensors on the CPU, numbers, texts and containers of them; anything else is `Inert`.

    Raises:
        HodorError: the file is truncated, no such file, wants to run code, or would unpack to more than its own size.
    """
    try:
        with path.open("rb") as file:
            zipped = file.read(len(_ZIP)) == _ZIP
            file.seek(0)
            return _read_zip(file) if zipped else _read_legacy(file)
    except HodorError as error:
        raise HodorError(f"{path}: {error}") from None
    except Exception as error:  # whatever a broken file makes the reader stumble over
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        raise HodorError(f"{path}: truncated or not a checkpoint ({type(error).__name__}); get it again") from None


def _read_zip(file: IO[bytes]) -> Any:
    """<name>/data.pkl and, for each storage, <name>/data/<key>."""
    with zipfile.ZipFile(file) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        is_packed = any(entry.compress_type != zipfile.ZIP_STORED for entry in entries.values())
        if is_packed or sum(entry.file_size for entry in entries.values()) > file.seek(0, io.SEEK_END):
            raise HodorError("the file would unpack to more than it holds, which checkpoints never do; get it again")
        (name,) = (name.removesuffix("data.pkl") for name in entries if name.endswith("/data.pkl") and name.count("/") == 1)
        if f"{name}byteorder" in entries and archive.read(f"{name}byteorder").decode() != sys.byteorder:
            raise HodorError("the file was written by a machine with another order of bytes; save it again on one like this")
        storages: dict[str, torch.Tensor] = {}

        def storage(key: str, count: int, kind: torch.dtype) -> torch.Tensor:
            if key not in storages:
                entry = entries[f"{name}data/{key}"]
                storages[key] = torch.empty(entry.file_size, dtype=torch.uint8)
                _fill(storages[key], archive.open(entry))
            return storages[key][: count * kind.itemsize].view(kind)

        return read_pickle(io.BytesIO(archive.read(f"{name}data.pkl")), storage)


def _read_legacy(file: IO[bytes]) -> Any:
    """Pickles of a magic number, the version, the machine, the content and the keys of its storages; then the storages."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    magic, version, _ = (read_pickle(file) for _ in range(3))
    if magic != _LEGACY_MAGIC or version != _LEGACY_VERSION:
        raise ValueError
    storages: dict[str, torch.Tensor] = {}

    def storage(key: str, count: int, kind: torch.dtype) -> torch.Tensor:
        nonlocal size
        if key not in storages:
            size -= count * kind.itemsize
            if size < 0:
                raise EOFError  # more memory than there are bytes for it
            storages[key] = torch.empty(count, dtype=kind)
        return storages[key].view(kind)

    content = read_pickle(file, storage)
    keys = read_pickle(file)
    if not all(isinstance(key, str) for key in keys) or set(keys) != storages.keys():
        raise ValueError
    for key in keys:
        if int.from_bytes(file.read(8), sys.byteorder) != len(storages[key]):
            raise ValueError
        _fill(storages[key], file)
    return content


def _fill(storage: torch.Tensor, source: IO[bytes]) -> None:
    """Reads as many bytes as a storage `[N]` has."""
    place = memoryview(storage.view(torch.uint8).numpy())  # type: ignore[arg-type]
    if source.readinto(place) != len(place):  # type: ignore[attr-defined]
        raise EOFError

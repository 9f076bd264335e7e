"""An archive that anybody may have made, unpacked into a workspace: looked through as a whole before a byte is written."""

import errno
import os
import shutil
import stat
import unicodedata
import zipfile
import zlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from tqdm import tqdm

from hodor.errors import HodorError
from hodor.files import errors_naming, written_aside
from hodor.supplies.space import require_space

FOLDERS = ("checkpoints", "dataset_images", "dataset_json_annotations", "pretrained_backbones")
"""Those of a workspace; nothing is unpacked anywhere else."""
_MOST_TIMES, _ANYWAY = 200, 1 << 20
"""An entry may have so many times its packed size, or so many bytes; and all together so many times the archive's size.
JSON of run lengths has 2 to 20 times."""
_LONGEST_NAME = 240
_LOCAL_HEADER = 30
_ENCRYPTED = 0x1
_BLOCK = 1 << 20


class BadArchiveError(HodorError):
    """The archive itself is damaged or means harm, so that it is of no further use."""


class Unpacked(NamedTuple):
    """Paths in the workspace, in the archive's order: files that were written, that were there already, and that were there
    with another content and were left so."""

    written: list[PurePosixPath]
    equal: list[PurePosixPath]
    different: list[PurePosixPath]


def unpack(path: Path, root: Path) -> Unpacked:
    """Unpacks an archive into a workspace; each file complete or absent, none overwritten.

    The files' place is what their paths say from the first name on that is a folder of a workspace. What has none, such as a
    README, is left out. Before anything is written, all is read once and compared with the archive's checksums.

    Args:
        path: a zip archive.
        root: the workspace's folder.

    Raises:
        BadArchiveError: the archive is truncated, damaged or encrypted, has a path out of its folder, a link, a name twice, or
            more than its packed size makes likely; or nothing for a workspace.
        HodorError: the disk has too little space.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            files = _files(path, archive)
            _verify(path, archive, files)
            return _unpack(archive, files, root)
    except HodorError:
        raise
    except Exception as error:  # all that a damaged archive makes its reader stumble over
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        raise BadArchiveError(f"{path}: truncated or damaged ({error or type(error).__name__}); get it again") from None


def _unpack(archive: zipfile.ZipFile, files: Mapping[PurePosixPath, zipfile.ZipInfo], root: Path) -> Unpacked:
    unpacked = Unpacked([], [], [])
    for place, entry in files.items():
        if not os.path.lexists(root / place):
            unpacked.written.append(place)
        elif _is_equal(root / place, entry):
            unpacked.equal.append(place)
        else:
            unpacked.different.append(place)
    require_space(root, sum(files[place].file_size for place in unpacked.written))
    for place in tqdm(unpacked.written, desc="unpacking", unit="file", disable=None):
        to = root / place
        with errors_naming(to), written_aside(to) as aside, archive.open(files[place]) as source, aside.open("wb") as file:
            shutil.copyfileobj(source, file, _BLOCK)
    return unpacked


def _files(path: Path, archive: zipfile.ZipFile) -> dict[PurePosixPath, zipfile.ZipInfo]:
    """The files of an archive that belong into a workspace, by their places in it, after a look at all its entries."""
    entries = archive.infolist()
    end = 0
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        _refuse(path, entry)
        if entry.header_offset < end:  # by which a small archive can hold any number of large ones
            raise BadArchiveError(f"{path}: entry {entry.filename!r} is refused: it shares bytes with another")
        end = entry.header_offset + _LOCAL_HEADER + entry.compress_size
    if end > archive.start_dir:
        raise BadArchiveError(f"{path}: truncated or damaged; get it again")
    if sum(entry.file_size for entry in entries) > max(_ANYWAY, _MOST_TIMES * path.stat().st_size):
        raise BadArchiveError(f"{path}: is refused: it would unpack to far more than it holds; nothing was unpacked")
    places = [(_place(entry.filename), entry) for entry in entries if not entry.is_dir()]
    wanted = [(place, entry) for place, entry in places if place is not None]
    if not wanted:
        found = ", ".join(sorted({entry.filename.split("/")[0] for entry in entries})[:5]) or "nothing"
        raise BadArchiveError(f"{path}: holds {found}, but none of a workspace's folders: {', '.join(FOLDERS)}")
    # disks may not tell capital letters, and a file can't be another's folder
    plain = [PurePosixPath(unicodedata.normalize("NFC", str(place)).casefold()) for place, _ in wanted]
    folders, times = {folder for name in plain for folder in name.parents}, Counter(plain)
    for (place, _), name in zip(wanted, plain, strict=True):
        if name in folders or times[name] > 1:
            raise BadArchiveError(f"{path}: entry {str(place)!r} is refused: its name stands twice; nothing was unpacked")
    return dict(wanted)


def _refuse(path: Path, entry: zipfile.ZipInfo) -> None:
    """An entry by itself: its name, its kind, how it is packed and to what size.

    It may have two names: from Python 3.12 on `filename`, which tells its place, is what an extra field says instead.
    """
    names = entry.orig_filename, entry.filename
    parts = [part for name in names for part in name.removesuffix("/").split("/")]
    kind = stat.S_IFMT(entry.external_attr >> 16)
    kinds = (0, stat.S_IFDIR) if entry.is_dir() else (0, stat.S_IFREG)
    reasons = {
        "its path may lead out of the folder": any(part in ("", ".", "..") or "\\" in part or ":" in part for part in parts),
        "its name can't be a file's": any(not part.isprintable() or len(part.encode()) > _LONGEST_NAME for part in parts),
        "it is a link or another thing than a file": kind not in kinds,
        "it is encrypted": entry.flag_bits & _ENCRYPTED,
        "it is packed in a way that is not read here": entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED),
        "it would unpack to far more than it holds": entry.file_size > max(_ANYWAY, _MOST_TIMES * entry.compress_size),
    }
    for reason, holds in reasons.items():
        if holds:
            raise BadArchiveError(f"{path}: entry {entry.orig_filename!r} is refused: {reason}; nothing was unpacked")


def _place(name: str) -> PurePosixPath | None:
    """Where in a workspace a file belongs; None = nowhere."""
    parts = name.split("/")
    begin = next((index for index, part in enumerate(parts[:-1]) if part in FOLDERS), None)
    clutter = "__MACOSX" in parts or parts[-1].startswith("._") or parts[-1] in (".DS_Store", "Thumbs.db", "desktop.ini")
    return None if begin is None or clutter else PurePosixPath(*parts[begin:])


def _verify(path: Path, archive: zipfile.ZipFile, files: Mapping[PurePosixPath, zipfile.ZipInfo]) -> None:
    """Reads every file to its end; `zipfile` compares with the checksums, and reads no more than the size that was declared."""
    total = sum(entry.file_size for entry in files.values())
    with tqdm(total=total, desc="checking", unit="B", unit_scale=True, disable=None) as bar:
        for entry in files.values():
            count = 0
            with archive.open(entry) as source:
                while block := source.read(_BLOCK):
                    count += len(block)
                    bar.update(len(block))
            if count != entry.file_size:
                raise BadArchiveError(f"{path}: entry {entry.filename!r} has another size than was declared; get it again")


def _is_equal(place: Path, entry: zipfile.ZipInfo) -> bool:
    """Whether what is there has the size and the checksum of a file in the archive."""
    if not place.is_file() or place.stat().st_size != entry.file_size:
        return False
    checksum = 0
    with place.open("rb") as file:
        while block := file.read(_BLOCK):
            checksum = zlib.crc32(block, checksum)
    return checksum == entry.CRC

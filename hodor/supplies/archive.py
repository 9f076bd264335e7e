"""An archive that anybody may have made, unpacked into a workspace: looked through as a whole before a byte is written."""

import contextlib
import errno
import shutil
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Sequence
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


class Item(NamedTuple):
    """A file in an archive, and its path in the workspace."""

    entry: zipfile.ZipInfo
    place: PurePosixPath


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
    with _damage_named(path), zipfile.ZipFile(path) as archive:
        items = _items(path, archive)
        _verify(path, archive, items)
        missing: list[Item] = []
        equal: list[Item] = []
        different: list[Item] = []
        for item in items:
            (missing if not _is_there(root / item.place) else equal if _is_equal(root, item) else different).append(item)
        require_space(root, sum(item.entry.file_size for item in missing))
        for item in tqdm(missing, desc="unpacking", unit="file", disable=None):
            place = root / item.place
            with (
                errors_naming(place),
                written_aside(place) as aside,
                archive.open(item.entry) as source,
                aside.open("wb") as to,
            ):
                shutil.copyfileobj(source, to, _BLOCK)
    return Unpacked(*([item.place for item in group] for group in (missing, equal, different)))


def _items(path: Path, archive: zipfile.ZipFile) -> list[Item]:
    """The files of an archive that belong into a workspace, after a look at all its entries."""
    entries = archive.infolist()
    for entry in entries:
        _refuse(path, entry)
    _refuse_overlaps(path, archive, entries)
    if sum(entry.file_size for entry in entries) > max(_ANYWAY, _MOST_TIMES * path.stat().st_size):
        raise BadArchiveError(f"{path}: is refused: it would unpack to far more than it holds; nothing was unpacked")
    places = [(entry, _place(entry.filename)) for entry in entries if not entry.is_dir()]
    items = [Item(entry, place) for entry, place in places if place is not None]
    if not items:
        found = ", ".join(sorted({entry.filename.split("/")[0] for entry in entries})[:5]) or "nothing"
        raise BadArchiveError(f"{path}: holds {found}, but none of a workspace's folders: {', '.join(FOLDERS)}")
    _refuse_clashes(path, [item.place for item in items])
    return items


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


def _refuse_overlaps(path: Path, archive: zipfile.ZipFile, entries: Sequence[zipfile.ZipInfo]) -> None:
    """Entries that share bytes, by which a small archive can hold any number of large ones."""
    end = 0
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        if entry.header_offset < end:
            raise BadArchiveError(f"{path}: entry {entry.filename!r} is refused: it shares bytes with another")
        end = entry.header_offset + _LOCAL_HEADER + entry.compress_size
    if end > archive.start_dir:
        raise BadArchiveError(f"{path}: truncated or damaged; get it again")


def _place(name: str) -> PurePosixPath | None:
    """Where in a workspace a file belongs; None = nowhere."""
    parts = name.split("/")
    begin = next((index for index, part in enumerate(parts[:-1]) if part in FOLDERS), None)
    clutter = "__MACOSX" in parts or parts[-1].startswith("._") or parts[-1] in (".DS_Store", "Thumbs.db", "desktop.ini")
    return None if begin is None or clutter else PurePosixPath(*parts[begin:])


def _refuse_clashes(path: Path, places: Sequence[PurePosixPath]) -> None:
    """Names that stand twice, also for disks that don't tell capital letters; and files that others have as their folder."""
    plain = [unicodedata.normalize("NFC", str(place)).casefold() for place in places]
    files = set(plain)
    seen: set[str] = set()
    for place, name in zip(places, plain, strict=True):
        if name in seen or not files.isdisjoint(map(str, PurePosixPath(name).parents)):
            raise BadArchiveError(f"{path}: entry {str(place)!r} is refused: its name stands twice; nothing was unpacked")
        seen.add(name)


def _verify(path: Path, archive: zipfile.ZipFile, items: Sequence[Item]) -> None:
    """Reads every file to its end; `zipfile` compares with the checksums, and reads no more than the size that was declared."""
    total = sum(item.entry.file_size for item in items)
    with tqdm(total=total, desc="checking", unit="B", unit_scale=True, disable=None) as bar:
        for item in items:
            count = 0
            with archive.open(item.entry) as source:
                while block := source.read(_BLOCK):
                    count += len(block)
                    bar.update(len(block))
            if count != item.entry.file_size:
                raise BadArchiveError(f"{path}: entry {item.entry.filename!r} has another size than was declared; get it again")


def _is_there(place: Path) -> bool:
    return place.exists() or place.is_symlink()


def _is_equal(root: Path, item: Item) -> bool:
    """Whether what is there has the size and the checksum of a file in the archive."""
    place = root / item.place
    if not place.is_file() or place.stat().st_size != item.entry.file_size:
        return False
    checksum = 0
    with place.open("rb") as file:
        while block := file.read(_BLOCK):
            checksum = zlib.crc32(block, checksum)
    return checksum == item.entry.CRC


@contextlib.contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    """Makes one error of all that a damaged archive makes its reader stumble over."""
    try:
        yield
    except HodorError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        raise BadArchiveError(f"{path}: truncated or damaged ({error or type(error).__name__}); get it again") from None

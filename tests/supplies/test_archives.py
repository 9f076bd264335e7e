"""Unpacking archives that mean well, and such that don't."""

import contextlib
import io
import os
import stat
import struct
import warnings
import zipfile
import zlib

import pytest
from archive_server import noise, zipped

from hodor.supplies.archive import BadArchiveError, _refuse, unpack

GOOD = {
    "checkpoints/static/1.pth": noise(3000),
    "checkpoints/static/config.yaml": b"MODEL: {}\n",
    "dataset_json_annotations/davis_val.json": b'{"sequences": []}' * 40,
}
LINK = stat.S_IFLNK | 0o777


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "around" / "workspace"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def archive(tmp_path):
    return tmp_path / "archive.zip"


def content(root):
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def refused(archive, root, data):
    """The complaint about an archive of which nothing must be unpacked, in the workspace or around it."""
    archive.write_bytes(data)
    with pytest.raises(BadArchiveError) as caught:
        unpack(archive, root)
    assert not content(root.parent) and not list(root.iterdir())
    assert "\n" not in str(caught.value) and str(archive) in str(caught.value)
    return str(caught.value)


def with_entries(*entries):
    """Good files, and entries (ZipInfo, content) behind them."""
    buffer = io.BytesIO(zipped(GOOD))
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as to, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a name that stands twice
        for entry, data in entries:
            to.writestr(entry, data)
    return buffer.getvalue()


@pytest.mark.parametrize("prefix", ["", "HODOR/", "a/b/"])
def test_files_go_to_the_folders_of_a_workspace_and_nothing_else_does(archive, root, prefix):
    others = {"README.md": b"x", "__MACOSX/checkpoints/._1.pth": b"x", "checkpoints/.DS_Store": b"x", "checkpoints": b"x"}
    archive.write_bytes(zipped({prefix + name: data for name, data in (GOOD | others).items()}))
    unpacked = unpack(archive, root)
    assert content(root) == GOOD and [str(place) for place in unpacked.written] == list(GOOD)
    assert not unpacked.equal and not unpacked.different


def test_folders_as_entries_and_modes_are_understood(archive, root):
    folder, file = zipfile.ZipInfo("checkpoints/more/"), zipfile.ZipInfo("checkpoints/more/2.pth")
    folder.external_attr, file.external_attr = (stat.S_IFDIR | 0o755) << 16 | 0x10, (stat.S_IFREG | 0o4777) << 16
    archive.write_bytes(with_entries((folder, b""), (file, b"two")))
    unpack(archive, root)
    assert content(root) == GOOD | {"checkpoints/more/2.pth": b"two"}
    assert not os.access(root / "checkpoints/more/2.pth", os.X_OK), "no right of the archive's is given"


def test_files_that_are_there_stay_as_they_are(archive, root):
    archive.write_bytes(zipped(GOOD))
    same, other, link = (root / name for name in GOOD)
    same.parent.mkdir(parents=True)
    link.parent.mkdir()
    same.write_bytes(GOOD["checkpoints/static/1.pth"])
    other.write_bytes(b"my own\n..")
    link.symlink_to(root / "nowhere")
    before = same.stat().st_mtime_ns
    unpacked = unpack(archive, root)
    assert [[str(place) for place in group] for group in unpacked] == [[], ["checkpoints/static/1.pth"], list(GOOD)[1:]]
    assert same.stat().st_mtime_ns == before and other.read_bytes() == b"my own\n.." and link.is_symlink()
    assert not (root / "nowhere").exists()


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "checkpoints/../../evil",
        "checkpoints/static/..",
        "/etc/evil",
        "//host/evil",
        "/checkpoints/evil",
        "C:/checkpoints/evil",
        "checkpoints/a:b",
        "checkpoints\\evil",
        "..\\evil",
        "checkpoints//evil",
        "checkpoints/./evil",
        "checkpoints/a\nb",
        "checkpoints/\x1b[2J",
        "checkpoints/" + "a" * 300,
    ],
)
def test_names_that_lead_elsewhere(archive, root, name):
    said = refused(archive, root, with_entries((zipfile.ZipInfo(name), b"x")))
    assert "its path may lead out" in said or "can't be a file's" in said


@pytest.mark.parametrize("name", ["checkpoints/../../evil", "/etc/evil", "checkpoints/\x1b[2J", "checkpoints\\evil"])
def test_a_second_name_that_leads_elsewhere(archive, root, name):
    entry = zipfile.ZipInfo("checkpoints/a")
    extra = struct.pack("<BL", 1, zlib.crc32(b"checkpoints/a")) + name.encode()
    entry.extra = struct.pack("<HH", 0x7075, len(extra)) + extra
    archive.write_bytes(with_entries((entry, b"x")))
    with contextlib.suppress(BadArchiveError):  # some versions of Python know of the extra field, and others don't
        unpack(archive, root)
    assert set(content(root.parent)) <= {f"workspace/{each}" for each in (*GOOD, "checkpoints/a")}
    entry.filename = name  # what the former make of it
    with pytest.raises(BadArchiveError, match=r"may lead out|can't be a file's"):
        _refuse(archive, entry)


def test_a_name_that_ends_before_its_end(archive, root):
    data = with_entries((zipfile.ZipInfo("checkpoints/aXb"), b"x")).replace(b"checkpoints/aXb", b"checkpoints/a\0b")
    assert "can't be a file's" in refused(archive, root, data)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK, stat.S_IFDIR])
def test_links_and_other_things_than_files(archive, root, kind):
    entry = zipfile.ZipInfo("checkpoints/static/link")
    entry.external_attr = (kind | 0o777) << 16
    assert "a link or another thing" in refused(archive, root, with_entries((entry, b"../../..")))


def test_a_folder_that_is_a_link(archive, root):
    entry = zipfile.ZipInfo("checkpoints/out/")
    entry.external_attr = LINK << 16
    assert "a link or another thing" in refused(archive, root, with_entries((entry, b"/tmp")))


@pytest.mark.parametrize(
    "name",
    [
        "checkpoints/static/1.pth",
        "checkpoints/static/1.PTH",
        "HODOR/checkpoints/static/1.pth",
        "checkpoints/static/1.pth/inside",
        "checkpoints/static",
    ],
)
def test_names_that_stand_twice(archive, root, name):
    assert "stands twice" in refused(archive, root, with_entries((zipfile.ZipInfo(name), b"x")))


def test_names_that_are_one_to_some_disks(archive, root):
    composed, decomposed = zipfile.ZipInfo("checkpoints/\u00e9"), zipfile.ZipInfo("checkpoints/e\u0301")
    assert "stands twice" in refused(archive, root, with_entries((composed, b"x"), (decomposed, b"x")))


def test_bombs(archive, root):
    assert "far more than it holds" in refused(archive, root, zipped({"checkpoints/a": b"\0" * 5_000_000}))
    many = {f"checkpoints/{number}": b"\0" * (1 << 20) for number in range(20)}
    assert "far more than it holds" in refused(archive, root, zipped(many)), "none alone, but all together"
    assert "far more than it holds" in refused(archive, root, zipped(GOOD | {"elsewhere/a": b"\0" * 5_000_000}))


def patched(data, name, field, value, where):
    """An archive with a number in the header of an entry replaced: `where` is the signature of the header."""
    offsets = {b"PK\x01\x02": {"crc": 16, "packed": 20, "size": 24, "offset": 42, "name": 46, "flags": 8, "method": 10}}
    offsets[b"PK\x03\x04"] = {"crc": 14, "packed": 18, "size": 22, "name": 30, "flags": 6, "method": 8}
    at = -1
    while True:
        at = data.index(where, at + 1)
        begin = at + offsets[where]["name"]
        if data[begin : begin + len(name)] == name.encode():
            break
    kind = "<H" if field in ("flags", "method") else "<I"
    place = at + offsets[where][field]
    return data[:place] + struct.pack(kind, value) + data[place + struct.calcsize(kind) :]


JSON = "dataset_json_annotations/davis_val.json"


@pytest.mark.parametrize("size", [1, 679, 681, 20_000])
def test_headers_that_lie_about_a_size(archive, root, size):
    data = patched(zipped(GOOD), JSON, "size", size, b"PK\x01\x02")
    said = refused(archive, root, patched(data, JSON, "size", size, b"PK\x03\x04"))
    assert "damaged" in said or "another size" in said


def test_a_bomb_whose_headers_say_that_it_is_small(archive, root):
    data = zipped(GOOD | {"checkpoints/a": b"\0" * 50_000_000})
    data = patched(data, "checkpoints/a", "size", 1000, b"PK\x01\x02")
    assert "damaged" in refused(archive, root, patched(data, "checkpoints/a", "size", 1000, b"PK\x03\x04"))


def test_a_bomb_of_entries_that_share_their_bytes(archive, root):
    data = zipped({"checkpoints/a": noise(100_000), "checkpoints/b": noise(100_000)})
    said = refused(archive, root, patched(data, "checkpoints/b", "offset", 0, b"PK\x01\x02"))
    assert "shares bytes" in said
    said = refused(archive, root, patched(data, "checkpoints/b", "packed", 1 << 30, b"PK\x01\x02"))
    assert "truncated or damaged" in said


def test_a_checksum_that_is_not_right(archive, root):
    data = zipped(GOOD)
    at = data.index(GOOD["checkpoints/static/1.pth"][:500]) if GOOD["checkpoints/static/1.pth"][:500] in data else 1500
    damaged = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
    assert "damaged" in refused(archive, root, damaged)
    assert "damaged" in refused(archive, root, patched(data, JSON, "crc", 1, b"PK\x01\x02"))


@pytest.mark.parametrize("keep", [0, 3, 1000, -1, -30])
def test_archives_that_are_cut_off(archive, root, keep):
    assert "truncated or damaged" in refused(archive, root, zipped(GOOD)[:keep])


def test_archives_that_are_encrypted(archive, root):
    data = patched(zipped(GOOD), JSON, "flags", 1, b"PK\x01\x02")
    assert "encrypted" in refused(archive, root, patched(data, JSON, "flags", 1, b"PK\x03\x04"))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, 9, 97])
def test_ways_of_packing_that_are_not_read(archive, root, method):
    data = patched(zipped(GOOD), JSON, "method", method, b"PK\x01\x02")
    assert "packed in a way" in refused(archive, root, patched(data, JSON, "method", method, b"PK\x03\x04"))


def test_archives_of_other_things(archive, root):
    said = refused(archive, root, zipped({"holiday/1.jpg": b"x", "holiday/2.jpg": b"x"}))
    assert "holds holiday" in said and "checkpoints" in said
    assert "holds nothing" in refused(archive, root, zipped({}))


def test_no_single_damaged_byte_does_harm(archive, root):
    """Every byte of a small archive, changed: it is refused, or gives the same files, or fewer; never others."""
    data = zipped({"checkpoints/a": b"alpha", "checkpoints/b": b"beta"})
    for at in range(len(data)):
        archive.write_bytes(data[:at] + bytes([data[at] ^ 0x15]) + data[at + 1 :])
        try:
            unpack(archive, root)
        except BadArchiveError:
            assert not content(root)
        for path in [path for path in root.rglob("*") if path.is_file()]:
            assert path.read_bytes() in (b"alpha", b"beta") and path.is_relative_to(root / "checkpoints")
            path.unlink()

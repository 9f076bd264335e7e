"""Files that were made to break whoever opens them: each is one line that names the file, in little memory, with no hang."""

import io
import os
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hodor.errors import HodorError
from hodor.formats.label_maps import read_label_map
from hodor.media.images import image_size, open_picture, read_image

MEGABYTES = 1500
SECONDS = 600  # only ends a hang
GREY = np.add.outer(np.arange(24), np.arange(32)).astype(np.uint8)


def saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, format=kind, **options)
    return file.getvalue()


def png(
    width: int, height: int, rows: bytes, *, depth: int = 8, colour: int = 0, further: tuple[tuple[bytes, bytes], ...] = ()
) -> bytes:
    """A PNG from its parts; `rows` are packed as they are, whether they fit the size or not."""
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)),
        *further,
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    packed = (
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def patched(content: bytes, place: int, layout: str, *numbers: int) -> bytes:
    new = struct.pack(layout, *numbers)
    return content[:place] + new + content[place + len(new) :]


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("frame.png", bytes(10_000_000))
    return file.getvalue()


def exif_of(kind: str, **options: object) -> bytes:
    """A picture whose EXIF data is no TIFF."""
    return saved(Image.fromarray(GREY).convert("RGB"), kind, exif=b"Exif\0\0" + b"broken from the first byte on", **options)


def animation(width: int, height: int, frames: int) -> bytes:
    """A GIF of few bytes with large pictures."""
    pictures = [Image.new("P", (width, height), i % 256) for i in range(frames)]
    return saved(pictures[0], "GIF", save_all=True, append_images=pictures[1:], optimize=False)


def tall_tiff(height: int) -> bytes:
    """A TIFF that says it is taller than its pixels are."""
    content = saved(Image.fromarray(np.dstack([GREY] * 3)), "TIFF")
    first = struct.unpack_from("<I", content, 4)[0]
    for entry in range(struct.unpack_from("<H", content, first)[0]):
        place = first + 2 + 12 * entry
        if struct.unpack_from("<H", content, place)[0] == 257:
            return patched(content, place + 2, "<HII", 4, 1, height)
    raise AssertionError("no height in it")


def jpeg_claim() -> bytes:
    content = saved(Image.fromarray(GREY), "JPEG")
    return patched(content, content.index(b"\xff\xc0") + 5, ">HH", 65535, 65535)


def bmp_size(width: int, height: int) -> bytes:
    return patched(saved(Image.fromarray(GREY), "BMP"), 18, "<ii", width, height)


BOMB = 16384 * 8193
REFUSED: dict[str, Callable[[], bytes]] = {
    "empty.png": lambda: b"",
    "text.jpg": lambda: b"hello, I am a text",
    "zip.png": zipped,
    "script.png": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
    "icon.png": lambda: saved(Image.fromarray(GREY), "ICO"),
    "pdf.jpg": lambda: saved(Image.fromarray(GREY), "PDF"),
    "claim.png": lambda: png(100_000, 100_000, b"\0"),
    "claims_all.png": lambda: png(2**31 - 1, 2**31 - 1, b"\0"),
    "bomb.png": lambda: png(16384, 8193, bytes((16384 // 8 + 1) * 8193), depth=1),
    "short_rows.png": lambda: png(8192, 8192, b"\0", colour=2),
    "text_bomb.png": lambda: png(
        32, 24, bytes(33 * 24), further=((b"zTXt", b"Comment\0\0" + zlib.compress(bytes(200_000_000))),)
    ),
    "truncated.png": lambda: saved(Image.fromarray(GREY), "PNG")[:-60],
    "truncated.jpg": lambda: saved(Image.fromarray(GREY), "JPEG")[:-60],
    "claim.jpg": jpeg_claim,
    "huge.bmp": lambda: bmp_size(2**31 - 1, 24),
    "negative.bmp": lambda: bmp_size(-400_000_000, 24),
    "upside_down.bmp": lambda: bmp_size(32, -(2**31)),
    "tall.tiff": lambda: tall_tiff(2_752_516),
    "just_not_too_tall.tiff": lambda: tall_tiff(2_000_000),
    "claim.gif": lambda: patched(animation(32, 24, 2), 6, "<HH", 65535, 65535),
    "exif.webp": lambda: exif_of("WEBP"),
    "exif.png": lambda: exif_of("PNG"),
    "rotated.jpg": lambda: saved(
        Image.fromarray(GREY), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    ),
    "16_bits.png": lambda: saved(Image.fromarray(GREY.astype(np.uint16) * 9), "PNG"),
    "16_bits.tiff": lambda: saved(Image.fromarray(GREY.astype(np.uint16) * 9), "TIFF"),
    "floats.tiff": lambda: saved(Image.fromarray(GREY.astype(np.float32)), "TIFF"),
}
READ: dict[str, Callable[[], bytes]] = {
    "animated.gif": lambda: animation(4000, 4000, 30),
    "cmyk.jpg": lambda: saved(Image.fromarray(np.dstack([GREY] * 4), "CMYK"), "JPEG"),
    "exif.jpg": lambda: exif_of("JPEG"),  # Pillow passes over it
    "largest.png": lambda: png(8192, 8192, bytes((8192 * 4 + 1) * 8192), colour=6),
}
PROGRAM = """
import sys
from pathlib import Path
from hodor.errors import HodorError
from hodor.formats.label_maps import read_label_map
from hodor.media.images import image_size, read_image
for path in sorted(Path(sys.argv[1]).iterdir()):
    for reader in (image_size, read_image, read_label_map):
        try:
            reader(path)
            result = "read"
        except HodorError as error:
            result = f"refused: {error}"
        print(path.name, reader.__name__, result, sep="|", flush=True)
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM:")).split()[1])
"""


def test_each_is_one_line_in_little_memory(tmp_path: Path) -> None:
    for name, make in {**REFUSED, **READ}.items():
        (tmp_path / name).write_bytes(make())
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "device.png").symlink_to("/dev/zero")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "nowhere.png").symlink_to(tmp_path / "nothing.png")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0 and not done.stderr, done.stderr[-1000:]
    results = {}
    *lines, peak = done.stdout.splitlines()
    assert int(peak) / 1024 < MEGABYTES
    for line in lines:
        name, reader, result = line.split("|")
        assert len(result.replace(str(tmp_path), "")) < 260, line
        assert result == "read" or result.startswith(f"refused: {tmp_path / name}: "), line
        results[name, reader] = result
    names = [*REFUSED, *READ, "pipe.png", "device.png", "folder.png", "nowhere.png"]
    assert len(results) == 3 * len(names)
    assert {name for name in names if results[name, "read_image"] == "read"} == set(READ)


@pytest.mark.parametrize("reader", [read_image, open_picture, image_size, read_label_map])
def test_a_limit_on_pixels_that_can_be_raised(tmp_path: Path, reader: Callable[..., object]) -> None:
    path = tmp_path / "a.png"
    Image.new("L", (9000, 8000)).save(path)
    with pytest.raises(HodorError, match=r"a\.png: has 9000x8000 pixels, and 67108864 are the most .* make it smaller"):
        reader(path)
    if reader is not read_label_map:
        assert reader(path, max_pixels=9000 * 8000) is not None
    Image.new("L", (10, 10)).save(path)
    if reader is not read_label_map:
        with pytest.raises(HodorError, match="has 10x10 pixels, and 99 are"):
            reader(path, max_pixels=99)


def test_colours_of_a_multichannel_print_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(READ["cmyk.jpg"]())
    assert read_image(path).shape == (24, 32, 3)

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from hodor.errors import HodorError
from hodor.media.images import image_size, read_image

HEIGHT, WIDTH = 20, 30
GREY = np.add.outer(np.arange(HEIGHT), np.arange(WIDTH)).astype(np.uint8) * 5
COLOUR = np.stack([GREY, GREY[::-1], GREY[:, ::-1]], axis=2)


def rotated(picture: Image.Image, path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(path, exif=exif)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif"])
def test_colours_are_exact(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(COLOUR).save(path)
    image = read_image(path)
    assert image.dtype == np.uint8 and np.array_equal(image, COLOUR)
    assert image_size(path) == (HEIGHT, WIDTH)


def test_jpeg_keeps_the_order_of_channels(tmp_path: Path) -> None:
    Image.new("RGB", (WIDTH, HEIGHT), (250, 10, 100)).save(tmp_path / "a.jpg", quality=95)
    assert np.abs(read_image(tmp_path / "a.jpg").reshape(-1, 3).mean(axis=0) - (250, 10, 100)).max() < 4
    assert image_size(tmp_path / "a.jpg") == (HEIGHT, WIDTH)


def test_grey_is_repeated(tmp_path: Path) -> None:
    Image.fromarray(GREY).save(tmp_path / "a.png")
    assert np.array_equal(read_image(tmp_path / "a.png"), np.repeat(GREY[..., None], 3, axis=2))
    Image.fromarray(np.dstack([GREY, 255 - GREY]), "LA").save(tmp_path / "b.png")
    assert np.array_equal(read_image(tmp_path / "b.png"), np.repeat(GREY[..., None], 3, axis=2))


def test_one_bit_becomes_black_and_white(tmp_path: Path) -> None:
    Image.fromarray(GREY > 100).save(tmp_path / "a.png")
    assert np.array_equal(read_image(tmp_path / "a.png")[..., 1], (GREY > 100) * np.uint8(255))


def test_transparency_is_dropped_not_blended(tmp_path: Path) -> None:
    Image.fromarray(np.dstack([COLOUR, GREY])).save(tmp_path / "a.png")
    assert np.array_equal(read_image(tmp_path / "a.png"), COLOUR)


@pytest.mark.parametrize("transparent", [False, True])
def test_palette_images_give_their_colours(tmp_path: Path, transparent: bool) -> None:
    picture = Image.fromarray(GREY % 4).convert("P")
    palette = np.array([[9, 8, 7], [200, 0, 0], [0, 150, 0], [1, 2, 3]], np.uint8)
    picture.putpalette(palette.tobytes())
    picture.save(tmp_path / "a.png", **({"transparency": 1} if transparent else {}))
    assert np.array_equal(read_image(tmp_path / "a.png"), palette[GREY % 4])


@pytest.mark.parametrize("kind", ["grey", "colour"])
@pytest.mark.parametrize("reader", [read_image, image_size])
def test_16_bits_are_refused(tmp_path: Path, kind: str, reader: Callable[[Path], object]) -> None:
    path = tmp_path / "a.png"
    if kind == "grey":
        Image.fromarray(GREY.astype(np.uint16) * 257).save(path)
    else:
        cv2.imwrite(str(path), COLOUR.astype(np.uint16) * 257)
    with pytest.raises(HodorError, match=r"a\.png.*16 bits"):
        reader(path)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
@pytest.mark.parametrize("reader", [read_image, image_size])
def test_images_that_ask_to_be_rotated_are_refused(tmp_path: Path, suffix: str, reader: Callable[[Path], object]) -> None:
    path = tmp_path / f"a.{suffix}"
    rotated(Image.fromarray(COLOUR), path)
    with pytest.raises(HodorError, match="EXIF"):
        reader(path)


def test_an_orientation_that_says_nothing_is_no_rotation(tmp_path: Path) -> None:
    picture = Image.fromarray(COLOUR)
    exif = picture.getexif()
    exif[0x0112] = 0
    picture.save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(read_image(tmp_path / "a.png"), COLOUR) and image_size(tmp_path / "a.png") == COLOUR.shape[:2]


def test_rotated_tiffs_are_turned_upright(tmp_path: Path) -> None:
    rotated(Image.fromarray(COLOUR), tmp_path / "a.tif")
    assert np.array_equal(read_image(tmp_path / "a.tif"), np.rot90(COLOUR, -1))
    assert image_size(tmp_path / "a.tif") == (WIDTH, HEIGHT)


def test_upright_exif_is_fine(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 1
    exif[0x010E] = "a description"
    Image.fromarray(COLOUR).save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(read_image(tmp_path / "a.png"), COLOUR)
    assert image_size(tmp_path / "a.png") == (HEIGHT, WIDTH)


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "webp", "tif"])
@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_truncated_files_are_refused(tmp_path: Path, suffix: str, kept: float) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(HodorError, match="truncated or not an image"):
        read_image(path)


@pytest.mark.parametrize("reader", [read_image, image_size])
@pytest.mark.parametrize(("content", "reason"), [(b"", "empty|not an image"), (b"hello, I am a text", "not an image")])
def test_files_that_are_no_images(tmp_path: Path, content: bytes, reason: str, reader: Callable[[Path], object]) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(HodorError, match=rf"a\.jpg.*({reason})"):
        reader(path)


@pytest.mark.parametrize("reader", [read_image, image_size])
def test_missing_files(tmp_path: Path, reader: Callable[[Path], object]) -> None:
    with pytest.raises(HodorError, match=r"a\.jpg: no such file"):
        reader(tmp_path / "a.jpg")


def test_damaged_files_raise_nothing_else(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for suffix in ("jpg", "png", "bmp"):
        path = tmp_path / f"a.{suffix}"
        Image.fromarray(COLOUR).save(path)
        content = np.frombuffer(path.read_bytes(), np.uint8)
        for _ in range(100):
            damaged = content[: random.integers(len(content) + 1)].copy()
            for place in random.integers(30, max(31, len(content)), 3):  # beyond the header: no gigantic sizes
                damaged[place : place + 1] = random.integers(256)
            path.write_bytes(damaged.tobytes())
            for reader in (read_image, image_size):
                try:
                    reader(path)
                except HodorError as error:
                    assert "a." + suffix in str(error)

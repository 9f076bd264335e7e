from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hodor.errors import HodorError
from hodor.formats.label_maps import (
    davis_palette,
    present_ids,
    read_label_map,
    write_label_map,
    youtube_vos_palette,
)
from hodor.media.boxes import bounding_box

ALL_IDS = np.arange(256, dtype=np.uint8).reshape(16, 16)
FEW_IDS = np.kron(np.array([[0, 1, 2], [3, 5, 10]], np.uint8), np.ones((5, 7), np.uint8))


def test_known_colours_of_the_palettes() -> None:
    davis, youtube = davis_palette(), youtube_vos_palette()
    assert davis.shape == youtube.shape == (256, 3) and davis.dtype == youtube.dtype == np.uint8
    known = {
        0: (0, 0, 0),
        1: (128, 0, 0),
        2: (0, 128, 0),
        3: (128, 128, 0),
        4: (0, 0, 128),
        8: (64, 0, 0),
        255: (224, 224, 192),
    }
    assert {i: tuple(davis[i].tolist()) for i in known} == known
    assert tuple(youtube[1]) == (236, 95, 103) and tuple(youtube[10]) == (101, 115, 126) and tuple(youtube[11]) == (11, 11, 11)
    assert len(np.unique(davis, axis=0)) == 256


@pytest.mark.parametrize("palette", [davis_palette(), youtube_vos_palette()], ids=["davis", "youtube_vos"])
def test_palette_files_keep_every_id(tmp_path: Path, palette: np.ndarray) -> None:
    path = tmp_path / "new" / "mask.png"
    write_label_map(path, ALL_IDS, palette)
    assert np.array_equal(read_label_map(path), ALL_IDS)
    picture = Image.open(path)
    assert picture.mode == "P" and np.array_equal(np.asarray(picture.convert("RGB")), palette[ALL_IDS])
    assert [p.name for p in path.parent.iterdir()] == ["mask.png"]


@pytest.mark.parametrize("ids", [2, 4, 16])
def test_palette_files_of_few_bits(tmp_path: Path, ids: int) -> None:
    labels = ALL_IDS % ids
    picture = Image.fromarray(labels).convert("P")
    picture.putpalette(davis_palette()[:ids].tobytes())
    picture.save(tmp_path / "mask.png", bits={2: 1, 4: 2, 16: 4}[ids])
    assert np.array_equal(read_label_map(tmp_path / "mask.png"), labels)


def test_grey_files_give_their_values(tmp_path: Path) -> None:
    Image.fromarray(ALL_IDS).save(tmp_path / "a.png")
    assert np.array_equal(read_label_map(tmp_path / "a.png"), ALL_IDS)
    Image.fromarray(np.dstack([ALL_IDS, ALL_IDS * 0 + 255]), "LA").save(tmp_path / "b.png")
    assert np.array_equal(read_label_map(tmp_path / "b.png"), ALL_IDS)


def test_one_bit_is_object_1(tmp_path: Path) -> None:
    Image.fromarray(FEW_IDS > 2).save(tmp_path / "a.png")
    labels = read_label_map(tmp_path / "a.png")
    assert labels.dtype == np.uint8 and np.array_equal(labels, FEW_IDS > 2)


@pytest.mark.parametrize("palette", [davis_palette(), youtube_vos_palette()], ids=["davis", "youtube_vos"])
@pytest.mark.parametrize("alpha", [False, True])
def test_colours_of_known_palettes_give_ids(tmp_path: Path, palette: np.ndarray, alpha: bool) -> None:
    colours = palette[FEW_IDS]
    if alpha:
        colours = np.dstack([colours, FEW_IDS * 20])
    Image.fromarray(colours).save(tmp_path / "a.png")
    labels = read_label_map(tmp_path / "a.png")
    assert labels.dtype == np.uint8 and np.array_equal(labels, FEW_IDS)


def test_every_davis_colour_is_known(tmp_path: Path) -> None:
    Image.fromarray(davis_palette()[ALL_IDS]).save(tmp_path / "a.png")
    assert np.array_equal(read_label_map(tmp_path / "a.png"), ALL_IDS)


def test_antialiased_colours_name_the_strange_one(tmp_path: Path) -> None:
    colours = davis_palette()[FEW_IDS]
    colours[3, 3] = (77, 33, 11)
    Image.fromarray(colours).save(tmp_path / "mask.png")
    with pytest.raises(HodorError, match=r"mask\.png: 7 colours, such as \(77, 33, 11\), .*antialias"):
        read_label_map(tmp_path / "mask.png")


@pytest.mark.parametrize("kind", ["palette", "grey", "colour", "bit"])
def test_binary_takes_all_that_is_not_black(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.png"
    if kind == "palette":
        write_label_map(path, FEW_IDS, davis_palette())
    else:
        values = {"grey": FEW_IDS * 20, "colour": FEW_IDS[..., None] * np.array([0, 0, 25], np.uint8), "bit": FEW_IDS > 0}[kind]
        Image.fromarray(values).save(path)
    labels = read_label_map(path, binary=True)
    assert labels.dtype == np.uint8 and np.array_equal(labels, FEW_IDS > 0)


def test_files_that_are_no_masks(tmp_path: Path) -> None:
    Image.fromarray(FEW_IDS.astype(np.uint16) * 300).save(tmp_path / "a.png")
    with pytest.raises(HodorError, match="16 bits"):
        read_label_map(tmp_path / "a.png")
    Image.fromarray(davis_palette()[FEW_IDS]).convert("CMYK").save(tmp_path / "b.jpg")
    with pytest.raises(HodorError, match="not CMYK"):
        read_label_map(tmp_path / "b.jpg")
    (tmp_path / "c.png").write_text("no image")
    with pytest.raises(HodorError, match=r"c\.png"):
        read_label_map(tmp_path / "c.png")


def test_ids_and_boxes() -> None:
    labels = np.zeros((9, 12), np.uint8)
    assert present_ids(labels) == [] and bounding_box(labels) is None
    labels[2:5, 7:12], labels[8, 0] = 3, 255
    assert present_ids(labels) == [3, 255]
    assert bounding_box(labels) == (0, 2, 12, 7) and bounding_box(labels == 3) == (7, 2, 5, 3)

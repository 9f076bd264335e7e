"""Anybody's photographs and masks as training images, through the command line."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from small_data_sets import boxes, write_grey, write_palette

from hodor.formats import run_length
from hodor.formats.label_maps import davis_palette

BEAR, CAT, SPECK = (0, 0, 10, 12), (11, 12, 24, 33), (20, 0, 22, 3)


def write_photograph(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 24), (9, 99, 9)).save(path)


def result(workspace: Path) -> dict[str, dict[str, Any]]:
    content = json.loads((workspace / "dataset_json_annotations" / "mine.json").read_text())
    assert content["meta"] == {"category_labels": {"1": "object"}}
    return {image["image_path"]: image for image in content["images"]}


def drawn(image: dict[str, Any]) -> list[np.ndarray]:
    return [run_length.decode(text, image["height"], image["width"]) for text in image["segmentations"]]


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Three photographs, one of them in a folder, and a folder for masks."""
    for name in ("a.jpg", "b.png", "more/a.jpg"):
        write_photograph(tmp_path / "photographs" / name)
    (tmp_path / "masks").mkdir()
    return tmp_path / "photographs", tmp_path / "masks"


def test_ids_are_instances(folders, convert, workspace) -> None:
    write_palette(folders[1] / "a.png", boxes({3: BEAR, 7: SPECK, 255: CAT}))
    write_grey(folders[1] / "more" / "a.png", boxes({1: CAT}))
    write_grey(folders[1] / "b.png", boxes({}))
    for _ in range(2):
        done = convert("images", *folders, "--name", "mine")
        assert done.returncode == 0, done.stderr
    assert "values are ids" in done.stderr and "2 images, 3 objects" in done.stderr
    assert "1 images without an object" in done.stderr
    found = result(workspace)
    assert list(found) == ["a.jpg", "more/a.jpg"]
    image = found["a.jpg"]
    assert image["categories"] == [1, 1] and image["areas"] == [120, 6] and image["bboxes"] == [[0, 0, 12, 10], [0, 20, 3, 2]]
    assert np.array_equal(drawn(image)[1], boxes({1: SPECK}) > 0)
    assert (workspace / "dataset_images" / "mine" / "more" / "a.jpg").is_file()


@pytest.mark.parametrize("kind", ["grey", "bit", "colour"])
def test_connected_parts_of_white_are_instances(folders, convert, workspace, kind) -> None:
    white = boxes({255: BEAR}) | boxes({255: CAT}) | boxes({255: SPECK})
    white[10, 36:40] = white[9, 32:36] = 255  # touch only at a corner
    picture = Image.fromarray(white)
    picture.convert({"grey": "L", "bit": "1", "colour": "RGB"}[kind]).save(folders[1] / "a.png")
    done = convert("images", *folders, "--name", "mine", "--min_area", 8)
    assert done.returncode == 0, done.stderr
    assert "connected parts" in done.stderr and "1 parts of fewer than 8 pixels" in done.stderr
    assert "2 of 3 images" in done.stderr and "have no mask" in done.stderr
    (image,) = result(workspace).values()
    assert sorted(image["areas"]) == [8, 120, 273]
    for mask, area, (left, top, width, height) in zip(drawn(image), image["areas"], image["bboxes"], strict=True):
        assert mask.sum() == mask[top : top + height, left : left + width].sum() == area


def test_whole_masks_and_binary_reading(folders, convert, workspace) -> None:
    write_palette(folders[1] / "a.png", boxes({3: BEAR, 7: SPECK}))
    assert convert("images", *folders, "--name", "mine", "--whole").returncode == 0
    assert result(workspace)["a.jpg"]["areas"] == [126]
    assert convert("images", *folders, "--name", "mine", "--binary").returncode == 0
    assert result(workspace)["a.jpg"]["areas"] == [120]
    assert convert("images", *folders, "--name", "mine", "--binary", "--whole").returncode == 0
    assert result(workspace)["a.jpg"]["areas"] == [126]


def test_unclear_masks_ask_what_they_mean(folders, convert, fails, workspace) -> None:
    write_palette(folders[1] / "a.png", boxes({3: BEAR}))
    write_grey(folders[1] / "b.png", boxes({255: CAT}))
    message = fails("images", *folders, "--name", "mine")
    assert "b.png is black and white" in message and "a.png holds ids" in message and "--ids" in message
    assert convert("images", *folders, "--name", "mine", "--ids").returncode == 0
    assert list(result(workspace)) == ["a.jpg"]


def test_many_images_in_several_processes(tmp_path, convert, workspace) -> None:
    for number in range(70):
        write_photograph(tmp_path / "photographs" / f"{number}.jpg")
        write_grey(tmp_path / "masks" / f"{number}.png", boxes({255: (0, 0, 10, 12 + number % 20)}))
    found = []
    for workers in (1, 2):
        done = convert("images", tmp_path / "photographs", tmp_path / "masks", "--name", "mine", "--num_workers", workers)
        assert done.returncode == 0, done.stderr
        found.append(result(workspace))
    assert found[0] == found[1] and list(found[0])[:3] == ["0.jpg", "1.jpg", "2.jpg"] and len(found[0]) == 70
    (tmp_path / "photographs" / "69.jpg").write_bytes(b"")
    done = convert("images", tmp_path / "photographs", tmp_path / "masks", "--name", "yours", "--num_workers", 2)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1 and "69.jpg" in done.stderr


def test_copies_and_masks_below_the_images(tmp_path, convert, workspace) -> None:
    write_photograph(tmp_path / "photographs" / "a.jpg")
    write_palette(tmp_path / "photographs" / "masks" / "a.png", boxes({3: BEAR}))
    arguments = (tmp_path / "photographs", tmp_path / "photographs" / "masks", "--name", "mine", "--frames", "copy")
    for _ in range(2):
        done = convert("images", *arguments)
        assert done.returncode == 0, done.stderr
    copied = workspace / "dataset_images" / "mine"
    assert not copied.is_symlink() and [path.name for path in copied.rglob("*")] == ["a.jpg"]


def test_folders_are_checked(folders, fails, tmp_path) -> None:
    photographs, masks = folders
    assert "nothing: no such folder" in fails("images", tmp_path / "nothing", masks, "--name", "mine")
    assert "no masks in it" in fails("images", *folders, "--name", "mine")
    assert "no images in it" in fails("images", masks, photographs, "--name", "mine")
    assert "same folder" in fails("images", photographs, photographs, "--name", "mine")
    write_palette(masks / "a.png", boxes({}))
    assert "nothing in it shows an object" in fails("images", *folders, "--name", "mine")
    write_palette(masks / "other" / "a.png", boxes({1: BEAR}))
    assert "other/a.png: no image of this name" in fails("images", *folders, "--name", "mine")
    write_photograph(photographs / "a.png")
    assert "a.jpg and a.png have the same name" in fails("images", *folders, "--name", "mine")
    for name in ("davis_train", "davis_val", "a/b"):
        assert "--name" in fails("images", *folders, "--name", name)


def test_bad_masks_are_named(folders, fails) -> None:
    path = folders[1] / "a.png"
    write_palette(path, boxes({1: BEAR}, height=40, width=24))
    message = fails("images", *folders, "--name", "mine")
    assert "a.png: the mask is 24x40" in message and "a.jpg" in message
    Image.fromarray(boxes({1: BEAR}).astype(np.uint16) * 300).save(path)
    assert "a.png: 16 bits" in fails("images", *folders, "--name", "mine")
    large = np.zeros((240, 400), np.uint8)
    cv2.circle(large, (150, 120), 70, 255, -1)
    Image.fromarray(cv2.resize(large, (40, 24), interpolation=cv2.INTER_AREA)).save(path)
    for options in ([], ["--binary"]):
        assert "a.png: the mask is blurred" in fails("images", *folders, "--name", "mine", *options)
    Image.fromarray(davis_palette()[boxes({1: BEAR})] + np.uint8(1)).save(path)
    assert "no known palette" in fails("images", *folders, "--name", "mine")


def test_other_images_in_the_way_are_kept(folders, convert, fails, workspace, tmp_path) -> None:
    write_palette(folders[1] / "a.png", boxes({1: BEAR}))
    place = workspace / "dataset_images" / "mine"
    place.mkdir(parents=True)
    (place / "precious.txt").write_text("mine")
    assert "exists already with other files" in fails("images", *folders, "--name", "mine")
    assert convert("images", *folders, "--name", "other").returncode == 0
    assert "other.json: holds training images already" in fails("folder", *folders, "--name", "other")
    folders[0].rename(tmp_path / "moved")
    assert "is a link to" in fails("images", tmp_path / "moved", folders[1], "--name", "other")


def test_help_has_an_example(convert) -> None:
    for kind in ("coco", "images", "davis_training", "youtube_vos_training"):
        done = convert(kind, "--help")
        assert done.returncode == 0 and f"hodor convert {kind} " in done.stdout
    overview = convert("--help").stdout
    assert "youtube_vos_training" in overview and "for training: COCO" in overview

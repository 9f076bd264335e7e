"""Names that no terminal or text should see as they are, and files and folders where something else is meant."""

import os
from pathlib import Path

import pytest
from PIL import Image
from small_data_sets import boxes, write_frames, write_palette

from hodor.convert.__main__ import main

NAMES = [os.fsdecode(b"b\xe4r"), "\x1b[31mred"]
SHOWN = ["b\\udce4r", "\\x1b[31mred"]


@pytest.fixture(params=range(2), ids=["not UTF-8", "escape code"])
def odd(request) -> int:
    return int(request.param)


@pytest.fixture
def davis(tmp_path: Path, odd: int) -> Path:
    root = tmp_path / "DAVIS"
    write_frames(root / "JPEGImages" / "480p" / NAMES[odd])
    for index in range(3):
        write_palette(root / "Annotations" / "480p" / NAMES[odd] / f"{index:05d}.png", boxes({1: (2, 3, 9, 14)}))
    return root


def test_odd_names_are_kept_and_shown_escaped(davis, odd, convert, sequences) -> None:
    done = convert("davis", davis, "--name", "mine")
    assert done.returncode == 0 and f"object 1: {SHOWN[odd]}" in done.stderr and "\x1b" not in done.stderr
    assert list(sequences("mine")) == [NAMES[odd]]
    assert convert("davis_training", davis, "--name", "yours").returncode == 0
    folders = (davis / "JPEGImages" / "480p", davis / "Annotations" / "480p")
    assert convert("folder", *folders, "--name", "folders").returncode == 0
    assert convert("images", *folders, "--name", "images").returncode == 0


def test_odd_names_in_lists_and_complaints(davis, odd, convert, sequences) -> None:
    listing = davis / "ImageSets" / "2017" / "val.txt"
    listing.parent.mkdir(parents=True)
    listing.write_bytes(os.fsencode(NAMES[odd]) + b"\n")
    done = convert("davis", davis, "--name", "mine")
    assert done.returncode == 0 and list(sequences("mine")) == [NAMES[odd]]
    (davis / "Annotations" / "480p" / NAMES[odd] / "00000.png").write_bytes(b"")
    done = convert("davis", davis, "--name", "mine")
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert f"{SHOWN[odd]}/00000.png: the file is empty" in done.stderr and "\x1b" not in done.stderr


def test_a_list_that_is_no_text(davis, fails) -> None:
    (davis / "ImageSets" / "2017").mkdir(parents=True)
    (davis / "ImageSets" / "2017" / "val.txt").write_bytes("bear\n".encode("utf-16"))
    assert "not a text file" in fails("davis", davis)


FILES = [
    ("clip.mp4", "hodor split {path} FRAMES_DIR"),
    ("instances.json", "hodor convert coco IMAGES_DIR {path}"),
    ("DAVIS.zip", "unpack it"),
    ("00000.jpg", "name the folder that holds it"),
]


@pytest.mark.parametrize(("name", "expected"), FILES)
def test_a_file_is_no_folder(fails, tmp_path, name, expected) -> None:
    path = tmp_path / name
    path.write_bytes(b"x")
    for arguments in (["davis", path], ["youtube_vos", path], ["folder", path, path, "--name", "x"], ["coco", path, path]):
        message = fails(*arguments)
        assert "is a file, not a folder" in message and expected.format(path=path) in message


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *FILES,
        ("DAVIS", "hodor convert davis {path}"),
        ("youtube", "hodor convert youtube_vos {path}"),
        ("plain", "folder {path}"),
    ],
)
def test_a_kind_that_was_forgotten(tmp_path, capsys, name, expected) -> None:
    path = tmp_path / name
    if "." in name:
        path.write_bytes(b"x")
    else:
        (path / ("plain" if name == "plain" else "JPEGImages")).mkdir(parents=True)
    if name == "youtube":
        (path / "meta.json").write_text("{}")
    with pytest.raises(SystemExit) as left:
        main([str(path), "masks"])
    errors = capsys.readouterr().err
    assert left.value.code == 2 and errors.count("\n") == 1 and f"{path} is no KIND of data set" in errors
    assert expected.format(path=path) in errors


@pytest.mark.parametrize("name", ["00000.jpg", "00000.png", "00000.webp"])
@pytest.mark.parametrize("command", ["folder", "images"])
def test_masks_whose_values_are_no_ids(tmp_path, fails, name, command) -> None:
    frames, masks = tmp_path / "frames", tmp_path / "masks"
    inner = (frames / "a", masks / "a") if command == "folder" else (frames, masks)
    write_frames(inner[0])
    inner[1].mkdir(parents=True)
    labels = boxes({1: (2, 3, 9, 14)})
    picture = Image.fromarray(labels * 255)
    if name.endswith("png"):
        picture = Image.fromarray(labels).convert("P")
        picture.putpalette([255, 0, 0] + [0] * 765)
    picture.save(inner[1] / name)
    said = fails(command, frames, masks, "--name", "mine")
    assert name in said and ("blurs the edges" in said or "black has the index" in said)

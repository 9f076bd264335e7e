"""Anybody's frames and masks, through the command line."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from small_data_sets import boxes, write_frames, write_grey, write_palette

from hodor.formats.label_maps import davis_palette, youtube_vos_palette

BEAR, CAT = (2, 3, 9, 14), (10, 20, 20, 33)


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    write_frames(tmp_path / "frames", 4)
    return tmp_path / "frames"


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    (tmp_path / "masks").mkdir()
    return tmp_path / "masks"


def given(sequence) -> dict[int, list[int]]:
    return {frame: list(masks) for frame, masks in sequence.segmentations.items()}


def test_first_masks_start_objects(frames, masks, convert, sequences, workspace) -> None:
    write_palette(masks / "00000.png", boxes({}))
    write_palette(masks / "00001.png", boxes({5: CAT}))
    write_palette(masks / "00003.png", boxes({5: BEAR, 2: CAT}))
    result = convert("folder", frames, masks, "--name", "mine")
    assert result.returncode == 0, result.stderr
    assert "objects 2, 5: mine" in result.stderr
    (sequence,) = sequences("mine").values()
    assert sequence.id == "mine" and given(sequence) == {1: [5], 3: [2]}
    assert np.array_equal(sequence.masks(1, 24, 40)[5], boxes({1: CAT}) > 0)
    assert (workspace / "dataset_images" / "mine" / sequence.image_paths[3]).is_file()


def test_all_masks_are_given_when_asked_for(frames, masks, convert, sequences) -> None:
    write_palette(masks / "00000.png", boxes({1: BEAR}))
    write_palette(masks / "00002.png", boxes({1: BEAR, 4: CAT}))
    assert convert("folder", frames, masks, "--name", "mine", "--all_masks").returncode == 0
    assert given(sequences("mine")["mine"]) == {0: [1], 2: [1, 4]}


def test_masks_that_are_left_out_are_said(frames, masks, convert) -> None:
    for name in ("00000", "00002", "00003"):
        write_palette(masks / f"{name}.png", boxes({1: BEAR}))
    said = convert("folder", frames, masks, "--name", "mine").stderr
    assert "2 masks show no new object and are left out, 00002.png first; --all_masks takes them as corrections" in said
    assert "left out" not in convert("folder", frames, masks, "--name", "mine", "--all_masks").stderr


def test_folders_of_clips(tmp_path, convert, sequences) -> None:
    for clip in ("one", "two"):
        write_frames(tmp_path / "frames" / clip, 2)
        write_palette(tmp_path / "masks" / clip / "00000.png", boxes({1: BEAR}))
    (tmp_path / "frames" / ".hidden").mkdir()
    assert convert("folder", tmp_path / "frames", tmp_path / "masks", "--name", "mine").returncode == 0
    assert list(sequences("mine")) == ["one", "two"]


def test_a_folder_for_each_clip(tmp_path, convert, sequences, workspace) -> None:
    for clip in ("clip2", "clip10"):
        write_frames(tmp_path / "shots" / clip / "frames", 2)
        write_palette(tmp_path / "shots" / clip / "masks" / "00000.png", boxes({1: BEAR}))
    (tmp_path / "shots" / "notes").mkdir()
    shots = tmp_path / "shots" / "{clip}"
    result = convert("folder", shots / "frames", shots / "masks", "--name", "mine")
    assert result.returncode == 0, result.stderr
    assert "notes/frames: no such folder, so 2 of 3 clips" in result.stderr
    assert list(sequences("mine")) == ["clip2", "clip10"]
    assert (workspace / "dataset_images" / "mine" / "clip2" / "00001.jpg").is_file()


def test_places_of_clips_are_checked(tmp_path, fails, frames, masks) -> None:
    assert "either both" in fails("folder", tmp_path / "{clip}", masks, "--name", "x")
    assert "whole name" in fails("folder", tmp_path / "a{clip}" / "b", tmp_path / "a{clip}", "--name", "x")
    assert "no frames and no clips" in fails("folder", tmp_path / "{clip}" / "b", tmp_path / "{clip}" / "c", "--name", "x")
    assert "no frames and no clips" in fails("folder", masks, frames, "--name", "x")
    assert "{clip}" not in fails("folder", masks, frames, "--name", "x")


def test_numbers_in_names_count(tmp_path, masks, convert, sequences) -> None:
    (tmp_path / "frames").mkdir()
    for name in ("f10.PNG", "f9.png", "f100.jpg", "notes.txt"):
        if name.endswith("txt"):
            (tmp_path / "frames" / name).write_text("no frame")
        else:
            Image.new("RGB", (40, 24)).save(tmp_path / "frames" / name)
    write_palette(masks / "f9.png", boxes({1: BEAR}))
    assert convert("folder", tmp_path / "frames", masks, "--name", "mine").returncode == 0
    sequence = sequences("mine")["mine"]
    assert sequence.image_paths == ("mine/f9.png", "mine/f10.PNG", "mine/f100.jpg") and given(sequence) == {0: [1]}


@pytest.mark.parametrize("kind", ["grey 255", "grey 1", "bit", "white", "white, all masks"])
def test_binary_masks_are_recognised(frames, masks, convert, sequences, kind) -> None:
    inside = boxes({1: BEAR})
    for index in (1, 2):
        values = inside if kind == "grey 1" else inside > 0 if kind == "bit" else inside * np.uint8(255)
        if kind.startswith("white"):
            values = np.repeat(values[..., None], 3, axis=2)
        Image.fromarray(values).save(masks / f"{index:05d}.png")
    result = convert("folder", frames, masks, "--name", "mine", *(["--all_masks"] if kind == "white, all masks" else []))
    assert result.returncode == 0, result.stderr
    sequence = sequences("mine")["mine"]
    assert set(given(sequence)[1]) == {1} and np.array_equal(sequence.masks(1, 24, 40)[1], inside > 0)
    assert ("taken as object 1: mine" in result.stderr) == (kind in {"grey 255", "white", "white, all masks"})


def test_binary_option_merges_ids(frames, masks, convert, sequences) -> None:
    write_palette(masks / "00000.png", boxes({3: BEAR, 9: CAT}))
    result = convert("folder", frames, masks, "--name", "mine", "--binary")
    assert result.returncode == 0 and "all that is not black is object 1" in result.stderr
    assert np.array_equal(sequences("mine")["mine"].masks(0, 24, 40)[1], boxes({1: BEAR, 2: CAT}) > 0)


def test_void_is_background_beside_ids_of_other_frames(frames, masks, convert, sequences) -> None:
    write_grey(masks / "00000.png", boxes({255: CAT}))
    write_grey(masks / "00001.png", boxes({3: BEAR}))
    result = convert("folder", frames, masks, "--name", "mine")
    assert "object 3, 255 taken as background: mine" in result.stderr
    assert given(sequences("mine")["mine"]) == {1: [3]}


@pytest.mark.parametrize("palette", [davis_palette(), youtube_vos_palette()], ids=["davis", "youtube_vos"])
def test_colours_of_known_palettes(frames, masks, convert, sequences, palette) -> None:
    Image.fromarray(palette[boxes({1: BEAR, 6: CAT})]).save(masks / "00000.png")
    assert convert("folder", frames, masks, "--name", "mine").returncode == 0
    assert given(sequences("mine")["mine"]) == {0: [1, 6]}


def write_colours(path: Path, colours: dict[tuple[int, int, int], tuple[int, int, int, int]]) -> None:
    """Boxes (top, left, bottom, right) of these colours on white."""
    picture = np.full((24, 40, 3), 255, dtype=np.uint8)
    for colour, (top, left, bottom, right) in colours.items():
        picture[top:bottom, left:right] = colour
    Image.fromarray(picture).save(path)


def test_colours_of_ones_own(frames, masks, convert, sequences) -> None:
    orange, teal = (250, 140, 10), (0, 120, 110)
    write_colours(masks / "00000.png", {orange: (2, 3, 9, 14)})
    write_colours(masks / "00001.png", {})
    write_colours(masks / "00002.png", {orange: (3, 3, 9, 14), teal: (10, 20, 20, 33)})
    assert "--colours" in convert("folder", frames, masks, "--name", "mine").stderr.splitlines()[-1]
    colours = ("--colours", "#fa8c0a=3", "#00786e=1", "white=0")
    assert convert("folder", frames, masks, "--name", "mine", *colours).returncode == 0
    found = sequences("mine")["mine"]
    assert given(found) == {0: [3], 2: [1]}
    expected = np.zeros((24, 40), dtype=bool)
    expected[10:20, 20:33] = True
    assert np.array_equal(found.masks(2, 24, 40)[1], expected)


def test_white_keeps_the_id_that_it_was_given(frames, masks, convert, sequences) -> None:
    write_grey(masks / "00000.png", 255 * (boxes({1: BEAR}) > 0).astype(np.uint8))
    assert convert("folder", frames, masks, "--name", "mine", "--colours", "white=7").returncode == 0
    assert given(sequences("mine")["mine"]) == {0: [7]}


def test_a_colour_that_was_not_named_is_said(frames, masks, fails) -> None:
    write_colours(masks / "00000.png", {(250, 140, 10): (2, 3, 9, 14)})
    message = fails("folder", frames, masks, "--name", "mine", "--colours", "#fa8c0a=3")
    assert "00000.png: white is none of the --colours (#fa8c0a); add #ffffff=ID, or #ffffff=0 for background" in message


def test_crowds_and_thin_objects_are_no_blur(frames, masks, convert, sequences) -> None:
    crowd = {1 + i: (3 * (i // 11), 3 * (i % 11), 3 * (i // 11) + 2, 3 * (i % 11) + 2) for i in range(44)}
    crowd |= {100: (14, 0, 15, 40), 101: (15, 0, 16, 40), 102: (16, 0, 24, 40)}
    write_palette(masks / "00000.png", boxes(crowd))
    result = convert("folder", frames, masks, "--name", "mine")
    assert result.returncode == 0, result.stderr
    assert len(given(sequences("mine")["mine"])[0]) == 47


def blurred(kind: str, path: Path) -> None:
    large = np.zeros((240, 400), np.uint8)
    cv2.circle(large, (150, 120), 70, 3 if kind == "ids" else 255, -1)
    if kind == "ids":
        cv2.circle(large, (280, 100), 60, 9, -1)
    small = cv2.resize(large, (40, 24), interpolation=cv2.INTER_AREA)
    if kind == "jpeg":
        Image.fromarray(small).save(path.with_suffix(".jpg"), quality=60)
    elif kind == "colour":
        Image.fromarray(cv2.resize(davis_palette()[large % 4], (40, 24), interpolation=cv2.INTER_AREA)).save(path)
    else:
        Image.fromarray(small).save(path)


@pytest.mark.parametrize("kind", ["grey", "ids", "jpeg", "colour"])
@pytest.mark.parametrize("options", [[], ["--binary"]])
def test_blurred_masks_are_refused(frames, masks, fails, kind, options) -> None:
    blurred(kind, masks / "00002.png")
    message = fails("folder", frames, masks, "--name", "mine", *options)
    assert "00002" in message and ("antialiasing" in message or "JPEG blurs the edges" in message)


def test_half_way_values_at_the_edge_are_no_object(frames, masks, fails) -> None:
    values = boxes({255: (5, 5, 20, 30)})
    values[5:20, 5] = values[5:20, 29] = 128
    Image.fromarray(values).save(masks / "00000.png")
    assert "blurred" in fails("folder", frames, masks, "--name", "mine")


def test_masks_of_another_size_name_both(frames, masks, fails) -> None:
    write_palette(masks / "00001.png", boxes({1: BEAR}, height=40, width=24))
    message = fails("folder", frames, masks, "--name", "mine")
    assert "masks/00001.png" in message and "24x40" in message and "frames/00001.jpg" in message and "40x24" in message


def test_frames_of_different_sizes_name_both(frames, masks, fails) -> None:
    write_palette(masks / "00000.png", boxes({1: BEAR}))
    Image.new("RGB", (41, 24)).save(frames / "00002.jpg")
    message = fails("folder", frames, masks, "--name", "mine")
    assert "00002.jpg" in message and "41x24" in message and "00000.jpg" in message and "40x24" in message


def test_masks_need_a_frame_and_an_object(frames, masks, fails) -> None:
    assert "no masks in it" in fails("folder", frames, masks, "--name", "mine")
    write_palette(masks / "00001.png", boxes({}))
    assert "'mine' shows an object" in fails("folder", frames, masks, "--name", "mine")
    write_palette(masks / "00009.png", boxes({1: BEAR}))
    assert "00009.png: no frame of this name" in fails("folder", frames, masks, "--name", "mine")


def test_two_files_of_one_name(frames, masks, fails) -> None:
    write_palette(masks / "00001.png", boxes({1: BEAR}))
    write_palette(frames / "00000.png", boxes({1: BEAR}))
    assert "00000.jpg and 00000.png" in fails("folder", frames, masks, "--name", "mine")
    (frames / "00000.png").unlink()
    Image.new("L", (40, 24)).save(masks / "00001.bmp")
    assert "00001.bmp and 00001.png" in fails("folder", frames, masks, "--name", "mine")


@pytest.mark.parametrize("damage", ["truncated", "empty", "text", "rotated"])
def test_unreadable_frames_are_named(frames, masks, fails, damage) -> None:
    write_palette(masks / "00000.png", boxes({1: BEAR}))
    path = frames / "00002.jpg"
    content = path.read_bytes()
    if damage == "rotated":
        exif = Image.Exif()
        exif[0x0112] = 3
        Image.new("RGB", (40, 24)).save(path, exif=exif)
    else:
        path.write_bytes({"truncated": content[: len(content) * 2 // 3], "empty": b"", "text": b"hello"}[damage])
    assert "00002.jpg" in fails("folder", frames, masks, "--name", "mine")


def test_bytes_after_the_end_of_a_frame_do_no_harm(frames, masks, convert) -> None:
    write_palette(masks / "00000.png", boxes({1: BEAR}))
    with (frames / "00002.jpg").open("ab") as file:
        file.write(b"a camera's private notes")
    assert convert("folder", frames, masks, "--name", "mine").returncode == 0


def test_16_bit_and_broken_masks(frames, masks, fails) -> None:
    Image.fromarray(boxes({1: BEAR}).astype(np.uint16) * 300).save(masks / "00000.png")
    assert "00000.png: 16 bits" in fails("folder", frames, masks, "--name", "mine")
    (masks / "00000.png").write_text("no image")
    assert "00000.png" in fails("folder", frames, masks, "--name", "mine")


def test_missing_folders(frames, masks, fails, tmp_path) -> None:
    assert "nothing: no such folder" in fails("folder", tmp_path / "nothing", masks, "--name", "mine")
    assert "nothing: no such folder" in fails("folder", frames, tmp_path / "nothing", "--name", "mine")
    Image.new("L", (40, 24), 1).save(masks / "00000.png")


def test_without_a_workspace_the_users_data_folder_is_one(frames, masks, tmp_path) -> None:
    Image.new("L", (40, 24), 1).save(masks / "00000.png")
    environment = {key: value for key, value in os.environ.items() if key != "HODOR_WORKSPACE_DIR"}
    environment["XDG_DATA_HOME"] = str(tmp_path / "data")
    command = [sys.executable, "-m", "hodor.convert", "folder", str(frames), str(masks), "--name", "mine"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 0, result.stderr
    assert f"$HODOR_WORKSPACE_DIR is not set: data and checkpoints lie in {tmp_path / 'data/hodor'}" in result.stderr
    assert (tmp_path / "data/hodor/dataset_json_annotations/mine.json").is_file()

"""DAVIS 2016 and 2017, made small, through the command line."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_data_sets import boxes, write_frames, write_grey, write_palette


@pytest.fixture
def davis(tmp_path: Path) -> Path:
    """Two sequences at 480p: every frame annotated, bear with objects 1 and 2 (and later 3), cat with object 1 and void."""
    root = tmp_path / "DAVIS"
    masks = {
        "bear": [{1: (2, 3, 9, 14), 2: (10, 20, 20, 33)}, {1: (3, 3, 9, 14), 3: (0, 0, 4, 4)}, {1: (4, 3, 9, 14)}],
        "cat": [{1: (1, 1, 20, 20), 255: (20, 20, 24, 40)}, {}, {1: (1, 1, 9, 9)}],
    }
    for sequence, frames in masks.items():
        write_frames(root / "JPEGImages" / "480p" / sequence)
        for index, rectangles in enumerate(frames):
            write_palette(root / "Annotations" / "480p" / sequence / f"{index:05d}.png", boxes(rectangles))
    lists = root / "ImageSets" / "2017"
    lists.mkdir(parents=True)
    (lists / "val.txt").write_text("cat\nbear\n")
    (lists / "train.txt").write_text("bear\n\n")
    return root


def test_val_gives_the_first_masks_and_links_the_frames(davis, convert, sequences, workspace) -> None:
    result = convert("davis", davis, "--split", "val")
    assert result.returncode == 0, result.stderr
    assert "objects 1, 2: bear" in result.stderr and "object 1: cat" in result.stderr
    assert "2 sequences, 6 frames, 3 objects" in result.stderr
    found = sequences("davis_val")
    assert list(found) == ["cat", "bear"]
    bear = found["bear"]
    assert bear.image_paths == ("bear/00000.jpg", "bear/00001.jpg", "bear/00002.jpg") and bear.eval_files is None
    assert list(bear.segmentations) == [0]
    given = bear.masks(0, 24, 40)
    assert list(given) == [1, 2]
    assert np.array_equal(given[2], boxes({2: (10, 20, 20, 33)}) > 0)
    assert list(found["cat"].masks(0, 24, 40)) == [1], "255 is no object"
    images = workspace / "dataset_images" / "davis_trainval"
    assert (images / "bear").is_symlink() and (images / "bear" / "00002.jpg").is_file()
    assert sorted(path.name for path in workspace.iterdir()) == ["dataset_images", "dataset_json_annotations"]
    assert [path.name for path in (workspace / "dataset_json_annotations").iterdir()] == ["davis_val.json"]


def test_other_splits_have_one_name_and_again_is_fine(davis, convert, sequences, workspace) -> None:
    for _ in range(2):
        assert convert("davis", davis, "--split", "train").returncode == 0
        assert list(sequences("davis_2017_train")) == ["bear"]
        assert (workspace / "dataset_images" / "davis_2017_train" / "bear" / "00000.jpg").is_file()


def test_test_dev_has_first_masks_only(davis, convert, sequences, workspace) -> None:
    for mask in davis.glob("Annotations/480p/*/0000[12].png"):
        mask.unlink()
    (davis / "ImageSets" / "2017" / "val.txt").rename(davis / "ImageSets" / "2017" / "test-dev.txt")
    assert convert("davis", davis, "--split", "test-dev").returncode == 0
    assert list(sequences("davis_testdev")["bear"].segmentations) == [0]
    assert (workspace / "dataset_images" / "davis_testdev" / "cat").is_dir()


def test_2016_merges_all_objects(davis, convert, sequences) -> None:
    both = boxes({1: (2, 3, 9, 14), 2: (10, 20, 20, 33)}) > 0
    for path in davis.glob("Annotations/480p/*/*.png"):
        write_grey(path, (both * 255).astype(np.uint8))
    pairs = "".join(f"/JPEGImages/480p/bear/{i:05d}.jpg /Annotations/480p/bear/{i:05d}.png\n" for i in range(3))
    (davis / "ImageSets" / "480p").mkdir()
    (davis / "ImageSets" / "480p" / "val.txt").write_text(pairs)
    assert convert("davis", davis, "--year", 2016).returncode == 0
    found = sequences("davis_2016_val")
    assert list(found) == ["bear"]
    assert list(found["bear"].masks(0, 24, 40)) == [1] and np.array_equal(found["bear"].masks(0, 24, 40)[1], both)


@pytest.mark.parametrize("kind", ["bit", "colour", "palette"])
def test_2016_masks_of_every_kind(davis, convert, sequences, kind) -> None:
    labels = boxes({1: (2, 3, 9, 14), 2: (10, 20, 20, 33)})
    path = davis / "Annotations" / "480p" / "bear" / "00000.png"
    if kind != "palette":
        Image.fromarray(labels > 0).convert("1" if kind == "bit" else "RGBA").save(path)
    (davis / "ImageSets" / "2016").mkdir()
    (davis / "ImageSets" / "2016" / "val.txt").write_text("bear\n")
    result = convert("davis", davis, "--year", 2016, "--name", "mine")
    assert result.returncode == 0, result.stderr
    given = sequences("mine")["bear"].masks(0, 24, 40)
    assert list(given) == [1] and np.array_equal(given[1], labels > 0)


def test_without_lists_all_sequences_are_taken(davis, convert, sequences) -> None:
    for path in (davis / "ImageSets").rglob("*.txt"):
        path.unlink()
    (davis / "ImageSets" / "2017").rmdir()
    (davis / "ImageSets").rmdir()
    result = convert("davis", davis, "--name", "everything")
    assert result.returncode == 0 and "warning" in result.stderr
    assert list(sequences("everything")) == ["bear", "cat"]


def test_copies_stay_when_the_source_goes(davis, convert, workspace) -> None:
    for _ in range(2):
        assert convert("davis", davis, "--frames", "copy").returncode == 0
    copied = workspace / "dataset_images" / "davis_trainval" / "bear"
    original = davis / "JPEGImages" / "480p" / "bear"
    assert not copied.is_symlink() and sorted(p.name for p in copied.iterdir()) == sorted(p.name for p in original.iterdir())
    assert (copied / "00001.jpg").read_bytes() == (original / "00001.jpg").read_bytes()


def test_other_frames_in_the_way_are_kept(davis, convert, fails, workspace, tmp_path) -> None:
    assert convert("davis", davis).returncode == 0
    other = tmp_path / "other"
    davis.rename(other)
    assert "davis_trainval/cat: is a link to" in fails("davis", other) and "--name" in fails("davis", other)
    link = workspace / "dataset_images" / "davis_trainval" / "cat"
    link.unlink()
    link.mkdir()
    (link / "00000.jpg").write_text("precious")
    assert "exists already" in fails("davis", other)
    assert (link / "00000.jpg").read_text() == "precious"


def test_a_link_is_not_a_copy(davis, convert, fails) -> None:
    assert convert("davis", davis).returncode == 0
    assert "not a copy; remove it" in fails("davis", davis, "--frames", "copy")


def test_workspace_option_wins_over_the_variable(davis, convert, tmp_path) -> None:
    other = tmp_path / "other workspace"
    other.mkdir()
    assert convert("davis", davis, "--workspace", other).returncode == 0
    assert (other / "dataset_json_annotations" / "davis_val.json").is_file()


def test_missing_things_are_named(davis, fails, tmp_path) -> None:
    assert "nowhere: no such folder" in fails("davis", tmp_path / "nowhere")
    assert "480p" in fails("davis", davis, "--resolution", "1080p")
    assert "2017/train, 2017/val" in fails("davis", davis, "--split", "test-dev")
    assert "2016" in fails("davis", davis, "--year", 2016)
    assert "mkdir -p" in fails("davis", davis, "--workspace", tmp_path / "other")
    (davis / "ImageSets" / "2017" / "val.txt").write_text("bear\nunicorn\n")
    assert "unicorn" in fails("davis", davis)
    (davis / "ImageSets" / "2017" / "val.txt").write_text("\n")
    assert "lists no sequence" in fails("davis", davis)


@pytest.mark.parametrize("name", ["..", "../bear", "a/b", "/etc", "a\\b"])
def test_sequence_names_stay_inside(davis, fails, name) -> None:
    (davis / "ImageSets" / "2017" / "val.txt").write_text(f"bear\n{name}\n")
    assert repr(name) in fails("davis", davis)


@pytest.mark.parametrize("name", ["../x", "..", "a/b", "davis_train", "youtube_vos_2019_train", "coco_2017_train"])
def test_data_set_names_are_checked(davis, fails, name) -> None:
    assert "--name" in fails("davis", davis, "--name", name)


def test_empty_first_masks_name_the_sequence(davis, fails) -> None:
    path = davis / "Annotations" / "480p" / "bear" / "00000.png"
    write_palette(path, boxes({}))
    message = fails("davis", davis)
    assert "'bear' shows no object" in message and "00000.png" in message
    write_grey(path, boxes({255: (2, 2, 9, 9)}))
    assert "--year 2016" in fails("davis", davis)


def test_annotations_may_be_missing_only_after_the_first(davis, fails) -> None:
    for mask in davis.glob("Annotations/480p/bear/*.png"):
        mask.unlink()
    assert "'bear'" in fails("davis", davis)
    (davis / "Annotations" / "480p" / "bear").rmdir()
    assert "bear: no such folder" in fails("davis", davis)


def test_help_has_an_example(convert) -> None:
    for kind in ("davis", "youtube_vos", "folder"):
        result = convert(kind, "--help")
        assert result.returncode == 0 and f"hodor convert {kind} " in result.stdout
    assert convert().returncode == 2 and len(convert("davis").stderr.splitlines()) == 1


def test_bad_input_is_one_line_and_exit_code_1(davis, convert, workspace) -> None:
    (davis / "JPEGImages" / "480p" / "bear" / "00001.jpg").write_bytes(b"")
    result = convert("davis", davis)
    assert result.returncode == 1 and result.stdout == ""
    assert len(result.stderr.splitlines()) == 1 and result.stderr.startswith("error: ") and "00001.jpg" in result.stderr
    assert list(workspace.iterdir()) == []

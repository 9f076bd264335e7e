"""DAVIS and YouTube-VOS with the masks of all frames, through the command line."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from small_data_sets import boxes, write_frames, write_grey, write_palette

from hodor.formats import run_length
from hodor.synthetic import SyntheticClip, write_davis_folder

BEAR, CAT = (2, 3, 9, 14), (10, 20, 20, 33)


def videos(workspace: Path, name: str) -> dict[str, dict[str, Any]]:
    content = json.loads((workspace / "dataset_json_annotations" / f"{name}.json").read_text())
    return {video["id"]: video for video in content["sequences"]}


def labels(workspace: Path, name: str) -> dict[str, str]:
    content = json.loads((workspace / "dataset_json_annotations" / f"{name}.json").read_text())
    found: dict[str, str] = content["meta"]["category_labels"]
    return found


@pytest.fixture
def davis(tmp_path: Path) -> Path:
    """Two videos; bear's objects come and go, cat has void pixels and frames without it."""
    root = tmp_path / "DAVIS"
    masks = {
        "bear": [{1: BEAR, 2: CAT}, {2: CAT}, {1: BEAR, 7: (0, 0, 2, 2)}],
        "cat": [{1: CAT, 255: (20, 20, 24, 40)}, {}, {255: CAT}],
        "dog": [{}, {}, {}],
    }
    for sequence, frames in masks.items():
        write_frames(root / "JPEGImages" / "480p" / sequence)
        for index, rectangles in enumerate(frames):
            write_palette(root / "Annotations" / "480p" / sequence / f"{index:05d}.png", boxes(rectangles))
    lists = root / "ImageSets" / "2017"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("cat\nbear\n")
    (lists / "val.txt").write_text("dog\n")
    (lists / "trainval.txt").write_text("cat\ndog\n")
    return root


@pytest.fixture
def youtube(tmp_path: Path) -> Path:
    """One video with masks for every other of its six frames; meta.json lists three objects, one of which is never shown."""
    root = tmp_path / "train"
    write_frames(root / "JPEGImages" / "aa11", 6, step=5)
    for number, rectangles in ((0, {1: BEAR, 9: (20, 0, 24, 9)}), (10, {1: BEAR, 2: CAT}), (20, {2: CAT})):
        write_palette(root / "Annotations" / "aa11" / f"{number:05d}.png", boxes(rectangles))
    objects = {"1": {"category": "zebra", "frames": ["00000", "00010"]}, "2": {"category": "ape"}, "5": {"category": "owl"}}
    (root / "meta.json").write_text(json.dumps({"videos": {"aa11": {"objects": objects}}}))
    return root


def test_davis_gives_all_masks(davis, convert, workspace) -> None:
    for _ in range(2):
        done = convert("davis_training", davis)
        assert done.returncode == 0, done.stderr
    assert "2 videos, 6 frames, 4 objects" in done.stderr
    found = videos(workspace, "davis_train")
    assert list(found) == ["cat", "bear"] and labels(workspace, "davis_train") == {"1": "object"}
    bear = found["bear"]
    assert (bear["height"], bear["width"]) == (24, 40)
    assert bear["image_paths"] == ["bear/00000.jpg", "bear/00001.jpg", "bear/00002.jpg"]
    assert bear["categories"] == {"1": 1, "2": 1, "7": 1}
    assert [list(track) for track in bear["tracks"]] == [["1", "2"], ["2"], ["1", "7"]]
    track = bear["tracks"][0]["2"]
    assert track["box"] == [20, 10, 13, 10] and track["area"] == 130
    assert np.array_equal(run_length.decode(track["seg"], 24, 40), boxes({1: CAT}) > 0)
    assert [list(track) for track in found["cat"]["tracks"]] == [["1"], [], []], "255 is no object"
    assert (workspace / "dataset_images" / "davis_trainval" / "bear" / "00000.jpg").is_file()


def test_training_and_inference_share_frames_but_not_files(davis, convert, fails, workspace) -> None:
    write_palette(davis / "Annotations" / "480p" / "dog" / "00000.png", boxes({1: BEAR}))
    assert convert("davis", davis, "--split", "val").returncode == 0
    assert convert("davis_training", davis).returncode == 0
    assert sorted(path.name for path in (workspace / "dataset_images" / "davis_trainval").iterdir()) == ["bear", "cat", "dog"]
    assert convert("davis", davis, "--name", "mine").returncode == 0
    assert "mine.json: holds videos for inference already" in fails("davis_training", davis, "--name", "mine")
    assert convert("davis_training", davis, "--name", "yours").returncode == 0
    assert "yours.json: holds training videos already" in fails("davis", davis, "--name", "yours")
    for name in ("davis_val", "coco_2017_train"):
        assert "--name" in fails("davis_training", davis, "--name", name)


def test_videos_without_objects_are_left_out_aloud(davis, convert, fails, workspace) -> None:
    done = convert("davis_training", davis, "--split", "trainval")
    assert done.returncode == 0 and "dog: the masks show no object; the video is left out" in done.stderr
    assert list(videos(workspace, "davis_2017_trainval_training")) == ["cat"]
    assert "nothing in it shows an object" in fails("davis_training", davis, "--split", "val")


def test_davis_2016_merges_objects_and_copies(davis, convert, workspace) -> None:
    both = boxes({1: BEAR, 2: CAT}) > 0
    for path in davis.glob("Annotations/480p/*/*.png"):
        write_grey(path, (both * 255).astype(np.uint8))
    done = convert("davis_training", davis)
    assert done.returncode == 1 and "add --year 2016" in done.stderr
    (davis / "ImageSets" / "2016").mkdir()
    (davis / "ImageSets" / "2016" / "train.txt").write_text("bear\n")
    for _ in range(2):
        done = convert("davis_training", davis, "--year", 2016, "--frames", "copy")
        assert done.returncode == 0, done.stderr
    video = videos(workspace, "davis_2016_train_training")["bear"]
    assert video["categories"] == {"1": 1}
    assert np.array_equal(run_length.decode(video["tracks"][2]["1"]["seg"], 24, 40), both)
    copies = workspace / "dataset_images" / "davis_2016_train_training" / "bear"
    assert not copies.is_symlink() and len(list(copies.iterdir())) == 3


def test_several_processes_give_the_same(tmp_path, convert, workspace) -> None:
    clips = [(f"clip{number}", SyntheticClip(seed=number, frames=3, height=48, width=64, objects=2)) for number in range(9)]
    write_davis_folder(tmp_path / "DAVIS", clips)
    for name, workers in (("one", 1), ("two", 2)):
        done = convert("davis_training", tmp_path / "DAVIS", "--split", "val", "--name", name, "--num_workers", workers)
        assert done.returncode == 0, done.stderr
    assert videos(workspace, "one") == videos(workspace, "two") and len(videos(workspace, "one")) == 9
    mask = next((tmp_path / "DAVIS" / "Annotations" / "480p" / "clip4").iterdir())
    Image.new("L", (5, 5)).save(mask)
    done = convert("davis_training", tmp_path / "DAVIS", "--split", "val", "--name", "two", "--num_workers", 2)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1 and "clip4" in done.stderr and "5x5" in done.stderr


def test_youtube_vos_lists_annotated_frames(youtube, convert, workspace) -> None:
    done = convert("youtube_vos_training", youtube)
    assert done.returncode == 0, done.stderr
    assert "no mask shows object 5" in done.stderr and "3 frames without a mask are left out" in done.stderr
    video = videos(workspace, "youtube_vos_2019_train")["aa11"]
    assert video["image_paths"] == ["aa11/00000.jpg", "aa11/00010.jpg", "aa11/00020.jpg"]
    assert [list(track) for track in video["tracks"]] == [["1"], ["1", "2"], ["2"]], "9 is not in meta.json"
    assert labels(workspace, "youtube_vos_2019_train") == {"1": "ape", "2": "owl", "3": "zebra"}
    assert video["categories"] == {"1": 3, "2": 1}
    assert (workspace / "dataset_images" / "youtube_vos_2019_train" / "aa11" / "00020.jpg").is_file()


def test_youtube_vos_with_all_frames(youtube, convert, workspace, tmp_path) -> None:
    (youtube / "JPEGImages").rename(tmp_path / "all")
    arguments = ("--all_frames", "--frames_folder", tmp_path / "all", "--name", "all")
    done = convert("youtube_vos_training", youtube, *arguments)
    assert done.returncode == 0 and "3 frames without a mask are listed" in done.stderr
    video = videos(workspace, "all")["aa11"]
    assert len(video["image_paths"]) == 6
    assert [list(track) for track in video["tracks"]] == [["1"], [], ["1", "2"], [], ["2"], []]


def test_bad_videos_are_named(davis, youtube, fails) -> None:
    assert "nowhere: no such folder" in fails("youtube_vos_training", youtube, "--frames_folder", youtube / "nowhere")
    (youtube / "meta.json").write_text('{"videos": {"bb22": {"objects": {"1": {}}}}}')
    assert "bb22: no such folder" in fails("youtube_vos_training", youtube)
    mask = davis / "Annotations" / "480p" / "bear" / "00001.png"
    Image.fromarray(np.full((24, 40), 300, np.uint16)).save(mask)
    assert "00001.png: 16 bits" in fails("davis_training", davis)
    write_palette(mask, boxes({1: BEAR}, height=40, width=24))
    message = fails("davis_training", davis)
    assert "00001.png: the mask is 24x40" in message and "00001.jpg" in message
    mask.rename(mask.with_name("00009.png"))
    assert "00009.png: no frame of this name" in fails("davis_training", davis)

"""YouTube-VOS, made small, through the command line."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_data_sets import boxes, write_frames, write_palette


@pytest.fixture
def meta() -> dict[str, Any]:
    return {
        "videos": {
            "aa11": {
                "objects": {
                    "1": {"category": "ape", "frames": ["00000", "00005", "00010"]},
                    "2": {"category": "dog", "frames": ["00010", "00015"]},
                }
            },
            "bb22": {"objects": {"1": {"category": "cat"}, "3": {"category": "cow"}}},
        }
    }


@pytest.fixture
def youtube(tmp_path: Path, meta) -> Path:
    root = tmp_path / "valid"
    masks = {
        "aa11": {0: {1: (2, 3, 9, 14), 7: (20, 0, 24, 9)}, 10: {1: (3, 3, 9, 14), 2: (10, 20, 20, 33)}},
        "bb22": {5: {1: (1, 1, 9, 9)}, 10: {1: (1, 2, 9, 9), 3: (10, 20, 20, 33)}},
    }
    for sequence, frames in masks.items():
        write_frames(root / "JPEGImages" / sequence, 5, step=5)
        for number, rectangles in frames.items():
            write_palette(root / "Annotations" / sequence / f"{number:05d}.png", boxes(rectangles))
    write_frames(root / "JPEGImages" / "not_in_meta", 1)
    (root / "meta.json").write_text(json.dumps(meta))
    return root


def test_objects_start_in_their_own_frames(youtube, convert, sequences, workspace) -> None:
    result = convert("youtube_vos", youtube)
    assert result.returncode == 0, result.stderr
    found = sequences("youtube_vos_2019_val")
    assert list(found) == ["aa11", "bb22"]
    video = found["aa11"]
    assert {frame: list(masks) for frame, masks in video.segmentations.items()} == {0: [1], 2: [2]}, "7 is not in meta.json"
    assert np.array_equal(video.masks(0, 24, 40)[1], boxes({1: (2, 3, 9, 14)}) > 0)
    assert np.array_equal(video.masks(2, 24, 40)[2], boxes({1: (10, 20, 20, 33)}) > 0)
    assert video.eval_files == ("00000.jpg", "00005.jpg", "00010.jpg", "00015.jpg")
    assert (workspace / "dataset_images" / "youtube_vos_2019_val" / "bb22" / "00020.jpg").is_file()


def test_objects_without_a_list_start_where_they_are_first_seen(youtube, convert, sequences) -> None:
    assert convert("youtube_vos", youtube, "--name", "mine").returncode == 0
    video = sequences("mine")["bb22"]
    assert {frame: list(masks) for frame, masks in video.segmentations.items()} == {1: [1], 2: [3]}
    assert video.eval_files is None


def test_a_mask_before_the_listed_start_is_not_given(youtube, meta, convert, sequences) -> None:
    meta["videos"]["aa11"]["objects"]["1"]["frames"] = ["00015", "00010"]
    (youtube / "meta.json").write_text(json.dumps(meta))
    assert convert("youtube_vos", youtube).returncode == 0
    assert {f: list(m) for f, m in sequences("youtube_vos_2019_val")["aa11"].segmentations.items()} == {2: [1, 2]}


def test_an_object_that_is_never_shown_is_left_out_aloud(youtube, meta, convert, sequences) -> None:
    meta["videos"]["bb22"]["objects"]["9"] = {"category": "owl"}
    (youtube / "meta.json").write_text(json.dumps(meta))
    result = convert("youtube_vos", youtube)
    assert result.returncode == 0 and "bb22: no mask shows object 9" in result.stderr
    assert {i for masks in sequences("youtube_vos_2019_val")["bb22"].segmentations.values() for i in masks} == {1, 3}


def test_a_sequence_without_any_object_is_an_error(youtube, meta, fails) -> None:
    meta["videos"]["bb22"]["objects"] = {"9": {}}
    (youtube / "meta.json").write_text(json.dumps(meta))
    assert "bb22: no mask shows any of the object 9" in fails("youtube_vos", youtube)


@pytest.mark.parametrize("key", ["0", "256", "a", "-1", "1.0"])
def test_ids_are_checked(youtube, meta, fails, key) -> None:
    meta["videos"]["bb22"]["objects"][key] = {"frames": ["00000"]}
    (youtube / "meta.json").write_text(json.dumps(meta))
    message = fails("youtube_vos", youtube)
    assert "'bb22'" in message and repr(key) in message


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("{", "not valid JSON"),
        ("[]", "'videos'"),
        ('{"videos": []}', "'videos'"),
        ('{"videos": {}}', "lists no sequence"),
        ('{"videos": {"aa11": []}}', "'aa11'"),
        ('{"videos": {"aa11": {"objects": {}}}}', "lists no object"),
        ('{"videos": {"aa11": {"objects": {"1": {"frames": "00000"}}}}}', "'frames'"),
        ('{"videos": {"aa11": {"objects": {"1": {"frames": [0]}}}}}', "'frames'"),
        ('{"videos": {"aa11": {"objects": {"1": {"frames": ["99999"]}}}}}', "'99999'"),
        ('{"videos": {"../aa11": {"objects": {"1": {}}}}}', "'../aa11'"),
        ('{"videos": {"unicorn": {"objects": {"1": {}}}}}', "unicorn: no such folder"),
    ],
)
def test_bad_meta_files(youtube, fails, content, expected) -> None:
    (youtube / "meta.json").write_text(content)
    assert expected in fails("youtube_vos", youtube)


def test_missing_meta_file(youtube, fails) -> None:
    (youtube / "meta.json").unlink()
    assert "meta.json: no such file" in fails("youtube_vos", youtube)

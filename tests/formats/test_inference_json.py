import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hodor.errors import HodorError
from hodor.formats import run_length
from hodor.formats.inference_json import InferenceSequence, read_inference_json, write_inference_json

MASK = np.zeros((6, 8), bool)
MASK[1:4, 2:5] = True
TEXT = run_length.encode(MASK)


def example() -> dict[str, Any]:
    return {
        "meta": {"category_labels": {"1": "bear"}},
        "sequences": [
            {
                "id": "bear",
                "image_paths": ["bear/00000.jpg", "bear/00001.jpg"],
                "segmentations": {"0": {"1": TEXT}, "1": {"2": TEXT, "255": TEXT}},
                "eval_files": ["00001.jpg"],
                "fps": 24,
            },
            {"id": "cat", "image_paths": ["cat/a.png"], "segmentations": {}},
        ],
        "info": "extra keys are ignored",
    }


def written(tmp_path: Path, content: Any) -> Path:
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps(content))
    return path


def test_a_file_by_others_is_read(tmp_path: Path) -> None:
    bear, cat = read_inference_json(written(tmp_path, example()))
    assert bear.id == "bear" and bear.image_paths == ("bear/00000.jpg", "bear/00001.jpg")
    assert bear.segmentations == {0: {1: TEXT}, 1: {2: TEXT, 255: TEXT}} and bear.eval_files == ("00001.jpg",)
    assert cat.segmentations == {} and cat.eval_files is None
    assert list(bear.masks(1, 6, 8)) == [2, 255] and np.array_equal(bear.masks(1, 6, 8)[2], MASK)
    assert cat.masks(0, 6, 8) == {}


def test_round_trip(tmp_path: Path) -> None:
    sequences = read_inference_json(written(tmp_path, example()))
    path = tmp_path / "new" / "again.json"
    write_inference_json(path, sequences, {"source": "test"})
    assert read_inference_json(path) == sequences
    assert json.loads(path.read_text())["meta"] == {"source": "test"}
    assert "eval_files" not in json.loads(path.read_text())["sequences"][1]
    assert [p.name for p in path.parent.iterdir()] == ["again.json"]


def test_masks_keep_the_order_of_the_file() -> None:
    sequence = InferenceSequence("bear", ("bear/0.jpg",), {0: {9: TEXT, 2: TEXT, 5: TEXT}})
    assert list(sequence.masks(0, 6, 8)) == [9, 2, 5]


@pytest.mark.parametrize(
    ("text", "height", "reason"),
    [(TEXT, 7, "doesn't fit"), ("?!", 6, "doesn't fit"), (run_length.encode(MASK & False), 6, "empty")],
)
def test_bad_masks_name_sequence_frame_and_object(text: str, height: int, reason: str) -> None:
    sequence = InferenceSequence("bear", ("bear/00007.jpg",), {0: {3: text}})
    with pytest.raises(HodorError, match=f"'bear'.*00007.*object 3.*{reason}"):
        sequence.masks(0, height, 8)


WRONG_VALUES = {
    "id": [None, 7, ["bear"], "", "..", "../bear", "/bear", "a\\b", "a\x00b", "a\ud800"],
    "image_paths": [
        None, "bear/0.jpg", {"0": "bear/0.jpg"}, [], [3, 4], ["../x.jpg"], ["bear/../../x.jpg"], ["/etc/x.jpg"], [""],
        ["bear/0.jpg", "bear/0.jpg"], ["bear/0.jpg", "bear/0.png"], ["a\\b.jpg"], ["a\ud800.jpg"],
    ],
    "segmentations": [
        None, [], "x", {"0": None}, {"0": ["x"]}, {"0": {"1": None}}, {"0": {"1": {"counts": "x"}}}, {"2": {}}, {"-1": {}},
        {"a": {}}, {"0.0": {}}, {"": {}}, {"٣": {}}, {"9" * 5000: {}}, {"0": {"0": TEXT}}, {"0": {"256": TEXT}},
        {"0": {"a": TEXT}}, {"0": {"1.0": TEXT}}, {"0": {"-1": TEXT}}, {"0": {"9" * 5000: TEXT}},
        {"0": {"1": TEXT, "01": TEXT}}, {"0": {}, "00": {}},
    ],
    "eval_files": [None, "00000.jpg", [0], ["00009.jpg"], ["../00000.jpg"], ["/00000.jpg"], [".."], [""]],
}  # fmt: skip


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in WRONG_VALUES.items() for value in values])
def test_wrong_values_name_file_sequence_and_key(tmp_path: Path, key: str, value: Any) -> None:
    content = example()
    content["sequences"][0][key] = value
    with pytest.raises(HodorError) as caught:
        read_inference_json(written(tmp_path, content))
    message = str(caught.value)
    assert "annotations.json" in message and key in message and len(message) < 400
    assert key == "id" or "'bear'" in message


@pytest.mark.parametrize("key", ["id", "image_paths", "segmentations"])
def test_missing_keys_are_named(tmp_path: Path, key: str) -> None:
    content = example()
    del content["sequences"][0][key]
    with pytest.raises(HodorError, match=f"key '{key}' is missing"):
        read_inference_json(written(tmp_path, content))


@pytest.mark.parametrize("content", [None, [], "x", 3, {}, {"sequences": {}}, {"sequences": ["bear"]}, {"sequences": [None]}])
def test_wrong_top_levels(tmp_path: Path, content: Any) -> None:
    with pytest.raises(HodorError, match=r"annotations\.json"):
        read_inference_json(written(tmp_path, content))


def test_an_empty_list_of_sequences(tmp_path: Path) -> None:
    with pytest.raises(HodorError, match=r"annotations\.json: key 'sequences'.*empty"):
        read_inference_json(written(tmp_path, {"sequences": []}))


@pytest.mark.parametrize("other", ["bear/", "./bear", "bear/left", "bear//left/x"])
def test_sequences_whose_output_would_be_overwritten_by_another(tmp_path: Path, other: str) -> None:
    content = example()
    content["sequences"].append(copy.deepcopy(content["sequences"][0]) | {"id": other})
    with pytest.raises(HodorError, match=r"twice|would lie in the folder of sequence 'bear'"):
        read_inference_json(written(tmp_path, content))


def test_sequences_in_folders_beside_each_other(tmp_path: Path) -> None:
    content = example()
    for other in ("zoo/bear", "zoo/swan", "bears"):
        content["sequences"].append(copy.deepcopy(content["sequences"][0]) | {"id": other})
    assert len(read_inference_json(written(tmp_path, content))) == len(content["sequences"])


def test_a_file_name_that_is_not_utf_8_is_read(tmp_path: Path) -> None:
    content = example()
    content["sequences"][0]["image_paths"][0] = "bear/\udcfc.jpg"  # how Python sees the byte fc in a name
    assert read_inference_json(written(tmp_path, content))[0].image_paths[0] == "bear/\udcfc.jpg"


def test_two_sequences_of_one_name(tmp_path: Path) -> None:
    content = example()
    content["sequences"].append(copy.deepcopy(content["sequences"][0]))
    with pytest.raises(HodorError, match="'bear' stands in it twice"):
        read_inference_json(written(tmp_path, content))


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b"[" * 200_000, b'{"sequences": [}'])
def test_what_is_no_json(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "annotations.json"
    path.write_bytes(content)
    with pytest.raises(HodorError, match="not valid JSON"):
        read_inference_json(path)


def test_a_missing_file_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(HodorError, match=r"nothing\.json: no such file.*hodor convert"):
        read_inference_json(tmp_path / "nothing.json")

import copy
import pickle

import numpy as np
import pytest
from support.small_training_sets import box_masks, write_json
from test_annotated_images import reachable_objects

from hodor.errors import HodorError
from hodor.formats import run_length
from hodor.formats.training_json import read_training_json

A, B = (run_length.encode(mask) for mask in box_masks(10, 12, (0, 0, 5, 4), (3, 3, 4, 5)))
SEQUENCE = {
    "id": "bear",
    "height": 10,
    "width": 12,
    "image_paths": ["bear/0.jpg", "bear/1.jpg", "bear/2.jpg"],
    "categories": {"1": 5},
    "tracks": [{"2": {"seg": B, "area": 99, "box": [0, 0, 3, 9]}, "1": {"seg": A}}, {}, {"7": {"seg": B}}],
}


def read(tmp_path, *sequences):
    return read_training_json(write_json(tmp_path, "set", {"sequences": list(sequences)}), tmp_path, "sequences")


def test_sequences_frames_and_masks(tmp_path):
    videos = read(tmp_path, SEQUENCE, {**SEQUENCE, "id": "cow", "image_paths": ["cow/0.jpg"], "tracks": [{"1": {"seg": A}}]})
    assert len(videos) == 2 and [videos.names[i] for i in range(2)] == ["bear", "cow"]
    assert videos.starts.tolist() == [0, 3, 4]
    assert [videos.paths[i] for i in range(4)] == ["bear/0.jpg", "bear/1.jpg", "bear/2.jpg", "cow/0.jpg"]
    masks = videos.masks
    assert [masks.rows(frame).tolist() for frame in range(4)] == [[0, 1], [], [2], [3]]
    assert masks.object_ids.tolist() == [1, 2, 7, 1] and masks.areas.tolist() == [20, 99, 20, 20]
    assert masks.boxes.tolist() == [[0, 0, 5, 4], [0, 0, 3, 9], [3, 3, 4, 5], [0, 0, 5, 4]]
    assert masks.decode(0, 10, 12, "").sum() == 20
    assert videos.where(0, 2).endswith("set.json: sequence 'bear', frame 2.jpg")


BROKEN = [
    (lambda s: s.pop("id"), "sequence number 1, key 'id' is missing"),
    (lambda s: s.pop("tracks"), "sequence 'bear': key 'tracks' is missing"),
    (lambda s: s.update(height=None), "key 'height': expected a number, found NoneType"),
    (lambda s: s["tracks"].pop(), "key 'tracks' has 2 frames, but 'image_paths' has 3"),
    (lambda s: s["image_paths"].__setitem__(2, "/etc/passwd"), "key 'image_paths'[2]: '/etc/passwd' must be a path inside"),
    (lambda s: s["tracks"][2].update({"x": {}}), "key 'tracks'[2]: 'x' is not an object id"),
    (lambda s: s["tracks"][2]["7"].pop("seg"), "key 'tracks'[2]['7'], key 'seg' is missing"),
    (lambda s: s["tracks"][0]["2"].update(box=[1]), "['2'], key 'box': expected [x, y, width, height], found 1 numbers"),
    (lambda s: s["tracks"][0]["2"].update(area="5"), "['2'], key 'area': expected a number, found str"),
    (lambda s: s.update(width=13), "key 'tracks'[0]['1'], key 'seg': the mask doesn't fit the image"),
]


@pytest.mark.parametrize(("change", "expected"), BROKEN, ids=[expected for _, expected in BROKEN])
def test_wrong_values_name_file_sequence_and_key(tmp_path, change, expected):
    sequence = copy.deepcopy(SEQUENCE)
    change(sequence)
    with pytest.raises(HodorError) as caught:
        read(tmp_path, sequence)
    message = str(caught.value)
    assert "\n" not in message and message.startswith(str(tmp_path / "dataset_json_annotations" / "set.json"))
    assert expected.split(", key")[0] in message and expected.split("key ")[-1] in message


def test_other_files(tmp_path):
    for content, expected in [
        ({"images": [5]}, "holds images, not videos; train on it with TRAINING.MODE static_image"),
        ({"sequences": {}}, "key 'sequences': expected a list"),
        ({}, "no sequence in it"),
    ]:
        path = write_json(tmp_path, "set", content)
        with pytest.raises(HodorError) as caught:
            read_training_json(path, tmp_path, "sequences")
        assert str(caught.value).startswith(str(path)) and expected in str(caught.value)
    with pytest.raises(HodorError, match=r"no.json: no such file; make it with hodor convert"):
        read_training_json(tmp_path / "no.json", tmp_path, "sequences")


def test_memory_doesnt_hold_an_object_for_each_mask(tmp_path):
    few, many = (read(tmp_path, *[{**SEQUENCE, "id": f"{k:05d}"} for k in range(count)]) for count in (10, 500))
    assert reachable_objects(few) == reachable_objects(many)
    again = pickle.loads(pickle.dumps(many))
    assert again.names[499] == "00499" and np.array_equal(again.masks.areas, many.masks.areas)

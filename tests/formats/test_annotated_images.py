import gc
import pickle

import numpy as np
import pytest
from support.small_training_sets import box_masks, image_record, write_json

from hodor.errors import HodorError
from hodor.formats import run_length
from hodor.formats.training_json import read_training_json

MASKS = box_masks(20, 30, (0, 0, 5, 4), (10, 3, 7, 9), (2, 2, 20, 10))


def read(tmp_path, *records, **further):
    return read_training_json(write_json(tmp_path, "set", {"images": list(records), **further}), tmp_path, "images")


def complaint(tmp_path, *records):
    with pytest.raises(HodorError) as caught:
        read(tmp_path, *records)
    message = str(caught.value)
    assert "\n" not in message and str(tmp_path / "dataset_json_annotations" / "set.json") in message
    return message


def test_areas_and_boxes_are_read_or_measured(tmp_path):
    boxes, areas = [[0, 0, 5, 4], [10, 3, 7, 9], [2, 2, 20, 10]], [20, 63, 200]
    given = image_record("a.jpg", MASKS, areas=[1, 2, 3.5], bboxes=[[0.5, 0, 1, 2]] * 3, categories=[1, 2, 3], id=7)
    images = read(tmp_path, given, image_record("sub/b.jpg", MASKS), meta={"category_labels": {"1": "thing"}})
    assert len(images) == 2 and [images.paths[i] for i in range(2)] == ["a.jpg", "sub/b.jpg"]
    assert images.heights.tolist() == [20, 20] and images.widths.tolist() == [30, 30]
    assert images.masks.areas.tolist() == [1, 2, 3.5, *areas]
    assert images.masks.boxes.tolist() == [[0.5, 0, 1, 2]] * 3 + boxes
    assert images.masks.rows(1).tolist() == [3, 4, 5]
    for row, mask in zip(images.masks.rows(1).tolist(), MASKS, strict=True):
        np.testing.assert_array_equal(images.masks.decode(row, 20, 30, "here"), mask)


@pytest.mark.parametrize(
    "keys", [{"iscrowd": [0, 1, 0]}, {"ignore": [False, True, False]}, {"iscrowd": [0, 1, 0], "ignore": 0}]
)
def test_crowds_and_what_is_to_be_ignored_are_dropped_with_all_their_values(tmp_path, keys):
    images = read(tmp_path, image_record("a.jpg", MASKS, areas=[1, 2, 3], **keys))
    assert images.masks.areas.tolist() == [1, 3] and images.masks.object_ids.tolist() == [1, 3]
    np.testing.assert_array_equal(images.masks.decode(1, 20, 30, ""), MASKS[2])


def test_images_without_objects_are_left_out(tmp_path):
    empty = {"image_path": "e.jpg", "height": 5, "width": 5, "segmentations": []}
    crowd = image_record("c.jpg", MASKS, iscrowd=[1, 1, 1])
    images = read(tmp_path, empty, image_record("a.jpg", MASKS), crowd)
    assert [images.paths[i] for i in range(len(images))] == ["a.jpg"] and len(images.masks.areas) == 3
    assert "no image in it has an object" in complaint(tmp_path, empty, crowd)
    assert "no image in it has an object" in complaint(tmp_path)


def test_the_filter_is_strict_for_images_and_not_for_videos(tmp_path):
    masks = read(tmp_path, image_record("a.jpg", [*MASKS, np.zeros((20, 30), bool)])).masks
    assert masks.larger_than(20, 3).tolist() == [False, True, True, False]
    assert masks.larger_than(20, 4, or_equal=True).tolist() == [True, True, True, False]
    assert masks.larger_than(0, 4).tolist() == [False, True, True, False]
    assert masks.larger_than(0, 0, or_equal=True).tolist() == [True, True, True, False]
    assert masks.count(masks.larger_than(20, 3)).tolist() == [2]


BROKEN = [
    ({"image_path": 5}, "image number 1, key 'image_path': expected a string, found int"),
    ({"image_path": "../a.jpg"}, "image '../a.jpg', key 'image_path': '../a.jpg' must be a path inside"),
    ({"height": 0}, "image 'a.jpg', key 'height': expected a whole number"),
    ({"width": "30"}, "image 'a.jpg', key 'width': expected a number, found str"),
    ({"segmentations": "abc"}, "image 'a.jpg', key 'segmentations': expected a list, found str"),
    ({"segmentations": ["a", 5, "b"]}, "key 'segmentations'[1]: expected a string, found int"),
    ({"areas": [1, 2]}, "key 'areas' has 2 entries, but 'segmentations' has 3"),
    ({"areas": [1, -2, 3]}, "key 'areas'[1]: expected a number of at least 0, found -2"),
    ({"areas": [1, float("nan"), 3]}, "key 'areas'[1]: expected a number of at least 0, found nan"),
    ({"areas": [1, 10**400, 3]}, "key 'areas'[1]: expected a number of at least 0, found 10000000000000000000"),
    ({"height": 10**400}, "key 'height': expected a number of at least 0, found 1"),
    ({"height": 10**6, "width": 10**6}, "keys 'height' and 'width': no image may have 1000000x1000000 pixels"),
    ({"areas": [1, True, 3]}, "key 'areas'[1]: expected a number, found bool"),
    ({"bboxes": [[1, 2, 3]] * 3}, "key 'bboxes'[0]: expected [x, y, width, height], found 3 numbers"),
    ({"iscrowd": [0]}, "key 'iscrowd' has 1 entries"),
    ({"width": 29}, "key 'segmentations'[0]: the mask doesn't fit the image (the runs cover 600 pixels instead of 20 x 29"),
]


@pytest.mark.parametrize(("change", "expected"), BROKEN)
def test_wrong_values_name_file_image_and_key(tmp_path, change, expected):
    assert expected in complaint(tmp_path, {**image_record("a.jpg", MASKS), **change})


@pytest.mark.parametrize("key", ["image_path", "height", "width", "segmentations"])
def test_missing_keys(tmp_path, key):
    record = image_record("a.jpg", MASKS)
    del record[key]
    assert f"key {key!r} is missing" in complaint(tmp_path, record)


def test_other_files(tmp_path):
    for content, expected in [
        ({"images": 5}, "key 'images': expected a list"),
        ({"images": [5]}, "image number 1: expected an object"),
        ({"sequences": [1]}, "holds videos, not images; train on it with TRAINING.MODE"),
        ({}, "no image in it"),
    ]:
        path = write_json(tmp_path, "set", content)
        with pytest.raises(HodorError) as caught:
            read_training_json(path, tmp_path, "images")
        assert str(caught.value).startswith(str(path)) and expected in str(caught.value)
    with pytest.raises(HodorError, match=r"no.json: no such file; make it with hodor convert"):
        read_training_json(tmp_path / "no.json", tmp_path, "images")


def test_a_broken_string_that_is_only_read_later(tmp_path):
    record = image_record("a.jpg", MASKS, areas=[1, 2, 3], bboxes=[[0, 0, 1, 1]] * 3)
    record["segmentations"] = ["\ud800", "zz", "05000"]
    masks = read(tmp_path, record).masks
    for row in range(3):
        with pytest.raises(HodorError, match=f"^here, object {row + 1}: the mask doesn't fit .* convert the data set again"):
            masks.decode(row, 20, 30, "here")


def reachable_objects(root):
    seen, queue = {}, [root]
    while queue:
        item = queue.pop()
        if id(item) not in seen and not isinstance(item, type):
            seen[id(item)] = item
            queue.extend(gc.get_referents(item))
    return len(seen)


def test_memory_doesnt_hold_an_object_for_each_mask(tmp_path):
    text = run_length.encode(MASKS[0])
    sizes = []
    for count in (10, 1000):
        record = {"image_path": "a.jpg", "height": 20, "width": 30, "segmentations": [text] * 5, "areas": [20] * 5}
        images = read(tmp_path, *[{**record, "bboxes": [[0, 0, 5, 4]] * 5}] * count)
        sizes.append((reachable_objects(images), len(pickle.dumps(images))))
    assert sizes[0][0] == sizes[1][0]
    assert (sizes[1][1] - sizes[0][1]) / 990 < 5 * (len(text) + 4 + 8 + 8 + 16) + 8 + 8 + 8 + 5 + 8

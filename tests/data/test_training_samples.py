"""What samples of photographs and videos have in common: bad files, and sets that are joined."""

import numpy as np
import pytest
from PIL import Image
from support.small_training_sets import image_record, write_image, write_json, write_photographs
from training_sample_checks import assert_equal, static_samples

from hodor.data.batching import BatchStream, item_groups
from hodor.data.samples import SampleRequest
from hodor.data.training_data import TrainingData
from hodor.errors import HodorError


def test_missing_broken_and_other_images(tmp_path):
    write_photographs(tmp_path, count=3)
    samples = static_samples(tmp_path)
    folder = tmp_path / "dataset_images" / "coco_2017_train"
    (folder / "0.png").unlink()
    (folder / "1.png").write_bytes(b"")
    Image.new("RGB", (10, 20)).save(folder / "2.png")
    for item, expected in enumerate(["no such file", "is empty", "has 10x20 pixels, but"]):
        with pytest.raises(HodorError) as caught:
            samples[SampleRequest(item, 1, 0)]
        message = str(caught.value)
        assert message.startswith(f"{folder / f'{item}.png'}: ") and expected in message and "\n" not in message
        assert f"coco_2017_train.json: image '{item}.png'" in message


def test_masks_that_are_empty_although_the_file_says_otherwise(tmp_path):
    empty = [np.zeros((40, 60), bool)]
    write_image(tmp_path, "set", "a.png", np.zeros((40, 60, 3), np.uint8))
    record = image_record("a.png", empty, areas=[5000], bboxes=[[0, 0, 50, 30]])
    write_json(tmp_path, "set", {"images": [record]})
    with pytest.raises(HodorError, match=r"image 'a.png': its masks are empty; convert the data set again"):
        static_samples(tmp_path, "set")[SampleRequest(0, 1, 0)]


def test_requests_say_which_set_they_are_for(tmp_path):
    write_photographs(tmp_path, count=3)
    write_photographs(tmp_path, "other", count=5)
    first, second = static_samples(tmp_path), static_samples(tmp_path, "other")
    data = TrainingData([first, second], BatchStream(item_groups(np.ones(3), np.ones(3), 1, share=1.0), 1))
    assert_equal(data[SampleRequest(2, 1, 5)], first[SampleRequest(2, 1, 5)])
    assert_equal(data[SampleRequest(0, 1, 5, part=1)], second[SampleRequest(0, 1, 5)])

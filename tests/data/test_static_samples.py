"""Samples of photographs: what is in them, and that equal requests give equal samples."""

import numpy as np
import pytest
from PIL import Image
from support.small_training_sets import box_masks, image_record, write_image, write_json, write_photographs, write_videos
from training_sample_checks import (
    AS_IT_IS,
    all_requests,
    assert_equal,
    assert_presence_is_what_is_seen,
    assert_sound,
    dense_samples,
    sparse_samples,
    static_samples,
    videos_in,
)

from hodor.config.schema import StaticStrengths
from hodor.data.samples import SampleRequest
from hodor.errors import HodorError


def test_static_samples_with_pasted_objects_are_sound(tmp_path):
    write_photographs(tmp_path)
    plain = static_samples(tmp_path)
    pasting = static_samples(tmp_path, static=StaticStrengths(pasted_objects=2, pasted_area=(0.05, 0.1), pasted_shift=0.05))
    assert (pasting.num_objects == plain.num_objects + 2).all()
    found = 0
    for request in all_requests(pasting):
        sample = pasting[request]
        objects = sample.presence.shape[1]
        assert 1 <= objects <= request.num_objects
        assert_sound(sample, objects)
        assert_presence_is_what_is_seen(sample)
        assert_equal(sample, pasting[request])
        found += objects > plain.num_objects[request.item]
    assert found > 0


def test_static_samples_are_sound(tmp_path):
    write_photographs(tmp_path)
    samples = static_samples(tmp_path)
    assert len(samples.num_objects) == 8 and samples.num_objects.max() == 3
    for request in all_requests(samples):
        sample = samples[request]
        assert_sound(sample, request.num_objects)
        assert_presence_is_what_is_seen(sample)
        assert sample.presence[0].all()
        height, width = sample.labels.shape[1:]
        assert height / width == pytest.approx(samples.aspect_ratios[request.item], rel=0.04)
        assert 3900 < height * width <= 4096
        assert sample.names[0].endswith(f"dataset_images/coco_2017_train/{request.item}.png")


def test_equal_requests_give_equal_samples_and_other_seeds_others(tmp_path):
    write_photographs(tmp_path)
    write_videos(tmp_path, "set", [12, 9])
    sets = [
        static_samples(tmp_path),
        dense_samples(videos_in(tmp_path)),
        sparse_samples(videos_in(tmp_path)),
    ]
    for samples in sets:
        request = SampleRequest(1, 1, 7)
        assert_equal(samples[request], samples[request])
        others = [samples[request._replace(seed=seed)] for seed in range(5)]
        assert len({sample.images.sum().item() for sample in others}) == 5


def test_an_untouched_reference_is_the_photograph_itself(tmp_path):
    write_photographs(tmp_path)
    samples = static_samples(tmp_path, area=48 * 64, static=StaticStrengths(**AS_IT_IS, strong_share=1.0), color=False)
    image = np.array(Image.open(tmp_path / "dataset_images/coco_2017_train/0.png"))
    sample = samples[SampleRequest(0, 1, 0)]
    np.testing.assert_array_equal(sample.images[0].numpy().transpose(1, 2, 0), image)


@pytest.mark.parametrize("others", [0, 1, 4])
def test_any_number_of_other_frames(tmp_path, others):
    write_photographs(tmp_path, count=1)
    write_videos(tmp_path, "set", [20])
    sets = [
        static_samples(tmp_path, num_other_frames=others),
        dense_samples(videos_in(tmp_path), num_other_frames=others),
        sparse_samples(videos_in(tmp_path), num_other_frames=others),
    ]
    for samples in sets:
        assert_sound(samples[SampleRequest(0, 1, 0)], 1, others)


def write_overlapping(tmp_path, *boxes, size=(40, 60)):
    masks = box_masks(*size, *boxes)
    write_image(tmp_path, "set", "a.png", np.full((*size, 3), 90, np.uint8))
    write_json(tmp_path, "set", {"images": [image_record("a.png", masks)]})
    return static_samples(tmp_path, "set")


def test_of_more_objects_than_wanted_a_random_subset_is_taken(tmp_path):
    write_overlapping(tmp_path, (0, 0, 10, 10), (20, 0, 12, 10), (40, 0, 14, 10))
    samples = static_samples(tmp_path, "set", static=StaticStrengths(strong_share=1.0, flip_share=0.0))
    subsets = set()
    for seed in range(60):
        labels = samples[SampleRequest(0, 2, seed)].labels[0].numpy()
        subsets.add(tuple(bool(labels[3, x].any()) for x in (6, 36, 66)))
    assert subsets == {(True, True, False), (True, False, True), (False, True, True)}


def test_covered_objects_are_not_chosen_where_others_can_be(tmp_path):
    samples = write_overlapping(tmp_path, (20, 10, 10, 10), (15, 5, 20, 20), (45, 0, 10, 10))
    for seed in range(40):
        sample = samples[SampleRequest(0, 2, seed)]
        assert sample.presence.shape == (3, 2) and sample.presence[0].all()


def test_where_all_are_needed_the_smaller_one_lies_on_top(tmp_path):
    samples = write_overlapping(tmp_path, (20, 10, 10, 10), (15, 5, 20, 20), (45, 0, 10, 10))
    for seed in range(10):
        sample = samples[SampleRequest(0, 3, seed)]
        assert sample.presence.shape == (3, 3) and sample.presence[0].all()
    write_overlapping(tmp_path, (20, 10, 10, 10), (25, 10, 10, 10))
    later = static_samples(tmp_path, "set", static=StaticStrengths(strong_share=1.0, flip_share=0.0))
    labels = later[SampleRequest(0, 2, 0)].labels[0]
    counts = np.bincount(labels.ravel().numpy(), minlength=3)
    assert counts[2] > 1.5 * counts[1] > 0  # else the later one covers the earlier


def test_equal_masks_leave_one_object(tmp_path):
    samples = write_overlapping(tmp_path, (20, 10, 10, 10), (20, 10, 10, 10), (45, 0, 10, 10))
    for seed in range(10):
        sample = samples[SampleRequest(0, 3, seed)]
        assert sample.presence.shape == (3, 2) and sample.presence[0].all()
        assert_presence_is_what_is_seen(sample)


def test_objects_that_vanish_at_the_final_size_leave_but_one_stays(tmp_path):
    write_image(tmp_path, "set", "a.png", np.zeros((400, 400, 3), np.uint8))
    masks = box_masks(400, 400, (7, 7, 1, 1), (100, 100, 60, 60), (207, 9, 1, 1))
    write_json(tmp_path, "set", {"images": [image_record("a.png", masks), image_record("a.png", masks[:1])]})
    samples = static_samples(tmp_path, "set", area=1600, min_area=0, min_side=0)
    for seed in range(10):
        assert samples[SampleRequest(0, 3, seed)].presence[0].any()
        assert samples[SampleRequest(1, 1, seed)].presence.shape == (3, 1)


def test_masks_of_other_frames_can_be_withheld(tmp_path):
    write_photographs(tmp_path)
    write_videos(tmp_path, "set", [12])
    for samples in (
        static_samples(tmp_path, only_reference=True),
        dense_samples(videos_in(tmp_path), only_reference=True),
    ):
        sample = samples[SampleRequest(0, 1, 0)]
        assert not sample.labels[1:].any() and sample.labels[0].any() and sample.presence.all()
    sample = dense_samples(videos_in(tmp_path), all_present=True)[SampleRequest(0, 1, 0)]
    assert sample.labels[1:].any() and sample.presence.all()


def test_only_large_enough_objects_count(tmp_path):
    masks = box_masks(40, 60, (0, 0, 10, 10), (20, 0, 10, 11), (40, 0, 3, 40))
    write_json(tmp_path, "set", {"images": [image_record("a.png", masks), image_record("b.png", masks[2:])]})
    samples = static_samples(tmp_path, "set", min_area=100, min_side=3)
    assert len(samples.num_objects) == 1 and samples.num_objects.tolist() == [1]
    assert static_samples(tmp_path, "set", min_area=99, min_side=2).num_objects.tolist() == [3, 1]
    with pytest.raises(HodorError, match=r"none of its 2 images has an object of more than 5000 pixels .* lower TRAINING"):
        static_samples(tmp_path, "set", min_area=5000)

"""Samples: what is in them, from which frames, and that equal requests give equal samples."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from PIL import Image
from small_training_sets import box_masks, image_record, write_image, write_json, write_photographs, write_videos

from hodor.config.strengths import StaticStrengths, VideoStrengths
from hodor.data import run_length
from hodor.data.annotated_images import read_annotated_images
from hodor.data.annotated_videos import read_annotated_videos
from hodor.data.training_samples import (
    DenseVideoSamples,
    JoinedSamples,
    SampleRequest,
    SparseVideoSamples,
    StaticImageSamples,
)
from hodor.data.training_samples.videos import VideoSettings
from hodor.errors import HodorError

AS_IT_IS = {"flip_share": 0.0, "hue": 0, "saturation": 0, "contrast": 0.0, "brightness": 0.0}


def static_samples(root, name="coco_2017_train", **changes):
    images = read_annotated_images(root / "dataset_json_annotations" / f"{name}.json", root / "dataset_images" / name)
    settings = {"num_other_frames": 2, "area": 4096, "min_area": 20, "min_side": 3, **changes}
    return StaticImageSamples(images, **settings)


def settings(**changes):
    defaults = {
        "num_other_frames": 2,
        "min_delta": 1,
        "max_delta": 6,
        "min_area": 20,
        "min_side": 3,
        "min_dim": 48,
        "max_dim": 96,
    }
    return VideoSettings(**{**defaults, **changes})


def videos_in(root, name="set"):
    return read_annotated_videos(root / "dataset_json_annotations" / f"{name}.json", root / "dataset_images" / name)


def assert_sound(sample, num_objects, others=2):
    frames, _, height, width = sample.images.shape
    assert frames == 1 + others and sample.images.dtype == torch.float32
    assert sample.images.is_contiguous() and sample.images.min() >= 0 and sample.images.max() <= 255
    assert sample.valid.shape == sample.labels.shape == (frames, height, width)
    assert (sample.valid.dtype, sample.labels.dtype, sample.presence.dtype) == (torch.bool, torch.uint8, torch.bool)
    assert sample.presence.shape == (frames, num_objects) and sample.labels.max() <= num_objects
    assert not sample.labels[~sample.valid].any()
    assert not sample.images.movedim(1, -1)[~sample.valid].any()


def assert_presence_is_what_is_seen(sample):
    for frame, present in zip(sample.labels, sample.presence, strict=True):
        assert [bool((frame == i + 1).any()) for i in range(len(present))] == present.tolist()


def assert_equal(first, second):
    assert all(torch.equal(a, b) for a, b in zip(first[:4], second[:4], strict=True)) and first.name == second.name


def all_requests(samples, seeds=3):
    for item in range(len(samples)):
        for seed in range(seeds):
            for count in range(1, int(samples.num_objects[item]) + 1):
                yield SampleRequest(item, count, seed)


def test_static_samples_with_pasted_objects_are_sound(tmp_path):
    write_photographs(tmp_path)
    plain = static_samples(tmp_path)
    pasting = static_samples(tmp_path, strengths=StaticStrengths(pasted_objects=2, pasted_area=(0.05, 0.1), pasted_shift=0.05))
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
    assert len(samples) == 8 and samples.num_objects.max() == 3
    for request in all_requests(samples):
        sample = samples[request]
        assert_sound(sample, request.num_objects)
        assert_presence_is_what_is_seen(sample)
        assert sample.presence[0].all()
        height, width = sample.labels.shape[1:]
        assert height / width == pytest.approx(samples.aspect_ratios[request.item], rel=0.04)
        assert 3900 < height * width <= 4096
        assert sample.name.endswith(f"dataset_images/coco_2017_train/{request.item}.png")


def test_equal_requests_give_equal_samples_and_other_seeds_others(tmp_path):
    write_photographs(tmp_path)
    write_videos(tmp_path, "set", [12, 9])
    sets = [
        static_samples(tmp_path),
        DenseVideoSamples(videos_in(tmp_path), settings()),
        SparseVideoSamples(videos_in(tmp_path), settings()),
    ]
    for samples in sets:
        request = SampleRequest(1, 1, 7)
        assert_equal(samples[request], samples[request])
        others = [samples[request._replace(seed=seed)] for seed in range(5)]
        assert len({sample.images.sum().item() for sample in others}) == 5


def test_an_untouched_reference_is_the_photograph_itself(tmp_path):
    write_photographs(tmp_path)
    samples = static_samples(tmp_path, area=48 * 64, strengths=StaticStrengths(**AS_IT_IS, strong_share=1.0), colour=False)
    image = np.array(Image.open(tmp_path / "dataset_images/coco_2017_train/0.png"))
    sample = samples[SampleRequest(0, 1, 0)]
    np.testing.assert_array_equal(sample.images[0].numpy().transpose(1, 2, 0), image)


@pytest.mark.parametrize("others", [0, 1, 4])
def test_any_number_of_other_frames(tmp_path, others):
    write_photographs(tmp_path, count=1)
    write_videos(tmp_path, "set", [20])
    sets = [
        static_samples(tmp_path, num_other_frames=others),
        DenseVideoSamples(videos_in(tmp_path), settings(num_other_frames=others)),
        SparseVideoSamples(videos_in(tmp_path), settings(num_other_frames=others)),
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
    samples = static_samples(tmp_path, "set", strengths=StaticStrengths(strong_share=1.0, flip_share=0.0))
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
    later = static_samples(tmp_path, "set", strengths=StaticStrengths(strong_share=1.0, flip_share=0.0))
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
        DenseVideoSamples(videos_in(tmp_path), settings(), only_reference=True),
    ):
        sample = samples[SampleRequest(0, 1, 0)]
        assert not sample.labels[1:].any() and sample.labels[0].any() and sample.presence.all()
    sample = DenseVideoSamples(videos_in(tmp_path), settings(), all_present=True)[SampleRequest(0, 1, 0)]
    assert sample.labels[1:].any() and sample.presence.all()


def test_only_large_enough_objects_count(tmp_path):
    masks = box_masks(40, 60, (0, 0, 10, 10), (20, 0, 10, 11), (40, 0, 3, 40))
    write_json(tmp_path, "set", {"images": [image_record("a.png", masks), image_record("b.png", masks[2:])]})
    samples = static_samples(tmp_path, "set", min_area=100, min_side=3)
    assert len(samples) == 1 and samples.num_objects.tolist() == [1]
    assert static_samples(tmp_path, "set", min_area=99, min_side=2).num_objects.tolist() == [3, 1]
    with pytest.raises(HodorError, match=r"none of its 2 images has an object of more than 5000 pixels .* lower TRAINING"):
        static_samples(tmp_path, "set", min_area=5000)


def write_bare_videos(tmp_path, *tracks, size=(40, 60)):
    """Videos of grey frames with these tracks, {object: mask} per frame."""
    sequences = []
    for number, frames in enumerate(tracks):
        paths = [f"v{number}/{index}.png" for index in range(len(frames))]
        for index, path in enumerate(paths):
            write_image(tmp_path, "set", path, np.full((*size, 3), 10 * index, np.uint8))
        coded = [{str(i): {"seg": run_length.encode(mask)} for i, mask in frame.items()} for frame in frames]
        sequences.append({"id": f"v{number}", "height": size[0], "width": size[1], "image_paths": paths, "tracks": coded})
    write_json(tmp_path, "set", {"sequences": sequences})
    return videos_in(tmp_path)


BIG, SMALL, FAR = box_masks(40, 60, (5, 5, 20, 20), (5, 5, 4, 4), (35, 5, 20, 20))


@pytest.mark.parametrize(("min_delta", "max_delta", "others"), [(1, 5, 2), (3, 8, 2), (1, 3, 2), (2, 9, 0)])
def test_dense_frames(tmp_path, min_delta, max_delta, others):
    length = 14
    videos = write_bare_videos(tmp_path, [{1: BIG}] * length, [{1: BIG}] * 9)
    samples = DenseVideoSamples(videos, settings(num_other_frames=others, min_delta=min_delta, max_delta=max_delta))
    references = [samples.frames(SampleRequest(item, 1, 0))[0] for item in range(len(samples))]
    last = [n - others - min_delta - 1 for n in (length, 9)]
    assert references == [*range(last[0] + 1), *range(length, length + last[1] + 1)]
    seen = set()
    for item in range(len(samples)):
        end = length if references[item] < length else length + 9
        for seed in range(150):
            reference, *rest = samples.frames(SampleRequest(item, 1, seed))
            assert reference == references[item] and len(rest) == others and rest == sorted(set(rest))
            deltas = [frame - reference for frame in rest]
            assert all(min_delta <= delta < max_delta and reference + delta < end for delta in deltas)
            seen |= set(deltas)
    if others:
        assert seen == set(range(min_delta, max_delta))


def test_dense_references_have_an_object_that_is_large_enough(tmp_path):
    videos = write_bare_videos(tmp_path, [{1: BIG}, {2: SMALL}, {}, {1: SMALL, 2: BIG}, {1: BIG, 2: FAR}] + [{}] * 6)
    samples = DenseVideoSamples(videos, settings(min_area=100))
    assert [samples.frames(SampleRequest(item, 1, 0))[0] for item in range(len(samples))] == [0, 3, 4]
    assert samples.num_objects.tolist() == [1, 1, 2]
    exact = DenseVideoSamples(videos, settings(min_area=400, min_side=20))
    assert len(exact) == 3  # at least, not more than


def test_shrinking_objects_stay_unless_every_frame_is_filtered(tmp_path):
    videos = write_bare_videos(tmp_path, [{1: BIG}] + [{1: SMALL, 2: FAR}] * 8)
    plain = settings(min_area=100, strengths=VideoStrengths(crop_share=1.0), cropping=False)
    for filtered in (False, True):
        samples = DenseVideoSamples(videos, plain, filter_every_frame=filtered)
        sample = samples[SampleRequest(0, 1, 0)]
        assert sample.labels[0].any() and sample.labels[1:].any() != filtered and sample.labels.max() == 1
        assert sample.presence.tolist() == [[True], [not filtered], [not filtered]]


def test_dense_ids_follow_the_objects(tmp_path):
    videos = write_bare_videos(tmp_path, [{3: BIG, 7: FAR}] + [{7: BIG, 3: FAR}] * 8)
    plain = settings(strengths=VideoStrengths(**AS_IT_IS, crop_share=1.0), cropping=False)
    samples = DenseVideoSamples(videos, plain)
    labels = samples[SampleRequest(0, 2, 0)].labels
    assert (labels[0].unique().tolist(), labels.shape) == ([0, 1, 2], (3, 48, 72))
    centre_left, centre_right = labels[:, 18, 18], labels[:, 18, 54]
    assert centre_left.tolist() == [1, 2, 2] and centre_right.tolist() == [2, 1, 1]


@pytest.mark.parametrize(
    ("length", "annotated", "expected"), [(9, range(9), 4), (8, [0, 1, 7], 1), (12, [9], 9), (10, [2, 8], 2)]
)
def test_the_sparse_reference_is_the_annotated_frame_closest_to_the_middle(tmp_path, length, annotated, expected):
    videos = write_bare_videos(tmp_path, [{1: BIG} if index in annotated else {2: SMALL} for index in range(length)])
    for last, frame in ((False, expected), (True, max(annotated))):
        samples = SparseVideoSamples(videos, settings(min_area=100), last_annotated=last)
        assert samples.frames(SampleRequest(0, 1, 0))[0] == frame


def test_sparse_frames_are_all_earlier_or_all_later_within_the_distance(tmp_path):
    videos = write_bare_videos(tmp_path, [{1: BIG}] * 5, [{1: BIG} if index == 10 else {} for index in range(21)])
    samples = SparseVideoSamples(videos, settings(max_delta=4, min_delta=3))
    draws = [samples.frames(SampleRequest(1, 1, seed)) for seed in range(600)]
    deltas = np.array([[frame - reference for frame in rest] for reference, *rest in draws])
    assert {draw[0] for draw in draws} == {15}
    assert (np.sign(deltas[:, 0]) == np.sign(deltas[:, 1])).all() and (deltas[:, 0] != deltas[:, 1]).all()
    assert set(np.abs(deltas).ravel().tolist()) == {1, 2, 3, 4}  # the last one included
    assert 0.4 < (deltas[:, 0] > 0).mean() < 0.6
    assert 0.4 < (np.abs(deltas[:, 0]) > np.abs(deltas[:, 1])).mean() < 0.6  # without order
    last = SparseVideoSamples(videos, settings(max_delta=4), last_annotated=True)
    assert all(max(last.frames(SampleRequest(0, 1, seed))[1:]) < 4 for seed in range(20))


def test_sparse_sequences_that_are_too_short_are_left_out(tmp_path):
    videos = write_bare_videos(tmp_path, [{1: BIG}] * 2, [{1: BIG}] * 4, [{1: BIG}] * 5, [{}] * 5)
    samples = SparseVideoSamples(videos, settings())
    assert len(samples) == 2 and samples.frames(SampleRequest(0, 1, 0)) in ([4, 3, 2], [4, 2, 3])
    with pytest.raises(HodorError, match=r"no sequence has 5 frames before or behind .* lower TRAINING.NUM_OTHER_FRAMES"):
        SparseVideoSamples(videos, settings(num_other_frames=5))


def test_sparse_samples_never_read_the_masks_of_other_frames(tmp_path):
    path = write_videos(tmp_path, "set", [9])
    content = json.loads(path.read_text())
    for index, track in enumerate(content["sequences"][0]["tracks"]):
        for entry in track.values():
            entry.update(area=500, box=[0, 0, 20, 20], seg=entry["seg"] if index == 4 else "broken!")
    path.write_text(json.dumps(content))
    sample = SparseVideoSamples(videos_in(tmp_path), settings())[SampleRequest(0, 2, 0)]
    assert_sound(sample, 2)
    assert not sample.labels[1:].any() and sample.labels[0].unique().tolist() == [0, 1, 2] and sample.presence.all()
    with pytest.raises(HodorError, match=r"set.json: sequence 'video0', frame 0000\d.png, object 1: the mask doesn't fit"):
        DenseVideoSamples(videos_in(tmp_path), settings())[SampleRequest(0, 1, 0)]


def test_video_samples_are_sound(tmp_path):
    write_videos(tmp_path, "set", [10, 7], objects=3)
    for kind in (DenseVideoSamples, SparseVideoSamples):
        samples = kind(videos_in(tmp_path), settings())
        for request in all_requests(samples):
            sample = samples[request]
            assert_sound(sample, request.num_objects)
            assert sample.labels.shape[1:] == (48, 64)
            assert sample.presence[0].all() and sample.name.count("frames 000") == 1
            if kind is DenseVideoSamples:
                assert_presence_is_what_is_seen(sample)


def test_colours_change_once_per_dense_clip_and_in_each_sparse_frame(tmp_path):
    videos = write_bare_videos(tmp_path, [{1: BIG}] * 9)
    for path in (tmp_path / "dataset_images").rglob("*.png"):
        Image.fromarray(np.full((40, 60, 3), 120, np.uint8)).save(path)
    plain = settings(cropping=False, geometric=False)
    for kind, equal in ((DenseVideoSamples, True), (SparseVideoSamples, False)):
        for seed in range(5):
            shades = kind(videos, plain)[SampleRequest(0, 1, seed)].images.mean(dim=(1, 2, 3))
            assert (len(set(shades.tolist())) == 1) is equal
    for kind in (DenseVideoSamples, SparseVideoSamples):
        without = kind(videos, dataclasses.replace(plain, colour=False))
        assert (without[SampleRequest(0, 1, 0)].images == 120).all()


def test_videos_without_anything_to_learn_from(tmp_path):
    videos = write_bare_videos(tmp_path, [{1: SMALL}] * 3 + [{1: BIG}])
    for kind in (DenseVideoSamples, SparseVideoSamples):
        with pytest.raises(HodorError, match=r"no object has at least 9999 pixels .* lower TRAINING.MIN_REF_MASK_AREA"):
            kind(videos, settings(min_area=9999))
    with pytest.raises(HodorError, match=r"no frame with a large enough object is followed by the 3 frames"):
        DenseVideoSamples(videos, settings(min_area=100))


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


def test_joined_sets_are_their_parts_one_after_the_other(tmp_path):
    write_photographs(tmp_path, count=3)
    write_photographs(tmp_path, "other", count=5)
    first, second = static_samples(tmp_path), static_samples(tmp_path, "other")
    joined = JoinedSamples([first, second])
    assert len(joined) == 8 and joined.starts.tolist() == [0, 3, 8]
    assert joined.num_objects.tolist() == [*first.num_objects, *second.num_objects]
    assert joined.aspect_ratios.tolist() == [*first.aspect_ratios, *second.aspect_ratios]
    assert_equal(joined[SampleRequest(2, 1, 5)], first[SampleRequest(2, 1, 5)])
    assert_equal(joined[SampleRequest(3, 1, 5)], second[SampleRequest(0, 1, 5)])

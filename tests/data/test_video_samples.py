"""Samples of videos: what is in them, and from which frames."""

import json

import numpy as np
import pytest
from PIL import Image
from support.small_training_sets import box_masks, write_image, write_json, write_videos
from training_sample_checks import (
    AS_IT_IS,
    all_requests,
    assert_presence_is_what_is_seen,
    assert_sound,
    dense_samples,
    sparse_samples,
    videos_in,
)

from hodor.config.schema import VideoStrengths
from hodor.data.samples import SampleRequest
from hodor.errors import HodorError
from hodor.formats import run_length

BIG, SMALL, FAR = box_masks(40, 60, (5, 5, 20, 20), (5, 5, 4, 4), (35, 5, 20, 20))


def frames_of(samples, item, seed):
    """The frames of a sample, numbered through all sequences: the reference, then the others."""
    return samples.draw_frames(item, np.random.default_rng(seed))


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


@pytest.mark.parametrize(("min_delta", "max_delta", "others"), [(1, 5, 2), (3, 8, 2), (1, 3, 2), (2, 9, 0)])
def test_dense_frames(tmp_path, min_delta, max_delta, others):
    length = 14
    videos = write_bare_videos(tmp_path, [{1: BIG}] * length, [{1: BIG}] * 9)
    samples = dense_samples(videos, num_other_frames=others, min_delta=min_delta, max_delta=max_delta)
    references = [frames_of(samples, item, 0)[0] for item in range(len(samples.num_objects))]
    last = [n - others - min_delta - 1 for n in (length, 9)]
    assert references == [*range(last[0] + 1), *range(length, length + last[1] + 1)]
    seen = set()
    for item in range(len(samples.num_objects)):
        end = length if references[item] < length else length + 9
        for seed in range(150):
            reference, *rest = frames_of(samples, item, seed)
            assert reference == references[item] and len(rest) == others and rest == sorted(set(rest))
            deltas = [frame - reference for frame in rest]
            assert all(min_delta <= delta < max_delta and reference + delta < end for delta in deltas)
            seen |= set(deltas)
    if others:
        assert seen == set(range(min_delta, max_delta))


def test_dense_references_have_an_object_that_is_large_enough(tmp_path):
    videos = write_bare_videos(tmp_path, [{1: BIG}, {2: SMALL}, {}, {1: SMALL, 2: BIG}, {1: BIG, 2: FAR}] + [{}] * 6)
    samples = dense_samples(videos, min_area=100)
    assert [frames_of(samples, item, 0)[0] for item in range(len(samples.num_objects))] == [0, 3, 4]
    assert samples.num_objects.tolist() == [1, 1, 2]
    exact = dense_samples(videos, min_area=400, min_side=20)
    assert len(exact.num_objects) == 3  # at least, not more than


def test_shrinking_objects_stay_unless_every_frame_is_filtered(tmp_path):
    videos = write_bare_videos(tmp_path, [{1: BIG}] + [{1: SMALL, 2: FAR}] * 8)
    plain = {"min_area": 100, "video": VideoStrengths(crop_share=1.0), "cropping": False}
    for filtered in (False, True):
        samples = dense_samples(videos, **plain, filter_every_frame=filtered)
        sample = samples[SampleRequest(0, 1, 0)]
        assert sample.labels[0].any() and sample.labels[1:].any() != filtered and sample.labels.max() == 1
        assert sample.presence.tolist() == [[True], [not filtered], [not filtered]]


def test_dense_ids_follow_the_objects(tmp_path):
    videos = write_bare_videos(tmp_path, [{3: BIG, 7: FAR}] + [{7: BIG, 3: FAR}] * 8)
    plain = {"video": VideoStrengths(**AS_IT_IS, crop_share=1.0), "cropping": False}
    samples = dense_samples(videos, **plain)
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
        samples = sparse_samples(videos, min_area=100, last_annotated=last)
        assert frames_of(samples, 0, 0)[0] == frame


def test_sparse_frames_are_all_earlier_or_all_later_within_the_distance(tmp_path):
    videos = write_bare_videos(tmp_path, [{1: BIG}] * 5, [{1: BIG} if index == 10 else {} for index in range(21)])
    samples = sparse_samples(videos, max_delta=4, min_delta=3)
    draws = [frames_of(samples, 1, seed) for seed in range(600)]
    deltas = np.array([[frame - reference for frame in rest] for reference, *rest in draws])
    assert {draw[0] for draw in draws} == {15}
    assert (np.sign(deltas[:, 0]) == np.sign(deltas[:, 1])).all() and (deltas[:, 0] != deltas[:, 1]).all()
    assert set(np.abs(deltas).ravel().tolist()) == {1, 2, 3, 4}  # the last one included
    assert 0.4 < (deltas[:, 0] > 0).mean() < 0.6
    assert 0.4 < (np.abs(deltas[:, 0]) > np.abs(deltas[:, 1])).mean() < 0.6  # without order
    last = sparse_samples(videos, max_delta=4, last_annotated=True)
    assert all(max(frames_of(last, 0, seed)[1:]) < 4 for seed in range(20))


def test_sparse_sequences_that_are_too_short_are_left_out(tmp_path):
    videos = write_bare_videos(tmp_path, [{1: BIG}] * 2, [{1: BIG}] * 4, [{1: BIG}] * 5, [{}] * 5)
    samples = sparse_samples(videos)
    assert len(samples.num_objects) == 2 and frames_of(samples, 0, 0) in ([4, 3, 2], [4, 2, 3])
    with pytest.raises(HodorError, match=r"no sequence has 5 frames before or behind .* lower TRAINING.NUM_OTHER_FRAMES"):
        sparse_samples(videos, num_other_frames=5)


def test_sparse_samples_never_read_the_masks_of_other_frames(tmp_path):
    path = write_videos(tmp_path, "set", [9])
    content = json.loads(path.read_text())
    for index, track in enumerate(content["sequences"][0]["tracks"]):
        for entry in track.values():
            entry.update(area=500, box=[0, 0, 20, 20], seg=entry["seg"] if index == 4 else "broken!")
    path.write_text(json.dumps(content))
    sample = sparse_samples(videos_in(tmp_path))[SampleRequest(0, 2, 0)]
    assert_sound(sample, 2)
    assert not sample.labels[1:].any() and sample.labels[0].unique().tolist() == [0, 1, 2] and sample.presence.all()
    with pytest.raises(HodorError, match=r"set.json: sequence 'video0', frame 0000\d.png, object 1: the mask doesn't fit"):
        dense_samples(videos_in(tmp_path))[SampleRequest(0, 1, 0)]


def test_video_samples_are_sound(tmp_path):
    write_videos(tmp_path, "set", [10, 7], objects=3)
    for kind in (dense_samples, sparse_samples):
        samples = kind(videos_in(tmp_path))
        for request in all_requests(samples):
            sample = samples[request]
            assert_sound(sample, request.num_objects)
            assert sample.labels.shape[1:] == (48, 64)
            assert sample.presence[0].all() and sample.names[0].count("frames 000") == 1
            if kind is dense_samples:
                assert_presence_is_what_is_seen(sample)


def test_colours_change_once_per_dense_clip_and_in_each_sparse_frame(tmp_path):
    videos = write_bare_videos(tmp_path, [{1: BIG}] * 9)
    for path in (tmp_path / "dataset_images").rglob("*.png"):
        Image.fromarray(np.full((40, 60, 3), 120, np.uint8)).save(path)
    plain = {"cropping": False, "video_geometric": False}
    for kind, equal in ((dense_samples, True), (sparse_samples, False)):
        for seed in range(5):
            shades = kind(videos, **plain)[SampleRequest(0, 1, seed)].images.mean(dim=(1, 2, 3))
            assert (len(set(shades.tolist())) == 1) is equal
    for kind in (dense_samples, sparse_samples):
        without = kind(videos, cropping=False, video_geometric=False, color=False)
        assert (without[SampleRequest(0, 1, 0)].images == 120).all()


def test_videos_without_anything_to_learn_from(tmp_path):
    videos = write_bare_videos(tmp_path, [{1: SMALL}] * 3 + [{1: BIG}])
    for kind in (dense_samples, sparse_samples):
        with pytest.raises(HodorError, match=r"no object has at least 9999 pixels .* lower TRAINING.MIN_REF_MASK_AREA"):
            kind(videos, min_area=9999)
    with pytest.raises(HodorError, match=r"no frame with a large enough object is followed by the 3 frames"):
        dense_samples(videos, min_area=100)

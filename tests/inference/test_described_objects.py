"""Objects that are described in one picture and found in others."""

import io

import numpy as np
import pytest
import torch
from support.small_models import small_model

from hodor.errors import HodorError
from hodor.inference.segmenter import Segmenter
from hodor.synthetic.clip import SyntheticClip

SIZES = {"min_dim": 64, "max_dim": 128, "device": "cpu"}


@pytest.fixture(scope="module")
def clip():
    return list(SyntheticClip(4, frames=6, height=64, width=96, objects=2))


@pytest.fixture(scope="module")
def model():
    return small_model()


def test_looking_for_a_described_object_is_following_it_for_one_frame(model, clip):
    segmenter = Segmenter(model, **SIZES)
    mask = clip[0][1] == 1
    segmenter.step(clip[0][0], {3: mask})
    expected = segmenter.step(clip[1][0])
    described = segmenter.describe(clip[0][0], mask, "toy")
    assert described.objects.shape[0] == 1 and described.backgrounds.shape[1] == model.num_background
    segmenter.reset()
    segmenter.add_described(3, described)
    found = segmenter.step(clip[1][0])
    assert (expected == 3).any() and (found == expected).float().mean() > 0.999
    assert segmenter.object_ids == [3] and 0 < segmenter.presences[3] <= 1


def test_an_object_that_is_unlikely_to_be_there_is_not_found_nor_remembered(model, clip):
    described = Segmenter(model, **SIZES).describe(clip[0][0], clip[0][1] == 1)
    strict = Segmenter(model, presence_threshold=0.9999, **SIZES)
    strict.add_described(1, described)
    for image, _ in clip:
        assert not strict.step(image).any()
        assert strict.confidences == {1: 0.0}
    alone = Segmenter(model, **SIZES)  # nothing of the frames before may count
    alone.add_described(1, described)
    alone.step(clip[-1][0])
    assert strict.presences[1] == pytest.approx(alone.presences[1], abs=0.02)


def test_a_mask_that_is_given_makes_it_present(model, clip):
    described = Segmenter(model, **SIZES).describe(clip[0][0], clip[0][1] == 1)
    strict = Segmenter(model, presence_threshold=0.9999, **SIZES)
    strict.add_described(1, described)
    labels = strict.step(clip[0][0], {1: clip[0][1] == 1})
    np.testing.assert_array_equal(labels.numpy() == 1, clip[0][1] == 1)
    assert strict.presences == {}


def test_several_views_and_an_object_that_is_followed_side_by_side(model, clip):
    segmenter = Segmenter(model, **SIZES)
    views = segmenter.describe(clip[0][0], clip[0][1] == 1).with_views_of(segmenter.describe(clip[3][0], clip[3][1] == 1))
    segmenter.add_described(7, views)
    segmenter.step(clip[0][0], {2: clip[0][1] == 2})
    labels = segmenter.step(clip[1][0])
    assert segmenter.object_ids == [2, 7] and set(labels.unique().tolist()) <= {0, 2, 7}
    assert set(segmenter.presences) == {7} and set(segmenter.confidences) == {2, 7}
    segmenter.remove_object(7)
    segmenter.step(clip[2][0])
    assert segmenter.presences == {} and segmenter.object_ids == [2]


def test_an_object_may_be_looked_for_from_the_middle_of_a_video_on(model, clip):
    segmenter = Segmenter(model, **SIZES)
    described = segmenter.describe(clip[0][0], clip[0][1] == 1)
    segmenter.step(clip[0][0], {2: clip[0][1] == 2})
    segmenter.step(clip[1][0])
    before = segmenter.state_dict()
    expected = segmenter.step(clip[2][0])
    segmenter.load_state_dict(before)
    segmenter.add_described(1, described)
    assert segmenter.step(clip[2][0]).shape == expected.shape and set(segmenter.confidences) == {1, 2}
    segmenter.load_state_dict(before)  # from before anything was looked for
    torch.testing.assert_close(segmenter.step(clip[2][0]), expected, rtol=0, atol=0)


def test_a_state_keeps_what_was_described(model, clip):
    described = Segmenter(model, **SIZES).describe(clip[0][0], clip[0][1] == 1)
    whole, first, second = (Segmenter(model, **SIZES) for _ in range(3))
    whole.add_described(1, described)
    first.add_described(1, described)
    expected = [whole.step(image) for image, _ in clip]
    for image, _ in clip[:3]:
        first.step(image)
    buffer = io.BytesIO()
    torch.save(first.state_dict(), buffer)
    buffer.seek(0)
    second.load_state_dict(torch.load(buffer, weights_only=True))
    for (image, _), labels in zip(clip[3:], expected[3:], strict=True):
        torch.testing.assert_close(second.step(image), labels, rtol=0, atol=0)


def test_what_another_network_described_is_refused(model, clip):
    described = Segmenter(small_model(seed=1), **SIZES).describe(clip[0][0], clip[0][1] == 1, "toy")
    segmenter = Segmenter(model, **SIZES)
    with pytest.raises(HodorError, match=r"^toy: was described by another network"):
        segmenter.add_described(1, described)
    for object_id in (0, 256, "cup"):
        with pytest.raises(HodorError, match="id"):
            segmenter.add_described(object_id, segmenter.describe(clip[0][0], clip[0][1] == 1))
    with pytest.raises(HodorError, match="empty"):
        segmenter.describe(clip[0][0], np.zeros_like(clip[0][1]))
    assert segmenter.object_ids == []


def test_frames_that_mean_nothing_are_not_described(model, clip):
    segmenter = Segmenter(model, **SIZES)
    for frame, message in [(clip[0][0] / 255, "multiply by 255"), ((clip[0][0] - 120.0) / 60, "undo the normalisation")]:
        with pytest.raises(HodorError, match=message):
            segmenter.describe(frame, clip[0][1] == 1)

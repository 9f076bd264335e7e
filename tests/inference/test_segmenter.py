import copy
import logging

import numpy as np
import pytest
import torch
from support.small import SMALL, small_checkpoint

from hodor import Checkpoint, HodorError, Segmenter
from hodor.synthetic import SyntheticClip

HEIGHT, WIDTH, FRAMES = 45, 70, 7


@pytest.fixture(scope="module")
def model():
    return small_checkpoint().model


@pytest.fixture(scope="module")
def clip():
    return list(SyntheticClip(frames=FRAMES, height=HEIGHT, width=WIDTH, objects=2, seed=3))


def segmenter_of(model, **options):
    settings = {"temporal_window": 3, "min_dim": SMALL.input.min_dim, "max_dim": SMALL.input.max_dim, "device": "cpu"}
    return Segmenter(model, **(settings | options))


def box(top, left, bottom, right):
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[top:bottom, left:right] = True
    return mask


def run(segmenter, clip, given):
    return [segmenter.step(image, given.get(t)).numpy() for t, (image, _) in enumerate(clip)]


def test_given_masks_come_out_unchanged_and_the_later_of_two_wins(model, clip):
    first, second = box(3, 5, 30, 41), box(20, 30, 44, 69)
    labels = segmenter_of(model).step(clip[0][0], {7: first, 2: second})
    assert labels.dtype == torch.uint8
    expected = np.where(second, 2, np.where(first, 7, 0))
    assert (labels.numpy() == expected).all()


def test_an_object_given_midway_shows_exactly_where_it_was_given(model, clip):
    given = {0: {1: box(5, 5, 25, 30)}, 3: {9: box(20, 31, 40, 66)}}
    labels = run(segmenter_of(model), clip, given)
    assert ((labels[3] == 9) == given[3][9]).all()
    assert all(set(np.unique(label)) <= {0, 1} for label in labels[:3])


def test_a_mask_given_anew_replaces_the_prediction(model, clip):
    given = {0: {1: box(5, 5, 25, 30), 2: box(26, 30, 44, 60)}, 4: {1: box(1, 40, 12, 69)}}
    labels = run(segmenter_of(model), clip, given)
    assert ((labels[4] == 1) == given[4][1]).all()
    assert not (labels[5] == run(segmenter_of(model), clip, {0: given[0]})[5]).all()


@pytest.mark.parametrize("options", [{}, {"permanent_reference": True}, {"long_term_interval": 2, "min_confidence": 0.3}])
def test_after_a_correction_nothing_depends_on_what_was_wrong_before(model, clip, options):
    right = box(1, 40, 12, 69)

    def corrected(wrong, **further):
        segmenter = segmenter_of(model, **options, **further)
        return [label.tolist() for label in run(segmenter, clip, {0: {1: wrong}, 3: {1: right}})[3:]]

    wrong, other = box(5, 5, 25, 30), box(20, 2, 44, 35)
    assert corrected(wrong) == corrected(other)
    assert corrected(wrong, corrections_replace=False) != corrected(other, corrections_replace=False)


def test_a_correction_leaves_what_is_known_of_other_objects(model, clip):
    segmenter = segmenter_of(model, temporal_window=3)
    run(segmenter, clip[:5], {0: {1: box(5, 5, 25, 30), 2: box(26, 30, 44, 60)}, 4: {1: box(1, 40, 12, 69)}})
    slots = segmenter.state_dict()["tracker"]["memory"]["slots"]
    assert {frame: sorted(objects) for frame, (objects, _, _) in slots.items()} == {1: [2], 2: [2], 3: [2], 4: [1, 2]}
    assert [frame for frame, (_, background, _) in slots.items() if background is not None] == [4]


def test_frames_before_the_first_object_are_empty_and_of_the_videos_size(model, clip):
    labels = run(segmenter_of(model), clip, {2: {4: box(5, 5, 30, 30)}})
    assert all(label.shape == (HEIGHT, WIDTH) for label in labels)
    assert not labels[0].any() and not labels[1].any() and labels[2].any()


def test_kinds_of_input_mean_the_same(model, clip):
    label_map = clip[0][1]
    masks = {i: label_map == i for i in np.unique(label_map).tolist() if i}
    from_dict = run(segmenter_of(model), clip, {0: masks})
    from_map = run(segmenter_of(model), clip, {0: label_map})
    tensors = segmenter_of(model)
    for t, (image, _) in enumerate(clip):
        new = {i: torch.from_numpy(mask).float() for i, mask in masks.items()} if t == 0 else None
        labels = tensors.step(torch.from_numpy(image).permute(2, 0, 1), new)
        assert (labels.numpy() == from_dict[t]).all() and (from_map[t] == from_dict[t]).all()


def test_reset_starts_afresh_and_last_changes_nothing(model, clip):
    segmenter = segmenter_of(model)
    given = {0: {1: box(5, 5, 25, 30)}}
    first = run(segmenter, clip, given)
    segmenter.reset()
    second = [segmenter.step(image, given.get(t), last=t == FRAMES - 1).numpy() for t, (image, _) in enumerate(clip)]
    assert all((a == b).all() for a, b in zip(first, second, strict=True))


def test_a_saved_state_continues_as_if_never_stopped(model, clip, tmp_path):
    given = {0: {1: box(5, 5, 25, 30)}, 2: {5: box(20, 31, 40, 66)}}
    expected = run(segmenter_of(model, permanent_reference=True), clip, given)
    first = segmenter_of(model, permanent_reference=True)
    for t in range(4):
        first.step(clip[t][0], given.get(t))
    torch.save(first.state_dict(), tmp_path / "state.pt")
    assert (tmp_path / "state.pt").stat().st_size < 64 * 1024
    second = segmenter_of(model, permanent_reference=True)
    second.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    for t in range(4, FRAMES):
        assert (second.step(clip[t][0]).numpy() == expected[t]).all()


def test_removing_an_object(model, clip):
    segmenter = segmenter_of(model)
    segmenter.step(clip[0][0], {1: box(5, 5, 25, 30), 2: box(26, 30, 44, 60)})
    segmenter.remove_object(1)
    assert segmenter.object_ids == [2]
    assert 1 not in segmenter.step(clip[1][0]).unique()
    assert list(segmenter.confidences) == [2]
    with pytest.raises(HodorError, match="object 1 is not being tracked"):
        segmenter.remove_object(1)
    segmenter.remove_object(2)
    assert not segmenter.step(clip[2][0]).any()
    assert ((segmenter.step(clip[3][0], {1: box(5, 5, 25, 30)}) == 1).numpy() == box(5, 5, 25, 30)).all()


def test_objects_may_start_long_after_all_others_were_removed(model, clip):
    segmenter = segmenter_of(model, temporal_window=2)
    segmenter.step(clip[0][0], {1: box(5, 5, 25, 30)})
    segmenter.remove_object(1)
    for image, _ in clip[1:]:
        assert not segmenter.step(image).any()
    segmenter.step(clip[0][0], {2: box(5, 5, 25, 30)})
    segmenter.step(clip[1][0])
    assert segmenter.object_ids == [2]


def test_confidence_is_the_mean_probability_inside_the_mask(model, clip):
    segmenter = segmenter_of(model)
    segmenter.step(clip[0][0], {1: box(5, 5, 25, 30), 3: box(26, 30, 44, 60)})
    assert segmenter.confidences == {1: 1.0, 3: 1.0}
    for image, _ in clip[1:]:
        labels = segmenter.step(image)
        confidences = segmenter.confidences
        assert list(confidences) == [1, 3]
        for object_id, confidence in confidences.items():
            shown = (labels == object_id).any()
            assert (1 / 13 < confidence <= 1) if shown else confidence == 0


@pytest.mark.parametrize(("height", "width"), [(16, 16), (17, 400), (300, 21), (64, 64), (1, 1)])
def test_any_size_and_a_video_of_one_frame(model, height, width):
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    mask = np.zeros((height, width), dtype=bool)
    mask[: height // 2 + 1, : width // 2 + 1] = True
    segmenter = segmenter_of(model)
    assert ((segmenter.step(image, {1: mask}) == 1).numpy() == mask).all()
    assert segmenter.step(image, last=True).shape == (height, width)


def test_tiny_objects_are_kept_and_named(model, caplog):
    image = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    large, single, thin = (np.zeros((256, 256), dtype=bool) for _ in range(3))
    large[100:200, 100:200] = True
    single[33, 77] = True
    thin[10:90, 31] = True
    segmenter = segmenter_of(model)
    segmenter.reset("clip7")
    with caplog.at_level(logging.WARNING):
        segmenter.step(image, {5: large})
        labels = segmenter.step(image, {2: single, 4: thin})
    assert [record.getMessage()[:24] for record in caplog.records] == ["clip7: object 2 is so sm", "clip7: object 4 is so sm"]
    assert ((labels == 2).numpy() == single).all() and ((labels == 4).numpy() == thin).all()
    assert segmenter.object_ids == [2, 4, 5]
    assert segmenter.step(image).shape == (256, 256)


def test_bad_input_names_the_object(model, clip):
    image = clip[0][0]
    for new_masks, message in [
        ({3: np.zeros((HEIGHT, WIDTH))}, "object 3: its mask is empty"),
        (
            {3: np.ones((HEIGHT, WIDTH + 1))},
            f"object 3: its mask is {HEIGHT} x {WIDTH + 1}, but the frame is {HEIGHT} x {WIDTH}",
        ),
        ({0: np.ones((HEIGHT, WIDTH))}, "object ids are 1..255, not 0"),
        ({256: np.ones((HEIGHT, WIDTH))}, "object ids are 1..255, not 256"),
        (np.full((HEIGHT, WIDTH), 300), "object ids are 1..255, not 300"),
        (np.ones((HEIGHT - 1, WIDTH), dtype=np.uint8), "object 1: its mask is"),
    ]:
        with pytest.raises(HodorError, match=message):
            segmenter_of(model).step(image, new_masks)
    for frame in (image[..., :2], image[..., 0], np.zeros((0, 5, 3))):
        with pytest.raises(HodorError, match="a frame must be"):
            segmenter_of(model).step(frame)
    segmenter = segmenter_of(model)
    segmenter.step(image, {1: box(5, 5, 25, 30)})
    with pytest.raises(HodorError, match=f"the frame is 44 x {WIDTH}, but the video began with {HEIGHT} x {WIDTH}"):
        segmenter.step(image[:44])


def test_settings_out_of_range(model):
    for options, message in [
        ({"temporal_window": 0}, "temporal window must be at least 1"),
        ({"min_dim": 0}, "min_dim"),
        ({"min_dim": 65, "max_dim": 64}, "min_dim"),
        ({"device": "nonsense"}, "device 'nonsense' is not available"),
        ({"device": "meta"}, "device 'meta' is not available"),
    ]:
        with pytest.raises(HodorError, match=message):
            segmenter_of(model, **options)
    with pytest.raises(HodorError, match="precision must be float32 or bf16"):
        segmenter_of(model, precision="float16").step(np.zeros((32, 32, 3)), {1: np.ones((32, 32))})


def test_bf16_gives_nearly_the_same_masks(original_model, clip):
    images = [np.repeat(np.repeat(image, 3, axis=0), 3, axis=1) for image, _ in clip[:4]]
    labels = clip[0][1].repeat(3, axis=0).repeat(3, axis=1)
    exact, rounded = (
        segmenter_of(copy.deepcopy(original_model), min_dim=128, max_dim=256, precision=precision)
        for precision in ("float32", "bf16")
    )
    agreement = [
        (exact.step(image, new) == rounded.step(image, new)).float().mean().item()
        for image, new in zip(images, [labels, None, None, None], strict=True)
    ]
    assert agreement[0] == 1 and min(agreement) > 0.95


def test_sizes_come_from_the_checkpoint_unless_others_are_given(model, clip):
    checkpoint = Checkpoint(model, SMALL)
    mask = box(5, 5, 25, 30)
    expected, other = (
        run(segmenter_of(model, **sizes), clip, {0: {1: mask}})[1] for sizes in ({}, {"min_dim": 96, "max_dim": 200})
    )
    for options, labels in (({}, expected), ({"min_dim": 96, "max_dim": 200}, other)):
        segmenter = Segmenter.of(checkpoint, temporal_window=3, device="cpu", **options)
        assert (run(segmenter, clip, {0: {1: mask}})[1] == labels).all()
    assert not (expected == other).all()


def test_a_refused_first_step_does_not_fix_the_size(model, clip):
    segmenter = segmenter_of(model)
    other = np.zeros((20, 30, 3), dtype=np.uint8)
    for frame, masks in [(other, {1: np.zeros((20, 30), dtype=bool)}), (np.full((20, 30, 3), np.nan), None)]:
        with pytest.raises(HodorError):
            segmenter.step(frame, masks)
        assert segmenter.state_dict() == segmenter_of(model).state_dict()
    segmenter.step(clip[0][0], {1: box(5, 5, 25, 30)})


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_a_frame_that_is_not_finite_is_refused_before_it_is_remembered(model, clip, value):
    given = {0: {1: box(5, 5, 25, 30)}}
    expected = run(segmenter_of(model), clip, given)
    segmenter = segmenter_of(model)
    for t, (image, _) in enumerate(clip):
        broken = image.astype(np.float64)
        broken[3, 4, 1] = value
        with pytest.raises(HodorError, match="the frame holds NaN or infinity"):
            segmenter.step(broken, {2: box(1, 40, 12, 69)})
        assert (segmenter.step(image, given.get(t)).numpy() == expected[t]).all()


def test_frames_seen_ahead_are_refused_when_their_turn_has_come(model, clip):
    frames = [image.astype(np.float32) for image, _ in clip[:4]]
    frames[2][0, 0, 0] = np.nan
    following = segmenter_of(model, look_ahead=4).follow(
        (f, {1: box(5, 5, 25, 30)} if not t else None) for t, f in enumerate(frames)
    )
    next(following), next(following)
    with pytest.raises(HodorError, match="NaN"):
        next(following)

"""Whole clips: how often what happens, what the rules guarantee, and that labels stay on their pixels."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from hodor.config import TrainingConfig
from hodor.config.schema import AugmentationConfig, CropStrengths, StaticStrengths, VideoStrengths
from hodor.data import static_samples, video_samples
from hodor.data.geometry import Frame, draw_reference_window, draw_window, finish, keeps_enough

HEIGHT, WIDTH = 60, 90
COLOURS = np.array([[20, 20, 20], [230, 20, 20], [20, 230, 20], [20, 20, 230]], dtype=np.uint8)


def static_clip(photograph, copies, strengths, min_area, random, *, cropping=True):
    augmentations = AugmentationConfig(static=strengths, cropping=cropping)
    training = TrainingConfig(num_other_frames=copies, min_ref_mask_area=min_area, augmentations=augmentations)
    return static_samples.static_clip(photograph, training, random)


def video_clip(frames, strengths, min_area, random, *, cropping=True, geometric=True):
    augmentations = AugmentationConfig(video=strengths, cropping=cropping, video_geometric=geometric)
    training = TrainingConfig(min_ref_mask_area=min_area, augmentations=augmentations)
    return video_samples.video_clip(frames, training, random)


def extent(window):
    """(top, left, height, width) of a window."""
    rows, columns = window
    return rows.start, columns.start, rows.stop - rows.start, columns.stop - columns.start


def coloured_frame():
    """Objects whose colours tell their labels."""
    labels = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    labels[10:35, 8:40] = 1
    labels[30:55, 45:80] = 2
    labels[5:25, 60:85] = 3
    return Frame(COLOURS[labels], labels)


def assert_colours_fit_labels(frame):
    """Nowhere else do the labels fit better."""
    image, valid, labels = finish(frame, (75, 112))
    seen = np.abs(image.transpose(1, 2, 0)[:, :, None] - COLOURS).sum(axis=3).argmin(axis=2)
    inner = np.s_[2:-2, 2:-2]

    def fit(shift):
        return (seen == np.roll(labels, shift, (0, 1)))[inner][valid[inner]].mean()

    assert fit((0, 0)) > 0.96
    assert fit((0, 0)) >= max(fit(shift) for shift in ((0, 2), (0, -2), (2, 0), (-2, 0)))


@pytest.mark.parametrize("seed", range(40))
def test_labels_stay_on_their_pixels(seed):
    random = np.random.default_rng(seed)
    for frame in static_clip(coloured_frame(), 3, StaticStrengths(), 10, random):
        assert_colours_fit_labels(frame)
    for frame in video_clip([coloured_frame()] * 2, VideoStrengths(), 10, random):
        assert_colours_fit_labels(frame)


def recorded(monkeypatch, module, seeds, make):
    """Names of the steps of many clips: flip, warp (affine or perspective), enlarge."""
    steps = []
    for name in ("flip", "warp", "enlarge"):
        original = getattr(module, name)

        def step(*arguments, name=name, original=original):
            kind = f"{name} {len(arguments[1])}" if name == "warp" else name
            steps[-1].append(kind)
            return original(*arguments)

        monkeypatch.setattr(module, name, step)
    for seed in range(seeds):
        steps.append([])
        make(np.random.default_rng(seed))
    return steps


def test_how_often_static_clips_are_strong_and_in_which_way(monkeypatch):
    small = Frame(np.zeros((12, 18, 3), np.uint8), np.ones((12, 18), np.uint8))
    steps = recorded(monkeypatch, static_samples, 4000, lambda random: static_clip(small, 1, StaticStrengths(), 1, random))
    assert np.mean(["flip" in step for step in steps]) == pytest.approx(0.5, abs=0.03)
    without = [[name for name in step if name != "flip"] for step in steps]
    kinds = {names: sum(tuple(step) == names for step in without) / 4000 for names in {tuple(step) for step in without}}
    assert kinds.pop(("warp 2",)) == pytest.approx(1 / 6, abs=0.02)
    assert kinds.pop(("warp 3",)) == pytest.approx(1 / 6, abs=0.02)
    # a reference full of one object: the first factors lose more than half (0.36, 0.49), 0.8 keeps 0.64
    assert kinds.pop(("enlarge",)) == pytest.approx(1 / 6, abs=0.02)
    assert kinds.pop(("enlarge", "enlarge")) == pytest.approx(1 / 4, abs=0.02)
    assert kinds.pop(("enlarge", "enlarge", "warp 2")) == pytest.approx(1 / 4, abs=0.02)
    assert not kinds


def test_copies_of_strong_clips_draw_their_kinds_for_themselves(monkeypatch):
    strengths = StaticStrengths(flip_share=0.0)
    make = lambda random: static_clip(coloured_frame(), 2, strengths, 1, random, cropping=False)  # noqa: E731
    steps = recorded(monkeypatch, static_samples, 600, make)
    assert all(len(step) == 2 for step in steps)
    assert np.mean([step[0] == step[1] for step in steps]) == pytest.approx(1 / 3, abs=0.06)


def test_the_reference_of_strong_clips_is_untouched():
    scene = coloured_frame()
    for seed in range(20):
        clip = static_clip(scene, 1, StaticStrengths(flip_share=0.0), 1, np.random.default_rng(seed), cropping=False)
        assert clip[0] is scene and not np.array_equal(clip[1].image, scene.image)


def test_centred_crops_take_the_same_part_off_all_sides():
    column, row = np.arange(200, dtype=np.uint8), np.arange(100, dtype=np.uint8)
    image = np.stack(np.broadcast_arrays(column[None], row[:, None], 0), axis=2).astype(np.uint8)
    strengths = StaticStrengths(flip_share=0.0, strong_kinds=(0.0, 0.0, 1.0))
    margins = []
    for seed in range(300):
        scene = Frame(image, np.ones((100, 200), np.uint8))
        copy = static_clip(scene, 1, strengths, 1, np.random.default_rng(seed), cropping=False)[1].image.astype(float)
        left, right, top, bottom = copy[50, 0, 0], 199 - copy[50, -1, 0], copy[0, 100, 1], 99 - copy[-1, 100, 1]
        assert left == pytest.approx(right, abs=2) and top == pytest.approx(bottom, abs=2)
        assert left / 200 == pytest.approx(top / 100, abs=0.02)
        margins.append(left / 200)
    assert 0.09 < min(margins) < 0.115 and 0.235 < max(margins) < 0.26


def test_copies_of_a_cropped_clip_share_one_factor_and_differ_in_place(monkeypatch):
    windows = []
    original = static_samples.enlarge
    keep = lambda window: windows.append(extent(window))  # noqa: E731
    monkeypatch.setattr(static_samples, "enlarge", lambda frame, window: keep(window) or original(frame, window))
    factors = []
    for seed in range(300):
        windows.clear()
        static_clip(coloured_frame(), 3, StaticStrengths(strong_share=0.0), 1, np.random.default_rng(seed))
        copies = windows[-3:]
        assert len({window[2:] for window in copies}) == 1
        assert len({window[:2] for window in copies}) > 1
        factors.append(copies[0][2:])
    assert set(factors) == {(36, 54), (42, 63), (48, 72)}
    assert min(factors.count(size) for size in set(factors)) > 70


def test_windows_lie_anywhere_in_the_frame():
    random = np.random.default_rng(0)
    windows = np.array([extent(draw_window((40, 60), 0.6, random)) for _ in range(3000)])
    assert windows.min(axis=0).tolist() == [0, 0, 24, 36] and windows.max(axis=0).tolist() == [16, 24, 24, 36]
    assert np.bincount(windows[:, 0]).min() > 3000 / 17 * 0.7
    assert extent(draw_window((40, 60), 1.0, random)) == (0, 0, 40, 60)


def areas(labels):
    return np.bincount(labels.ravel(), minlength=4)[1:]


def test_every_object_keeps_half_its_area_and_enough_pixels_in_a_reference():
    labels = coloured_frame().labels
    random = np.random.default_rng(0)
    windows = [draw_reference_window(labels, CropStrengths(), 300, random) for _ in range(500)]
    found = [window for window in windows if window is not None]
    assert len(found) > 100
    for window in found:
        kept = areas(labels[window])
        assert (kept >= areas(labels) / 2).all() and (kept >= 300).all()


def test_reference_crops_try_the_small_factors_first_then_hold_everything():
    tiny = np.zeros((50, 100), dtype=np.uint8)
    tiny[24:26, 49:51] = 1
    random = np.random.default_rng(0)
    sizes = [extent(draw_reference_window(tiny, CropStrengths(), 1, random))[2:] for _ in range(300)]
    assert sizes.count((30, 60)) > 250
    for _ in range(200):  # too few pixels for the rule: a crop that holds the object, the smallest that can
        window = draw_reference_window(tiny, CropStrengths(), 5, random)
        assert extent(window)[2:] == (30, 60) and areas(tiny[window])[0] == 4
    wide = np.zeros((50, 100), dtype=np.uint8)
    wide[20:30, 10:95] = 1
    window = draw_reference_window(wide, CropStrengths(), 10_000, random)
    assert extent(window)[2:] == (45, 90) and areas(wide[window])[0] == 850
    assert draw_reference_window(np.ones((50, 100), np.uint8), CropStrengths(), 10_000, random) is None
    assert draw_reference_window(np.zeros((50, 100), np.uint8), SimpleNamespace(crop_factors=()), 0, random) is None


def test_areas_are_counted_before_enlarging():
    labels = np.zeros((100, 100), dtype=np.uint8)
    labels[45:55, 45:55] = 1
    window = draw_reference_window(labels, CropStrengths(whole_crop_factors=(1.0,)), 101, np.random.default_rng(0))
    assert extent(window) == (0, 0, 100, 100)


@pytest.mark.parametrize(("kept", "expected"), [((50, 60), True), ((49, 60), False), ((50, 39), False), ((100, 40), True)])
def test_the_rule(kept, expected):
    before = np.repeat([0, 1, 2], [30, 100, 60]).astype(np.uint8)
    after = np.repeat([0, 1, 2], [9, *kept]).astype(np.uint8)
    assert keeps_enough(before, after, 0.5, 40) is expected


def test_how_often_video_clips_are_cropped_and_warped(monkeypatch):
    small = np.zeros((40, 60), np.uint8)
    small[15:25, 20:40] = 1
    clip = [Frame(np.zeros((40, 60, 3), np.uint8), small)] * 2
    steps = recorded(monkeypatch, video_samples, 2000, lambda random: video_clip(clip, VideoStrengths(), 1, random))
    kinds = [step[-1] if step else "" for step in steps]
    assert kinds.count("enlarge") / 2000 == pytest.approx(0.5, abs=0.04)
    assert kinds.count("warp 2") / 2000 == pytest.approx(0.25, abs=0.04)
    assert kinds.count("warp 3") / 2000 == pytest.approx(0.25, abs=0.04)
    assert sum("flip" in step for step in steps) / 2000 == pytest.approx(0.5, abs=0.04)
    for step in steps:  # both frames get the same steps
        assert all(step.count(name) == 2 for name in step)


@pytest.mark.parametrize(("cropping", "geometric"), [(True, False), (False, True), (False, False)])
def test_what_is_switched_off_leaves_the_clip_as_it_is(cropping, geometric, monkeypatch):
    strengths = VideoStrengths(flip_share=0.0)
    make = lambda random: video_clip(  # noqa: E731
        [coloured_frame()], strengths, 1, random, cropping=cropping, geometric=geometric
    )
    steps = recorded(monkeypatch, video_samples, 300, make)
    done = {step[0] if step else "" for step in steps}
    assert ("enlarge" in done) is cropping and ("warp 2" in done) is ("warp 3" in done) is geometric and "" in done


def test_all_frames_of_a_video_clip_move_alike():
    frame = coloured_frame()
    for seed in range(40):
        clip = video_clip([frame, frame, frame], VideoStrengths(), 1, np.random.default_rng(seed))
        for other in clip[1:]:
            np.testing.assert_array_equal(other.image, clip[0].image)
            np.testing.assert_array_equal(other.labels, clip[0].labels)


def test_warps_that_lose_too_much_are_drawn_again_three_times_then_left():
    labels = np.zeros((40, 60), np.uint8)
    labels[0, :] = 1
    clip = [Frame(np.zeros((40, 60, 3), np.uint8), labels)]
    strengths = VideoStrengths(flip_share=0.0, crop_share=0.0)
    assert video_clip(clip, strengths, 61, np.random.default_rng(0)) == clip
    calls = []
    always = dataclasses.replace(strengths, perspective_share=1.0)
    original = video_samples.draw_perspective
    video_samples.draw_perspective = lambda *arguments: calls.append(1) or original(*arguments)
    try:
        video_clip(clip, always, 61, np.random.default_rng(0))
    finally:
        video_samples.draw_perspective = original
    assert len(calls) == 3


def test_accepted_warps_keep_half_of_every_object():
    frame = coloured_frame()
    strengths = VideoStrengths(crop_share=0.0)
    moved = 0
    for seed in range(200):
        reference = video_clip([frame], strengths, 300, np.random.default_rng(seed))[0]
        assert (areas(reference.labels) >= areas(frame.labels) / 2).all() and (areas(reference.labels) >= 300).all()
        moved += reference.inside is not None
    assert moved > 50

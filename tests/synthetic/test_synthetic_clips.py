import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hodor.errors import HodorError
from hodor.formats.inference_json import read_inference_json
from hodor.formats.label_maps import read_label_map
from hodor.synthetic import SyntheticClip, write_davis_folder
from hodor.synthetic.things import REACH, Thing, draw_shape
from hodor.synthetic.world import World


def all_labels(seed: int, frames: int, objects: int = 3) -> np.ndarray:
    return np.stack([labels for _, labels in SyntheticClip(seed, frames=frames, height=64, width=112, objects=objects)])


def intersection_over_union(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / max(1, (a | b).sum()))


def test_frames_have_the_promised_form() -> None:
    clip = SyntheticClip(3, frames=4, height=50, width=70, objects=2)
    assert len(clip) == 4 and len(list(clip)) == 4
    for image, labels in clip:
        assert image.shape == (50, 70, 3) and image.dtype == np.uint8
        assert labels.shape == (50, 70) and labels.dtype == np.uint8
        assert set(np.unique(labels)) <= {0, 1, 2}
        assert image.std() > 10


def test_equal_seeds_give_equal_pixels_in_any_order() -> None:
    first, second = SyntheticClip(7, frames=9), SyntheticClip(7, frames=30)
    forwards = [first.frame(time) for time in range(9)]
    for time in (8, 0, 5, 0):
        image, labels = second.frame(time)
        assert np.array_equal(image, forwards[time][0]) and np.array_equal(labels, forwards[time][1])
    copy = pickle.loads(pickle.dumps(first))
    assert np.array_equal(copy.frame(3)[0], forwards[3][0]) and copy == first


def test_seeds_differ_and_frames_differ() -> None:
    stills = [SyntheticClip(seed).frame(0) for seed in range(6)]
    for i, (image, labels) in enumerate(stills):
        for other, other_labels in stills[:i]:
            assert np.abs(image.astype(int) - other).mean() > 5 and not np.array_equal(labels, other_labels)
    clip = SyntheticClip(0)
    assert np.abs(clip.frame(0)[0].astype(int) - clip.frame(1)[0]).mean() > 2


@pytest.mark.parametrize("objects", [1, 2, 3, 6])
def test_every_object_is_seen_in_frame_0(objects: int) -> None:
    for seed in range(25):
        labels = SyntheticClip(seed, objects=objects).frame(0)[1]
        areas = np.bincount(labels.ravel(), minlength=objects + 1)[1:]
        assert len(areas) == objects and areas.min() > 60


@pytest.mark.parametrize(
    ("height", "width", "objects"), [(16, 16, 1), (16, 16, 4), (16, 200, 3), (300, 17, 3), (90, 160, 40), (99, 99, 254)]
)
def test_any_size_and_number(height: int, width: int, objects: int) -> None:
    clip = SyntheticClip(1, frames=1000, height=height, width=width, objects=objects)
    for time in (0, 999):
        image, labels = clip.frame(time)
        assert image.shape == (height, width, 3) and labels.max() <= objects
    assert len(np.unique(clip.frame(0)[1])) - 1 >= 0.8 * objects


@pytest.mark.parametrize(
    "wrong", [{"seed": -1}, {"frames": 0}, {"height": 15}, {"width": 15}, {"objects": 0}, {"objects": 255}]
)
def test_arguments_out_of_range(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError):
        SyntheticClip(**{"seed": 0, **wrong})


@pytest.mark.parametrize("time", [-1, 5, 100])
def test_frames_out_of_range(time: int) -> None:
    with pytest.raises(IndexError):
        SyntheticClip(0, frames=5).frame(time)


@pytest.mark.parametrize("seed", range(4))
def test_labels_are_the_shapes_from_back_to_front(seed: int) -> None:
    """The labels against each shape's own equation, over the whole frame and without the drawing's shortcuts."""
    height, width = 60, 90
    world = World(np.random.default_rng(seed), height, width, 5)
    covered_twice = 0
    for time in (0, 4, 9):
        rows, columns = np.mgrid[:height, :width].astype(np.float64)
        expected, near_an_edge = np.zeros((height, width), int), np.zeros((height, width), bool)
        for thing in world.things:
            centre_x, centre_y, radius, angle, along, across = thing.pose(time)
            turned = (columns - centre_x + 1j * (rows - centre_y)) * np.exp(-1j * angle)
            x, y = turned.real / (radius * along), turned.imag / (radius * across)
            depth = thing.shape.inside(x.astype(np.float32), y.astype(np.float32), time)
            covered_twice += ((expected > 0) & (depth > 0)).sum()
            expected[depth > 0] = thing.label
            near_an_edge |= np.abs(depth) < 1e-4
        _, labels = world.picture_and_labels(time)
        assert np.array_equal(labels[~near_an_edge], expected[~near_an_edge])
        assert near_an_edge.mean() < 0.01
    assert covered_twice > 20, "nothing overlapped, so the order was not tested"


def test_labels_are_what_the_picture_shows() -> None:
    """Repainting one object changes the picture inside its label, and nowhere else but on its smoothed edge."""
    world = World(np.random.default_rng(2), 96, 128, 3)
    picture, labels = world.picture_and_labels(5)
    tested = 0
    for thing in world.things:
        looks = thing.texture
        thing.texture = 255 - looks
        changed = np.abs(world.picture_and_labels(5)[0] - picture).max(axis=2) > 1
        thing.texture = looks
        if thing.label:
            mask = labels == thing.label
            grown = np.lib.stride_tricks.sliding_window_view(np.pad(mask, 1), (3, 3)).any(axis=(2, 3))
            assert not (changed & ~grown).any()
            assert changed[mask].mean() > 0.95
            tested += mask.sum()
    assert tested > 500


def test_shapes_stay_within_their_reach() -> None:
    x, y = np.meshgrid(np.linspace(-3, 3, 121, dtype=np.float32), np.linspace(-3, 3, 121, dtype=np.float32))
    outside = np.hypot(x, y) > REACH
    for seed in range(100):
        shape = draw_shape(np.random.default_rng(seed))
        for time in (0, 7, 31):
            depth = shape.inside(x, y, time)
            assert not (depth[outside] > 0).any() and (depth > 0).sum() > 50


def test_motion_starts_at_home() -> None:
    for seed in range(20):
        home = np.array([30.0, 20.0])
        random = np.random.default_rng(seed)
        place = {"home": home, "radius": 8.0, "frame_size": np.array([100.0, 50.0])}
        thing = Thing(random, draw_shape(random), label=1, **place, textures=[np.zeros((8, 8, 3))], light=np.zeros(2))
        x, y, radius, *_ = thing.pose(0)
        assert np.allclose((x, y), home) and 5 < radius < 11


def test_objects_leave_and_come_back() -> None:
    returned = 0
    for seed in range(12):
        labels = all_labels(seed, 60)
        for object_id in (1, 2, 3):
            seen = (labels == object_id).any(axis=(1, 2))
            changes = np.flatnonzero(np.diff(seen.astype(int)))
            returned += bool(seen[0] and len(changes) >= 2)
    assert returned >= 3


def test_objects_hide_each_other() -> None:
    """Somewhere an object loses most of its area to others while its surroundings stay in the frame."""
    hidden = []
    for seed in range(3):
        world = World(np.random.default_rng(seed), 64, 112, 6)
        hidden.append(0.0)
        for time in range(40):
            _, labels = world.picture_and_labels(time)
            for thing in world.things:
                alone = np.zeros_like(labels)
                thing.paint(time, alone)
                if np.count_nonzero(alone) > 100:
                    hidden[-1] = max(hidden[-1], 1 - (labels == thing.label).sum() / np.count_nonzero(alone))
    assert max(hidden) > 0.7


def test_the_first_mask_does_not_fit_for_long() -> None:
    copied, steps = [], []
    for seed in range(12):
        labels = all_labels(seed, 13)
        for object_id in (1, 2, 3):
            copied.append(intersection_over_union(labels[0] == object_id, labels[12] == object_id))
            steps.append(intersection_over_union(labels[0] == object_id, labels[1] == object_id))
    assert np.mean(copied) < 0.35
    assert 0.4 < np.mean(steps) < 0.95, "motion is either absent or a lottery"


def test_colour_alone_does_not_tell_objects_from_the_rest() -> None:
    """The best threshold on a pixel's nearest mean colour, fitted in the frame itself, leaves many errors."""
    scores = []
    for seed in range(12):
        image, labels = SyntheticClip(seed).frame(0)
        pixels = image.reshape(-1, 3).astype(float)
        means = np.stack([pixels[labels.ravel() == i].mean(axis=0) for i in range(4)])
        nearest = np.linalg.norm(pixels[:, None] - means, axis=2).argmin(axis=1).reshape(labels.shape)
        scores += [intersection_over_union(nearest == i, labels == i) for i in (1, 2, 3)]
    assert np.mean(scores) < 0.5


def test_davis_folder_holds_the_same_masks(tmp_path: Path) -> None:
    clips = [("a", SyntheticClip(1, 3, 32, 48, 2)), ("b", SyntheticClip(2, 2, 40, 40, 5))]
    write_davis_folder(tmp_path / "toys", clips)
    assert (tmp_path / "toys" / "ImageSets" / "2017" / "val.txt").read_text() == "a\nb\n"
    for name, clip in clips:
        files = sorted((tmp_path / "toys" / "Annotations" / "480p" / name).iterdir())
        assert len(files) == len(clip) == len(list((tmp_path / "toys" / "JPEGImages" / "480p" / name).iterdir()))
        for (image, labels), file in zip(clip, files, strict=True):
            assert np.array_equal(read_label_map(file), labels)
            frame = Image.open(tmp_path / "toys" / "JPEGImages" / "480p" / name / f"{file.stem}.jpg")
            assert np.abs(np.asarray(frame).astype(int) - image).mean() < 12
    assert [path.name for path in tmp_path.iterdir()] == ["toys"]


def test_a_folder_with_something_in_it_is_kept(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("x")
    for folder in (tmp_path, tmp_path / "precious.txt"):
        with pytest.raises(HodorError, match="not empty"):
            write_davis_folder(folder, [("a", SyntheticClip(1, 1))])
    assert (tmp_path / "precious.txt").read_text() == "x"


def test_command_line_and_conversion(tmp_path: Path) -> None:
    def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", *arguments], cwd=cwd, capture_output=True, text=True, check=False, timeout=60
        )

    numbers = ("--frames", "4", "--height", "32", "--width", "48", "--objects", "2", "--seed", "5")
    (tmp_path / "empty").mkdir()
    for out, cwd in (("toys", tmp_path), (".", tmp_path / "empty")):
        result = run("hodor.synthetic", out, "--clips", "2", *numbers, cwd=cwd)
        assert result.returncode == 0, result.stderr
    written = {path.relative_to(tmp_path / "toys"): path.read_bytes() for path in (tmp_path / "toys").rglob("*.*")}
    again = {path.relative_to(tmp_path / "empty"): path.read_bytes() for path in (tmp_path / "empty").rglob("*.*")}
    assert len(written) == 17 and written == again
    (tmp_path / "workspace").mkdir()
    result = run("hodor.convert", "davis", "toys", "--name", "toys", "--workspace", "workspace", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    first, second = read_inference_json(tmp_path / "workspace" / "dataset_json_annotations" / "toys.json")
    assert (first.id, second.id) == ("clip_00005", "clip_00006")
    labels = SyntheticClip(6, 4, 32, 48, 2).frame(0)[1]
    assert np.array_equal(second.masks(0, 32, 48)[2], labels == 2)
    for wrong in (
        ("toys",),
        ("new", "--height", "8"),
        ("new", "--objects", "0"),
        ("new", "--clips", "0"),
        ("new", "--seed", "-1"),
    ):
        result = run("hodor.synthetic", *wrong, cwd=tmp_path)
        assert result.returncode == 1 and len(result.stderr.splitlines()) == 1, result.stderr
    assert not (tmp_path / "new").exists()

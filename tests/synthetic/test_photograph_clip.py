import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hodor.errors import HodorError
from hodor.formats.inference_json import read_inference_json
from hodor.formats.label_maps import read_label_map
from hodor.synthetic import PhotographClip
from hodor.synthetic.__main__ import main
from hodor.synthetic.photograph_clip import Pose, draw_cutout, pose_at, read_cutout

FOLDER = Path(sys.modules["hodor.synthetic"].__path__[0]) / "photographs"
SMALL = PhotographClip(height=96)
TIMES = (0, 8, 13, 17, 22, 31)


@pytest.fixture(scope="module")
def opacities() -> np.ndarray:
    """What each object alone covers, `[32, 3, H, W]`."""
    return np.stack([[SMALL.layer(object_id, time)[..., 3] for object_id in SMALL.names] for time in range(len(SMALL))])


@pytest.fixture(scope="module")
def labels() -> np.ndarray:
    return np.stack([labels for _, labels in SMALL])


def test_frames_have_the_promised_form() -> None:
    clip = PhotographClip(frames=2)
    assert (clip.height, clip.width, len(clip)) == (240, 427, 2) and len(list(clip)) == 2
    for image, labels in clip:
        assert image.shape == (240, 427, 3) and image.dtype == np.uint8
        assert labels.shape == (240, 427) and labels.dtype == np.uint8
        assert image.std() > 20


def test_the_same_pixels_every_time_in_any_order() -> None:
    first, second = PhotographClip(8, 64), PhotographClip(8, 64)
    forwards = list(first)
    for time in (7, 0, 4, 0):
        image, labels = second.frame(time)
        assert np.array_equal(image, forwards[time][0]) and np.array_equal(labels, forwards[time][1])
    assert not np.array_equal(forwards[0][0], forwards[1][0])


def test_labels_are_what_is_on_top(labels: np.ndarray, opacities: np.ndarray) -> None:
    """In each pixel the last, that is the frontmost, of the objects that cover more than half of it."""
    covering = opacities > 0.5
    frontmost = 3 - covering[:, ::-1].argmax(axis=1)
    assert np.array_equal(labels, np.where(covering.any(axis=1), frontmost, 0))


@pytest.mark.parametrize("time", TIMES)
def test_labels_are_what_the_picture_shows(time: int, opacities: np.ndarray) -> None:
    """Where an object is opaque and on top, the picture has its colours; where there is none, nothing of theirs."""
    image, labels = SMALL.frame(time)
    for index, object_id in enumerate(SMALL.names):
        inside = (labels == object_id) & (opacities[time, index] > 0.999) & (opacities[time, index + 1 :] < 0.001).all(axis=0)
        difference = np.abs(SMALL.layer(object_id, time)[..., :3][inside] - image[inside])
        assert not inside.any() or difference.mean() < 4, "more than the camera's noise"
    bare = (opacities[time] < 0.001).all(axis=0)
    assert (labels[bare] == 0).all() and bare.any()
    assert np.abs(SMALL._ground_at(time)[bare] - image[bare]).mean() < 4


def test_a_cutout_is_drawn_where_its_pose_says() -> None:
    """An opaque box, turned, against the equation of its sides."""
    box = np.ones((20, 40, 4), np.float32) * [200, 100, 50, 1]
    drawn = draw_cutout(box, Pose(0.5, 0.5, 0.25, 1, 30, 0, 0.5), (80, 120))
    rows, columns = np.mgrid[:80, :120] + 0.5
    turned = (columns - 60 + 1j * (rows - 40)) * np.exp(-1j * np.deg2rad(30))
    depth = np.minimum(20 - np.abs(turned.real), 10 - np.abs(turned.imag))
    assert (drawn[..., 3][depth > 0.75] > 0.99).all() and (drawn[..., 3][depth < -0.75] < 0.01).all()
    sure = np.abs(depth) > 0.25
    assert np.array_equal(drawn[..., 3][sure] > 0.5, depth[sure] > 0)
    assert np.allclose(drawn[40, 60], [100, 50, 25, 1], atol=1e-3)


def test_poses_go_smoothly_through_their_keys() -> None:
    keys = tuple(Pose(*row) for row in np.random.default_rng(0).uniform(0.1, 1, (5, 7)))
    for index, key in enumerate(keys):
        assert np.allclose(pose_at(keys, index / 4), key)
    poses = np.array([pose_at(keys, progress) for progress in np.linspace(-0.01, 1.01, 1021)])
    steps = np.diff(poses, axis=0)
    assert np.abs(steps).max() < 0.01 and np.abs(np.diff(steps, axis=0)).max() < 2e-4


@pytest.mark.parametrize("height", [48, 96, 240])
def test_every_object_is_seen_in_frame_0(height: int) -> None:
    labels = PhotographClip(height=height).frame(0)[1]
    areas = np.bincount(labels.ravel(), minlength=4) / labels.size
    assert len(areas) == 4 and areas[1:].min() > 0.03


def test_the_coffee_disappears_behind_the_cat_and_comes_back(labels: np.ndarray, opacities: np.ndarray) -> None:
    names = {name: object_id for object_id, name in SMALL.names.items()}
    whole = (opacities > 0.5).sum(axis=(2, 3))
    seen = np.stack([(labels == object_id).sum(axis=(1, 2)) for object_id in SMALL.names], axis=1) / whole
    coffee = seen[:, names["coffee"] - 1]
    hidden = np.flatnonzero(coffee < 0.02)
    assert 3 <= len(hidden) <= 8 and np.array_equal(hidden, np.arange(hidden[0], hidden[-1] + 1))
    assert coffee[: hidden[0] - 5].min() > 0.9 and coffee[hidden[-1] + 5 :].min() > 0.9
    assert 0.85 < seen[:, names["cat"] - 1].min() < 0.99, "nothing is in front of the cat"
    assert whole[hidden, 0].min() > 300, "it left the frame instead"


def test_cuts_stay_outside_the_frame(labels: np.ndarray) -> None:
    """The cat's photograph ends above its eyes: that border is never seen."""
    assert all((frame[0] == 2).sum() > 20 for frame in labels)
    lower = np.stack([frame[:-1] == 2 for frame in labels]).any(axis=2)
    assert lower[:, 0].all()


def test_the_first_mask_does_not_fit_for_long(labels: np.ndarray) -> None:
    overlap = [((labels[0] == i) & (labels[31] == i)).sum() / (labels[0] == i).sum() for i in (1, 2, 3)]
    assert max(overlap) < 0.3


@pytest.mark.parametrize("wrong", [{"frames": 0}, {"height": 47}])
def test_arguments_out_of_range(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError):
        PhotographClip(**wrong)
    for time in (-1, 32):
        with pytest.raises(IndexError):
            SMALL.frame(time)


def test_fewer_frames_show_the_same_without_more_blur(labels: np.ndarray) -> None:
    for frames in (1, 2):
        for time, (_, short) in enumerate(PhotographClip(frames, SMALL.height)):
            assert np.array_equal(short, labels[31 * time])


def test_every_picture_is_small_and_its_source_is_named() -> None:
    pictures = sorted(path for path in FOLDER.iterdir() if path.suffix in {".png", ".jpg"})
    notice = (FOLDER / "LICENSES.md").read_text()
    assert len(pictures) == 4 and all(f"`{path.name}`" in notice for path in pictures)
    assert sum(path.stat().st_size for path in pictures) < 300_000
    for path in pictures:
        if path.suffix == ".png":
            picture = read_cutout(path, 1250)
            assert max(picture.shape) <= 260 and picture[..., 3].min() == 0 and picture[..., 3].max() == 1


def test_davis_folder_and_conversion(tmp_path: Path) -> None:
    folder = tmp_path / "launch"
    assert main([str(folder), "--photographs", "--frames", "3", "--height", "64"]) == 0
    clip = PhotographClip(3, 64)
    files = sorted((folder / "Annotations" / "480p" / "launch_site").iterdir())
    for file, (_, labels) in zip(files, clip, strict=True):
        assert np.array_equal(read_label_map(file), labels)
    (tmp_path / "workspace").mkdir()
    convert = [sys.executable, "-m", "hodor.convert", "davis", folder, "--name", "demo", "--workspace", tmp_path / "workspace"]
    subprocess.run(convert, check=True, timeout=60, capture_output=True)
    (sequence,) = read_inference_json(tmp_path / "workspace" / "dataset_json_annotations" / "demo.json")
    assert sequence.id == "launch_site" and len(sequence.image_paths) == 3
    given = sequence.masks(0, 64, 114)
    assert sorted(given) == [1, 2, 3]
    assert all(np.array_equal(mask, clip.frame(0)[1] == object_id) for object_id, mask in given.items())


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        (("--seed", "1"), "--seed says nothing about --photographs"),
        (("--width", "300", "--objects", "2"), "--objects says nothing"),
        (("--height", "47"), "height 47"),
        (("--frames", "0"), "frames 0"),
    ],
)
def test_command_line_errors(tmp_path: Path, wrong: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(HodorError, match=complaint) as caught:
        main([str(tmp_path / "new"), "--photographs", *wrong])
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "new").exists()

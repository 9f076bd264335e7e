"""Following through files: interrupted runs, corrections and the pass backwards, each against a run that needed none of it."""

import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from support.small_models import small_model

from hodor.errors import HodorError
from hodor.formats.label_maps import write_label_map
from hodor.inference.segmenter import Segmenter
from hodor.media.drawing import object_palette
from hodor.media.images import write_image
from hodor.media.sources import Selection, open_source
from hodor.synthetic.clip import SyntheticClip
from hodor.tracking import follow
from hodor.tracking.confidences import Watch
from hodor.tracking.folder import TrackingFolder
from hodor.tracking.follow import Follower

FRAMES = 12


@pytest.fixture(scope="module")
def clip():
    return list(SyntheticClip(3, frames=FRAMES, height=64, width=96, objects=2))


@pytest.fixture(scope="module")
def segmenter():
    return Segmenter(small_model(), min_dim=64, max_dim=128, temporal_window=3, permanent_reference=True, device="cpu")


@pytest.fixture(autouse=True)
def often_saved(monkeypatch):
    monkeypatch.setattr(follow, "SAVE_INTERVAL", 4)


def frames_folder(path, images):
    for index, image in enumerate(images):
        write_image(path / f"{index:05d}.png", image)
    return open_source(str(path), Selection())


def give(folder, given):
    """Takes {frame: label map}."""
    with tempfile.TemporaryDirectory() as staged:
        for index, labels in given.items():
            write_label_map(Path(staged) / f"{index}.png", labels, object_palette())
        folder.take(Path(staged))


def run(segmenter, source, out, given, *, stop_after=None, backwards=False):
    """One start of the program on a folder; `given` is {frame: label map}."""
    folder = TrackingFolder(out)
    out.mkdir(exist_ok=True)
    folder.begin({"version": 1}, overwrite=False)
    give(folder, given)
    follower = Follower(segmenter, source, folder, Watch({}))
    seen = []

    def on_frame(frame):
        seen.append(frame.index)
        if len(seen) == stop_after:
            raise KeyboardInterrupt

    if backwards:
        follower.backwards(on_frame)
    follower.forwards(on_frame)
    return seen


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted([*folder.glob("masks/*"), *folder.glob("*.csv")])}


def only(labels, object_id):
    return np.where(labels == object_id, labels, 0)


@pytest.mark.parametrize("stop_after", [1, 4, 6])
def test_an_interrupted_run_goes_on_where_it_was_and_ends_the_same(tmp_path, clip, segmenter, stop_after):
    source = frames_folder(tmp_path / "frames", [image for image, _ in clip])
    given = {0: only(clip[0][1], 1), 5: only(clip[5][1], 2)}
    assert run(segmenter, source, tmp_path / "whole", given) == list(range(FRAMES))
    with pytest.raises(KeyboardInterrupt):
        run(segmenter, source, tmp_path / "parts", given, stop_after=stop_after)
    assert run(segmenter, source, tmp_path / "parts", given) == list(range(stop_after, FRAMES))
    assert len(contents(tmp_path / "whole")) == FRAMES + 1
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


def test_after_a_kill_the_last_state_that_was_kept_counts(tmp_path, clip, segmenter):
    source = frames_folder(tmp_path / "frames", [image for image, _ in clip])
    given = {0: clip[0][1]}
    run(segmenter, source, tmp_path / "whole", given)
    shutil.copytree(tmp_path / "whole", tmp_path / "killed")
    for path in (tmp_path / "killed/state").iterdir():  # a kill leaves what was kept up to frame 7, and masks behind it
        if path.stem != "8":
            path.unlink()
    assert run(segmenter, source, tmp_path / "killed", given) == list(range(8, FRAMES))
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def test_masks_behind_the_last_state_do_not_outlive_a_correction(tmp_path, clip, segmenter):
    source = frames_folder(tmp_path / "frames", [image for image, _ in clip])
    run(segmenter, source, tmp_path / "killed", {5: only(clip[5][1], 1)})
    for path in (tmp_path / "killed/state").iterdir():  # masks 8 to 11 are there, without a state behind them, or rows
        if path.stem != "8":
            path.unlink()
    table = tmp_path / "killed/confidences.csv"
    table.write_text(
        "".join(line for line in table.read_text().splitlines(keepends=True) if not line.startswith(("8,", "9,", "1")))
    )
    with pytest.raises(KeyboardInterrupt):
        run(segmenter, source, tmp_path / "killed", {5: only(clip[5][1], 1), 9: clip[9][1]}, stop_after=1)
    assert sorted(path.stem for path in (tmp_path / "killed/masks").iterdir()) == [f"{index:05d}" for index in range(9)]


def test_a_mask_that_is_corrected_later_costs_only_the_frames_from_there(tmp_path, clip, segmenter):
    source = frames_folder(tmp_path / "frames", [image for image, _ in clip])
    first, correction = {0: clip[0][1]}, {9: only(clip[9][1], 1)}
    run(segmenter, source, tmp_path / "whole", first | correction)
    run(segmenter, source, tmp_path / "parts", first)
    assert contents(tmp_path / "parts") != contents(tmp_path / "whole")
    assert run(segmenter, source, tmp_path / "parts", first | correction) == [8, 9, 10, 11]  # the state before frame 8 holds
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


def test_backwards_is_forwards_on_the_video_played_backwards(tmp_path, clip, segmenter):
    images = [image for image, _ in clip]
    start = 7
    source = frames_folder(tmp_path / "frames", images)
    mirrored = frames_folder(tmp_path / "mirrored", images[: start + 1][::-1])
    given = clip[start][1]
    run(segmenter, source, tmp_path / "both", {start: given}, backwards=True)
    run(segmenter, mirrored, tmp_path / "mirror", {0: given})
    run(segmenter, source, tmp_path / "after", {start: given})
    both, mirror, after = (TrackingFolder(tmp_path / name).forwards for name in ("both", "mirror", "after"))
    for index in range(FRAMES):
        expected = mirror.mask(f"{start - index:05d}") if index < start else after.mask(f"{index:05d}")
        np.testing.assert_array_equal(both.mask(f"{index:05d}"), expected)
    assert {row.frame for row in both.rows()} == set(range(FRAMES))


def test_backwards_with_an_object_that_is_given_later_leaves_the_other_as_it_was(tmp_path, clip, segmenter):
    source = frames_folder(tmp_path / "frames", [image for image, _ in clip])
    given = {2: only(clip[2][1], 1), 8: only(clip[8][1], 2)}
    run(segmenter, source, tmp_path / "forwards", given)
    run(segmenter, source, tmp_path / "both", given, backwards=True)
    forwards, both = TrackingFolder(tmp_path / "forwards").forwards, TrackingFolder(tmp_path / "both").forwards
    for index in range(2, FRAMES):
        before, now = forwards.mask(f"{index:05d}"), both.mask(f"{index:05d}")
        np.testing.assert_array_equal(now[before > 0], before[before > 0])
        assert index < 8 or np.array_equal(now, before)
    assert {row.object_id for row in both.rows() if row.frame == 0} == {1, 2}


@pytest.mark.parametrize("added", [{7: 2}, {3: 2}, {9: 1}, {7: 1}])
def test_backwards_with_masks_that_come_later_is_as_if_they_had_been_there_at_first(tmp_path, clip, segmenter, added):
    source = frames_folder(tmp_path / "frames", [image for image, _ in clip])
    first = {5: only(clip[5][1], 1)}
    later = {index: only(clip[index][1], object_id) for index, object_id in added.items()}
    run(segmenter, source, tmp_path / "whole", first | later, backwards=True)
    run(segmenter, source, tmp_path / "parts", first, backwards=True)
    run(segmenter, source, tmp_path / "parts", first | later, backwards=True)
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


def test_a_source_that_breaks_off_keeps_what_was_found(tmp_path, clip, segmenter):
    source = frames_folder(tmp_path / "frames", [image for image, _ in clip])
    (tmp_path / "frames/00006.png").write_bytes((tmp_path / "frames/00006.png").read_bytes()[:500])
    folder = TrackingFolder(tmp_path / "out")
    folder.folder.mkdir()
    folder.begin({}, overwrite=False)
    give(folder, {0: clip[0][1]})
    broken = Follower(segmenter, source, folder, Watch({})).forwards(lambda frame: None)
    assert isinstance(broken, HodorError) and "00006.png" in str(broken)
    assert [path.stem for path in sorted((tmp_path / "out/masks").iterdir())] == [f"{index:05d}" for index in range(6)]
    assert not folder.forwards.is_finished


def test_a_broken_state_is_named(tmp_path, clip, segmenter):
    source = frames_folder(tmp_path / "frames", [image for image, _ in clip])
    with pytest.raises(KeyboardInterrupt):
        run(segmenter, source, tmp_path / "out", {0: clip[0][1]}, stop_after=6)
    Path(tmp_path / "out/state/6.pt").write_bytes(b"no state")
    with pytest.raises(HodorError, match=r"6\.pt: broken; remove it"):
        run(segmenter, source, tmp_path / "out", {0: clip[0][1]})


def test_folders_of_others_and_other_settings_are_refused(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/aunt.jpg").write_bytes(b"")
    with pytest.raises(HodorError, match="holds files that no run of tracking wrote"):
        TrackingFolder(tmp_path / "photos").begin({}, overwrite=False)
    with pytest.raises(HodorError, match="holds files that no run of tracking wrote"):
        TrackingFolder(tmp_path / "photos").begin({}, overwrite=True)
    (tmp_path / "out").mkdir()
    TrackingFolder(tmp_path / "out").begin({"checkpoint": "a", "version": 1}, overwrite=False)
    with pytest.raises(HodorError, match=r'another checkpoint \("a" instead of "b"\).*--overwrite'):
        TrackingFolder(tmp_path / "out").begin({"checkpoint": "b", "version": 1}, overwrite=False)
    TrackingFolder(tmp_path / "out").begin({"checkpoint": "b", "version": 1}, overwrite=True)
    TrackingFolder(tmp_path / "out").begin({"checkpoint": "b", "version": 1}, overwrite=False)


@pytest.mark.parametrize("how", [{"overwrite": True}, {"overwrite": False, "overwrite_other": True}])
def test_beginning_anew_removes_what_runs_wrote_and_nothing_else(tmp_path, how):
    folder = TrackingFolder(tmp_path)
    folder.begin({"checkpoint": "a"}, overwrite=False)
    for name in ("masks/00000.png", "given/0.png", "notes.txt", "page/session.json", ".scratch.partial/1.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    folder.begin({"checkpoint": "b"}, **how)
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"session.json", "notes.txt", "page/session.json", ".scratch.partial/1.png"}
    assert json.loads((tmp_path / "session.json").read_text()) == {"checkpoint": "b"}


def test_beginning_anew_is_no_loss_where_settings_are_the_same(tmp_path):
    folder = TrackingFolder(tmp_path)
    folder.begin({"checkpoint": "a"}, overwrite=False)
    (tmp_path / "masks").mkdir()
    folder.begin({"checkpoint": "a"}, overwrite=False, overwrite_other=True)
    assert (tmp_path / "masks").is_dir()
    (tmp_path / "session.json").write_bytes(b"{")
    with pytest.raises(HodorError, match=r"session\.json: broken; add --overwrite"):
        folder.begin({"checkpoint": "a"}, overwrite=False)
    folder.begin({"checkpoint": "a"}, overwrite=False, overwrite_other=True)
    assert not (tmp_path / "masks").exists()

"""What the system does to a program: closed folders, a full disk, frames that go, a clock that jumps back."""

import ctypes
import itertools
import resource
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from support.torchrun import ROOT

from hodor.errors import HodorError
from hodor.formats.label_maps import davis_palette, read_label_map, write_label_map
from hodor.media.images import write_image
from hodor.media.sources import Selection, open_source
from hodor.synthetic import SyntheticClip, write_davis_folder
from hodor.tracking.program import main as track

DROP_FROM_BOUNDING_SET, OVERRIDE, READ_SEARCH = 24, 1, 2


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    for index, (image, labels) in enumerate(SyntheticClip(2, 6, 48, 80, 2)):
        write_image(folder / f"frames/{index}.png", image)
        if index == 0:
            write_label_map(folder / "first.png", labels, davis_palette())
    return folder


def command(clip, out, *more):
    given = ["--masks", clip / "first.png", "--min_image_dim", 32, "--device", "cpu", "--out", out, "--format", *more]
    return list(map(str, [clip / "frames", *given]))


def followed(clip, out):
    assert track(command(clip, out)) == 0
    return [read_label_map(path) for path in sorted((out / "masks").iterdir())], (out / "confidences.csv").read_text()


@pytest.fixture(scope="module")
def undisturbed(clip, tmp_path_factory):
    return followed(clip, tmp_path_factory.mktemp("undisturbed") / "out")


def bound_by_permissions():
    """Even root may not write then what the permissions of a folder forbid."""
    for capability in (OVERRIDE, READ_SEARCH):
        ctypes.CDLL(None).prctl(DROP_FROM_BOUNDING_SET, capability, 0, 0, 0)


def short_of_space():
    resource.setrlimit(resource.RLIMIT_FSIZE, (400, 400))


def refused(*words, limit):
    """The one line with which a program refuses."""
    done = subprocess.run(
        [sys.executable, "-m", "hodor", *map(str, words)],
        cwd=ROOT, capture_output=True, text=True, check=False, preexec_fn=limit,
    )  # fmt: skip
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode == 1 and len(errors) == 1 and "Traceback" not in done.stderr, done.stderr
    return errors[0]


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux' capabilities")
def test_a_folder_that_may_not_be_written_is_one_line_and_stays_as_it_is(clip, tmp_path):
    write_davis_folder(tmp_path / "davis", [("toys", SyntheticClip(0, 2, 48, 80, 1))])
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0o555)
    truth = tmp_path / "davis/Annotations/480p"
    for words in (
        ["track", *command(clip, closed / "out")],
        ["convert", "davis", tmp_path / "davis", "--name", "toys", "--workspace", closed],
        ["evaluate", truth, "--ground_truth", truth, "--num_workers", 1, "--output_dir", closed / "out"],
        ["synthetic", closed / "out"],
    ):
        line = refused(*words, limit=bound_by_permissions)
        assert "Permission denied" in line and str(closed) in line
    assert not list(closed.iterdir())


def test_a_full_disk_stops_tracking_with_one_line_and_the_same_command_goes_on(clip, tmp_path, undisturbed):
    line = refused(
        "track", *command(clip, tmp_path / "out"), limit=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (400, 400))
    )
    assert "File too large" in line and str(tmp_path / "out") in line
    assert not [path for path in (tmp_path / "out").rglob("*") if ".partial" in path.name]
    labels, table = followed(clip, tmp_path / "out")
    assert table == undisturbed[1] and np.array_equal(labels, undisturbed[0])


def test_a_frame_that_disappears_is_named_after_those_before_it(tmp_path):
    for index in range(4):
        write_image(tmp_path / f"{index}.png", np.zeros((8, 8, 3), np.uint8))
    frames = open_source(str(tmp_path), Selection()).frames()
    assert next(frames).index == 0
    (tmp_path / "2.png").unlink()
    assert next(frames).index == 1
    with pytest.raises(HodorError, match=r"2\.png: no such file"):
        next(frames)


def test_a_clock_that_jumps_back_changes_nothing(clip, tmp_path, undisturbed, monkeypatch):
    now, steps = time.time(), itertools.count()
    monkeypatch.setattr(time, "time", lambda: now - 3600 * next(steps))
    assert time.time() > time.time()
    labels, table = followed(clip, tmp_path / "out")
    assert table == undisturbed[1] and np.array_equal(labels, undisturbed[0])


def test_the_number_of_threads_moves_next_to_nothing(clip, tmp_path, undisturbed):
    before = torch.get_num_threads()
    torch.set_num_threads(3 if before < 3 else 1)
    try:
        labels, _ = followed(clip, tmp_path / "out")
    finally:
        torch.set_num_threads(before)
    differing = np.mean([np.mean(one != other) for one, other in zip(labels, undisturbed[0], strict=True)])
    assert differing <= 1e-3

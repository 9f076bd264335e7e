"""The program that splits a video into frames, as a real process."""

import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hodor.media.images import read_image
from hodor.media.videos import write_video


def split(*arguments: object, largest_file: int | None = None) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "hodor.media.split", *map(str, arguments)]
    limits = None if largest_file is None else lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parent, preexec_fn=limits)


def test_a_video_becomes_numbered_frames(tmp_path):
    brightness = [20, 90, 160, 230]
    write_video(tmp_path / "clip.mp4", [np.full((48, 64, 3), value, dtype=np.uint8) for value in brightness])
    result = split(tmp_path / "clip.mp4", tmp_path / "frames")
    assert result.returncode == 0, result.stderr
    paths = sorted((tmp_path / "frames").iterdir())
    assert [path.name for path in paths] == ["00000.jpg", "00001.jpg", "00002.jpg", "00003.jpg"]
    for path, value in zip(paths, brightness, strict=True):
        assert abs(read_image(path).mean() - value) < 5
    again = split(tmp_path / "clip.mp4", tmp_path / "frames")
    assert again.returncode == 1 and "exists and is not empty; name a new folder" in again.stderr


def test_a_broken_video_leaves_no_folder(tmp_path):
    write_video(tmp_path / "clip.mp4", [np.zeros((48, 64, 3), dtype=np.uint8)] * 3)
    (tmp_path / "clip.mp4").write_bytes((tmp_path / "clip.mp4").read_bytes()[:700])
    result = split(tmp_path / "clip.mp4", tmp_path / "frames")
    assert result.returncode == 1 and "Traceback" not in result.stderr
    assert len(result.stderr.splitlines()) == 1 and "clip.mp4: broken" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


def test_a_disk_that_takes_no_more_is_an_error_that_names_the_folder(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    write_video(tmp_path / "clip.mp4", [noise] * 2)
    result = split(tmp_path / "clip.mp4", tmp_path / "frames", largest_file=4096)
    assert result.returncode == 1 and "Traceback" not in result.stderr
    assert str(tmp_path / "frames") in result.stderr.splitlines()[-1] and "error:" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


@pytest.mark.parametrize("limit", ["0", "-1", "many"])
def test_a_limit_on_pixels_is_a_whole_number_from_1_on(tmp_path, limit):
    result = split(tmp_path / "clip.mp4", tmp_path / "frames", "--max_pixels", limit)
    assert result.returncode == 2 and "must be a whole number, at least 1" in result.stderr
    assert len(result.stderr.splitlines()) == 1

"""The program that splits a video into frames, as a real process."""

import subprocess
import sys
from pathlib import Path

import numpy as np

from hodor.media.images import read_image
from hodor.media.videos import write_video


def split(*arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "hodor.media.split", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parent)


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

"""Videos that end too early are reported, whole ones never."""

import subprocess
import sys
from fractions import Fraction
from itertools import accumulate, cycle
from pathlib import Path

import av
import numpy as np
import pytest

from hodor.errors import HodorError
from hodor.media.videos import read_video

FRAMES = 40
CODECS = {"mkv": "libx264", "avi": "mpeg4", "ts": "libx264", "mp4": "libx264", "webm": "libvpx"}


def write(path: Path, durations: tuple[int, ...] = ()) -> None:
    """Noise, so that frames have about equal sizes; frames of given durations in ms, else 24 a second."""
    noise = np.random.default_rng(0)
    options = {"movflags": "faststart"} if path.suffix == ".mp4" else {}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(CODECS[path.suffix[1:]], rate=24)
        stream.thread_count = 1  # of several, x264 sometimes writes other bytes, and a cut may fall where nobody can see it
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        times = accumulate(cycle(durations or (0,)), initial=0)
        if durations:
            stream.codec_context.time_base = Fraction(1, 1000)
        for _, time in zip(range(FRAMES), times, strict=False):
            frame = av.VideoFrame.from_ndarray(noise.integers(0, 255, (48, 64, 3), dtype=np.uint8), format="rgb24")
            if durations:
                frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def cut(path: Path, part: float) -> None:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])


def read(path: Path) -> tuple[int, str]:
    """How many frames came, and the complaint after them."""
    count = 0
    try:
        for _ in read_video(path):
            count += 1
    except HodorError as error:
        return count, str(error)
    return count, ""


@pytest.mark.parametrize("durations", [(), (20, 33, 400, 50, 120)], ids=["even", "uneven"])
@pytest.mark.parametrize("suffix", CODECS)
def test_a_whole_video_is_not_reported(tmp_path, suffix, durations):
    write(tmp_path / f"clip.{suffix}", durations)
    assert read(tmp_path / f"clip.{suffix}") == (FRAMES, "")


@pytest.mark.parametrize("part", [0.6, 0.9])
@pytest.mark.parametrize("suffix", CODECS)
def test_a_truncated_video_is_reported_after_its_frames(tmp_path, suffix, part):
    path = tmp_path / f"clip.{suffix}"
    write(path)
    cut(path, part)
    count, complaint = read(path)
    assert FRAMES * part * 0.7 < count < FRAMES
    assert complaint.startswith(f"{path}: ") and f"{count} frames" in complaint
    if suffix != "ts":  # which promises nothing, but ends with half a frame
        assert f"{FRAMES} promised" in complaint


def test_a_damaged_middle_is_reported_after_the_frames_before_it(tmp_path):
    path = tmp_path / "clip.mp4"
    write(path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 9000] = bytes(9000)
    path.write_bytes(data)
    count, complaint = read(path)
    assert count > FRAMES // 4 and "broken in the middle" in complaint and f"of {FRAMES} promised" in complaint


def test_splitting_keeps_what_came_and_fails(tmp_path):
    write(tmp_path / "clip.mkv")
    cut(tmp_path / "clip.mkv", 0.6)
    command = [sys.executable, "-m", "hodor.media.split", str(tmp_path / "clip.mkv"), str(tmp_path / "frames")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    count = len(list((tmp_path / "frames").iterdir()))
    assert result.returncode == 1 and FRAMES * 0.4 < count < FRAMES and f"wrote {count} frames" in result.stdout
    assert len(result.stderr.splitlines()) == 1 and f"{count} frames of about {FRAMES} promised" in result.stderr


def test_frames_that_are_too_large_are_seen_in_the_header(tmp_path):
    write(tmp_path / "clip.mkv")
    with pytest.raises(HodorError, match=r"clip\.mkv: has 64x48 pixels, and 3071 are the most"):
        next(read_video(tmp_path / "clip.mkv", max_pixels=64 * 48 - 1))
    assert len(list(read_video(tmp_path / "clip.mkv", max_pixels=64 * 48))) == FRAMES

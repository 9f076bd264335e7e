"""Video files: what is written can be read, whole or not at all."""

import numpy as np
import pytest

from hodor.errors import HodorError
from hodor.media.videos import read_video, write_video


def moving_square(count: int, height: int, width: int) -> list[np.ndarray]:
    frames = [np.full((height, width, 3), (30, 90, 160), dtype=np.uint8) for _ in range(count)]
    for time, frame in enumerate(frames):
        frame[10:30, 4 * time : 4 * time + 20] = (220, 60, 30)
    return frames


@pytest.mark.parametrize(("height", "width"), [(48, 96), (47, 95), (1, 9)])
def test_frames_come_back_in_order_and_nearly_as_they_were(tmp_path, height, width):
    frames = moving_square(12, height, width)
    even = (height + height % 2, width + width % 2, 3)
    write_video(tmp_path / "clip.mp4", frames, rate=29.97)
    found = list(read_video(tmp_path / "clip.mp4"))
    assert len(found) == 12
    for written, read in zip(frames, found, strict=True):
        assert read.shape == even and read.dtype == np.uint8
        assert np.abs(read[:height, :width].astype(int) - written).mean() < 6
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


def test_frames_are_read_one_at_a_time(tmp_path):
    write_video(tmp_path / "clip.mp4", moving_square(12, 48, 96))
    frames = read_video(tmp_path / "clip.mp4")
    assert next(frames).shape == (48, 96, 3)
    frames.close()


def test_what_cant_be_written_leaves_nothing_behind(tmp_path):
    with pytest.raises(HodorError, match=r"clip\.mp4: no frames to write"):
        write_video(tmp_path / "clip.mp4", [])
    with pytest.raises(HodorError, match=r"clip\.mp4: frames of 96x48 and 80x48 in one video"):
        write_video(tmp_path / "clip.mp4", [*moving_square(2, 48, 96), *moving_square(1, 48, 80)])
    assert not list(tmp_path.iterdir())


def test_what_is_no_video_is_said_so(tmp_path):
    with pytest.raises(HodorError, match=r"a\.mp4: no such video"):
        next(read_video(tmp_path / "a.mp4"))
    (tmp_path / "b.mp4").write_bytes(b"no video at all" * 100)
    with pytest.raises(HodorError, match=r"b\.mp4: broken, or no video"):
        next(read_video(tmp_path / "b.mp4"))
    write_video(tmp_path / "c.mp4", moving_square(12, 48, 96))
    (tmp_path / "c.mp4").write_bytes((tmp_path / "c.mp4").read_bytes()[:900])
    with pytest.raises(HodorError, match=r"c\.mp4: broken"):
        list(read_video(tmp_path / "c.mp4"))

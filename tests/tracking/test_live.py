"""A camera that is recorded while it is followed; FFmpeg's test picture stands for the device."""

import errno
import os
import signal

import numpy as np
import pytest

from hodor.errors import HodorError
from hodor.media.camera_source import CameraSource
from hodor.media.images import MAX_PIXELS
from hodor.media.sources import Selection
from hodor.media.videos import read_video
from hodor.tracking import inputs, program
from hodor.tracking.folder import StoredPass
from hodor.tracking.live import RecordedCamera


def camera(selection, size="101x75"):
    return CameraSource("camera:test", f"testsrc=size={size}:rate=25", "lavfi", selection, MAX_PIXELS)


def alike(one, other):
    return np.abs(one.astype(int) - other.astype(int)).mean() < 12  # a recording is compressed


def test_frames_come_again_from_the_recording(tmp_path):
    source = RecordedCamera(camera(Selection(start=2, end=9, stride=3)), tmp_path / "camera.mp4")
    first = source.frame(2)
    taken = list(source.frames())
    assert [frame.index for frame in taken] == [2, 5, 8] and (first.image == taken[0].image).all()
    assert len(list(read_video(tmp_path / "camera.mp4"))) == 3 == source.expected_frames()
    for _ in range(2):
        again = list(source.frames(5))
        assert [(frame.index, frame.time) for frame in again] == [(frame.index, frame.time) for frame in taken[1:]]
        assert all(alike(one.image, other.image) for one, other in zip(again, taken[1:], strict=True))
        assert again[0].image.shape == (75, 101, 3)


def test_ctrl_c_ends_the_recording_and_once_more_the_program(tmp_path):
    source = RecordedCamera(camera(Selection()), tmp_path / "camera.mp4")
    seen = []
    with source.stopped_by_interrupt():
        for frame in source.frames():
            seen.append(frame.index)
            if len(seen) == 4:
                os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert seen == [0, 1, 2, 3] and len(list(read_video(tmp_path / "camera.mp4"))) == 4


def test_what_a_camera_gave_before_it_was_unplugged_is_kept(tmp_path):
    device = CameraSource("camera:test", "testsrc=size=64x48:rate=25:duration=0.2", "lavfi", Selection(), MAX_PIXELS)
    source = RecordedCamera(device, tmp_path / "camera.mp4")
    with pytest.raises(HodorError, match="camera:test"):
        list(source.frames())
    assert len(list(read_video(tmp_path / "camera.mp4"))) == 5


def test_a_second_recording_in_one_folder_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(inputs, "open_source", lambda text, selection, **_: camera(selection))
    line = ["camera:0", "--box", "20,20,80,60", "--end", "3", "--min_dim", "64", "--device", "cpu", "-o", str(tmp_path / "out")]
    assert program.main(line) == 0
    assert len(list(read_video(tmp_path / "out/overlay.mp4"))) == 3 == len(list((tmp_path / "out/masks").iterdir()))
    with pytest.raises(HodorError, match=r"holds a recording already; .*--overwrite"):
        program.main(line)
    assert program.main([*line, "--overwrite"]) == 0


def test_what_a_camera_showed_is_kept_when_something_else_fails(tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO")
    monkeypatch.setattr(inputs, "open_source", lambda text, selection, **_: camera(selection))
    written = []

    def full(self, name, labels):
        written.append(name)
        if len(written) == 4:
            raise OSError(errno.ENOSPC, "No space left on device", name)

    monkeypatch.setattr(StoredPass, "write", full)
    out = tmp_path / "out"
    line = ["camera:0", "--box", "20,20,80,60", "--end", "40", "--min_dim", "64", "--device", "cpu", "-o", str(out)]
    with pytest.raises(OSError, match="No space left"):
        program.main(line)
    assert len(list(read_video(out / "camera.mp4"))) >= 4
    assert "what the camera showed is in camera.mp4" in caplog.text and "the same command" not in caplog.text


def test_a_camera_is_not_followed_backwards_and_nothing_is_begun(tmp_path, monkeypatch):
    monkeypatch.setattr(inputs, "open_source", lambda text, selection, **_: camera(selection))
    with pytest.raises(HodorError, match=r"^--backwards: a camera can't be followed backwards"):
        program.main(["camera:0", "--box", "20,20,80,60", "--backwards", "-o", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()

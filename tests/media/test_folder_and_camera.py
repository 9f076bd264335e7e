"""Frames of folders of images, and of cameras: here one of FFmpeg's own that needs no device."""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from made_videos import moving_frames
from PIL import Image

from hodor.errors import HodorError
from hodor.media.camera_source import CameraSource
from hodor.media.images import MAX_PIXELS
from hodor.media.sources import Selection, SourceFrame, open_source

FRAMES = moving_frames(12)


def write_folder(folder: Path, names: list[str]) -> str:
    folder.mkdir()
    for image, name in zip(FRAMES, names, strict=False):
        Image.fromarray(image).save(folder / name)
    return str(folder)


def test_images_come_in_natural_order_in_both_directions(tmp_path):
    text = write_folder(tmp_path / "f", [f"f{index}.png" for index in range(12)])
    (tmp_path / "f" / "notes.txt").write_text("no image")
    (tmp_path / "f" / ".f3.png").write_text("of some system")
    (tmp_path / "f" / "more").mkdir()
    source = open_source(text, Selection(1, 11, 3, max_size=32), rate=10)
    assert source.expected_frames() == 4 and source.rate == 10 and source.audio is None and source.end_time == 1.1
    forwards, backwards = list(source.frames(2)), list(source.backwards(8))
    assert [frame.index for frame in forwards] == [4, 7, 10] and [frame.index for frame in backwards] == [7, 4, 1]
    assert [frame.time for frame in forwards] == [0.4, 0.7, 1.0] and forwards[0].image.shape == (24, 32, 3)
    whole = open_source(text, Selection())
    assert whole.rate == 24 and whole.end_time is None
    assert all(np.array_equal(frame.image, image) for frame, image in zip(whole.frames(), FRAMES, strict=True))
    assert whole.index_of("f11") == 11 and whole.name_of(11) == "f11" and whole.index_of("11") is None
    assert np.array_equal(whole.frame(9).image, FRAMES[9])
    with pytest.raises(HodorError, match="has no frame 12; its last is 11"):
        whole.frame(12)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_photographs_are_turned_upright(tmp_path, orientation, suffix):
    folder = tmp_path / "f"
    folder.mkdir()
    way_back = {1: 0, 2: 0, 3: 2, 4: 2, 5: 1, 6: 1, 7: 3, 8: 3}[orientation]  # quarters to the left, from upright to stored
    stored = np.rot90(FRAMES[0], way_back)
    if orientation in {2, 4, 5, 7}:
        stored = stored[:, ::-1] if orientation in {2, 4} else stored[::-1]
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(folder / f"a{suffix}", exif=exif, quality=100, subsampling=0)
    frame = open_source(str(folder), Selection()).frame(0)
    assert frame.full_size == (48, 64) and np.abs(frame.image.astype(int) - FRAMES[0]).mean() < 2


def test_a_broken_image_is_an_error_after_those_before_it(tmp_path):
    text = write_folder(tmp_path / "f", [f"{index:05d}.png" for index in range(6)])
    for name, content in (("00003.png", b""), ("00004.png", (tmp_path / "f" / "00004.png").read_bytes()[:300])):
        (tmp_path / "f" / name).write_bytes(content)
    came = []
    with pytest.raises(HodorError, match=r"00003\.png: the file is empty"):
        collect(open_source(text, Selection()).frames(), came)
    assert came == [0, 1, 2]
    with pytest.raises(HodorError, match=r"00004\.png: the file is truncated"):
        collect(open_source(text, Selection()).backwards(9), came)
    assert came == [0, 1, 2, 5]


def collect(frames: Iterable[SourceFrame], indices: list[int]) -> None:
    for frame in frames:
        indices.append(frame.index)


def test_folders_that_are_none_of_frames_are_one_line(tmp_path):
    for folder in ("clips", "clips/bear"):
        (tmp_path / folder).mkdir()
    (tmp_path / "empty").mkdir()
    twice = write_folder(tmp_path / "twice", ["a.png", "a.jpg"])
    mixed = write_folder(tmp_path / "mixed", ["a.png", "b.png"])
    Image.fromarray(FRAMES[0][:40]).save(tmp_path / "mixed" / "c.png")
    cases = {
        str(tmp_path / "clips"): r"clips: no images in it .*; name one of the folders in it, such as .*clips/bear$",
        str(tmp_path / "empty"): r"empty: no images in it \(looked for \.bmp, .*\); name a folder of frames",
        twice: r"twice: a\.jpg and a\.png have the same name; keep one of them",
        mixed: r"mixed: c\.png has 64x40 pixels, but a\.png has 64x48; all images of a folder must have the same size",
        str(tmp_path / "nothing"): r"nothing: no such video",
    }
    for text, message in cases.items():
        with pytest.raises(HodorError, match=message):
            open_source(text, Selection())
    with pytest.raises(HodorError, match="--start 3 is behind its last frame, which is 2"):
        open_source(mixed, Selection(start=3))
    for rate in (0.0, -1.0, float("nan")):
        with pytest.raises(HodorError, match="--rate must be a number above 0"):
            open_source(mixed, Selection(), rate=rate)
    with pytest.raises(HodorError, match="has 64x48 pixels, and 9 are the most"):
        open_source(mixed, Selection(end=2), max_pixels=9).frame(0)


def camera(selection: Selection, seconds: int = 60) -> CameraSource:
    return CameraSource("camera:0", f"testsrc2=size=64x48:rate=10:duration={seconds}", "lavfi", selection, MAX_PIXELS)


def test_a_camera_gives_each_frame_once():
    source = camera(Selection(2, 9, 3, max_size=32))
    assert source.rate == 10 and source.audio is None and source.expected_frames() == 3
    first = source.frame(2)
    assert np.array_equal(source.frame(2).image, first.image)
    frames = list(source.frames())
    assert [frame.index for frame in frames] == [2, 5, 8] and np.array_equal(frames[0].image, first.image)
    assert [round(frame.time, 6) for frame in frames] == [0.2, 0.5, 0.8] and frames[0].image.shape == (24, 32, 3)
    for again, message in ((lambda: list(source.frames()), "only once"), (lambda: source.frame(2), "only frame 2")):
        with pytest.raises(HodorError, match=f"^camera:0: .*{message}"):
            again()
    with pytest.raises(HodorError, match="backwards"):
        source.backwards(5)


def test_a_camera_that_stops_is_an_error_after_its_frames():
    source, came = camera(Selection(), seconds=1), []
    assert source.expected_frames() is None
    with pytest.raises(HodorError, match="camera:0: the camera gives no more pictures"):
        collect(source.frames(), came)
    assert came == list(range(10))


def test_a_camera_that_isnt_there_is_one_line():
    program = (
        "import sys; from hodor.program import run; from hodor.media.sources import Selection, open_source;"
        "run(lambda _: open_source(sys.argv[1], Selection()) and 0)"
    )
    done = subprocess.run([sys.executable, "-c", program, "camera:79"], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.startswith("error: camera:79: no camera that can be read there")
    assert len(done.stderr.splitlines()) == 1
    for text in ("camera:/dev/none", "camera:"):
        with pytest.raises(HodorError, match=f"^{text}: "):
            open_source(text, Selection())


def test_a_device_without_pictures_is_one_line():
    with pytest.raises(HodorError, match=r"^camera:0: gives no pictures; name a camera$"):
        CameraSource("camera:0", "sine=duration=1", "lavfi", Selection(), MAX_PIXELS)

"""Frames of video files: forwards, backwards and one at a time they are the same, whatever the file is like."""

import gc
import struct

import av
import numpy as np
import pytest
from made_videos import moving_frames, write

from hodor.errors import HodorError
from hodor.media import video_source
from hodor.media.sources import Selection, SourceFrame, open_source
from hodor.media.videos import read_video

FRAMES = 50
UNEVEN = np.cumsum(np.resize([0.020, 0.033, 0.400, 0.050, 0.121], FRAMES)).tolist()
H265 = {"x265-params": "open-gop=1:keyint=12:bframes=3:log-level=none"}
KINDS = {
    "b_frames.mp4": {"options": {"bf": "3"}},
    "open_gop.mp4": {"options": {"x264-params": "open-gop=1:bframes=3:b-pyramid=none:scenecut=0"}},
    "open_gop.mkv": {"codec": "libx265", "options": H265},
    "uneven.mp4": {"times": UNEVEN},
    "uneven.mkv": {"times": UNEVEN},
    "refreshed.mp4": {"options": {"x264-params": "intra-refresh=1:bframes=0"}},
    "one_keyframe.mp4": {"gop": 1000},
    "a.webm": {"codec": "libvpx-vp9"},
    "a.avi": {"codec": "mpeg4"},
    "h264.avi": {},
    "a.ts": {"codec": "mpeg2video"},
    "a.flv": {},
    "raw.h264": {"form": "h264"},
}


def same(one: SourceFrame, other: SourceFrame) -> bool:
    return one.index == other.index and one.time == other.time and np.array_equal(one.image, other.image)


@pytest.mark.parametrize("name", KINDS)
def test_backwards_and_single_frames_are_those_read_forwards(tmp_path, monkeypatch, name):
    monkeypatch.setattr(video_source, "_BYTES_HELD", 7 * 64 * 48 * 3)  # less than the frames between two keyframes
    path = write(tmp_path / name, moving_frames(FRAMES), **KINDS[name])
    forwards = list(open_source(str(path), Selection()).frames())
    assert [frame.index for frame in forwards] == list(range(FRAMES))
    assert all(np.array_equal(frame.image, image) for frame, image in zip(forwards, read_video(path), strict=True))
    for begin in (FRAMES + 9, 31):
        backwards = list(open_source(str(path), Selection()).backwards(begin))
        assert len(backwards) == min(begin + 1, FRAMES)
        assert all(same(*pair) for pair in zip(forwards[: begin + 1], reversed(backwards), strict=True))
    fresh = open_source(str(path), Selection())
    for index in (17, 3, 49, 0, 36, 35, 12):
        assert same(fresh.frame(index), forwards[index])
    assert [frame.index for frame in fresh.frames(41)] == list(range(41, FRAMES))
    assert all(same(frame, forwards[frame.index]) for frame in fresh.frames(41))


def test_seeking_spares_most_of_the_reading(tmp_path, monkeypatch):
    path = write(tmp_path / "a.mp4", moving_frames(120), options={"x264-params": "open-gop=1"})
    source = open_source(str(path), Selection())
    list(source.frames())
    read = []
    decode = video_source.decode

    def counted(*arguments):
        for each in decode(*arguments):
            read.append(each[0])
            yield each

    monkeypatch.setattr(video_source, "decode", counted)
    source.frame(100)
    assert len(read) < 30
    read.clear()
    monkeypatch.setattr(video_source, "_BYTES_HELD", 30 * 64 * 48 * 3)
    list(source.backwards(119))
    assert len(read) < 1.5 * 120


def test_times_are_those_of_the_file(tmp_path):
    for suffix in ("mp4", "mkv"):
        path = write(tmp_path / f"a.{suffix}", moving_frames(FRAMES), times=UNEVEN)
        times = [frame.time for frame in open_source(str(path), Selection()).frames()]
        assert np.abs(np.array(times) - (np.array(UNEVEN) - UNEVEN[0])).max() < 0.002
    even = open_source(str(write(tmp_path / "even.ts", moving_frames(FRAMES))), Selection(end=30))
    assert even.rate == 24 and np.allclose([frame.time for frame in even.frames()], np.arange(30) / 24, atol=1e-4)
    assert even.end_time == pytest.approx(30 / 24, abs=1e-4) and open_source(even.name, Selection(end=99)).end_time is None


def test_a_selection_keeps_indices_and_times(tmp_path):
    path = str(write(tmp_path / "a.mp4", moving_frames(FRAMES)))
    every = list(open_source(path, Selection()).frames())
    source = open_source(path, Selection(5, 33, 4, max_size=32))
    wanted = list(range(5, 33, 4))
    assert source.expected_frames() == len(wanted)
    for frames, indices in ((source.frames(), wanted), (source.frames(14), wanted[3:]), (source.backwards(20), wanted[3::-1])):
        found = list(frames)
        assert [frame.index for frame in found] == indices
        assert all(frame.time == every[frame.index].time and frame.image.shape == (24, 32, 3) for frame in found)
        assert all(frame.full_size == (48, 64) for frame in found)
    means = every[9].image.reshape(24, 2, 32, 2, 3).mean(axis=(1, 3))
    assert np.abs(source.frame(9).image - means).max() <= 1
    assert open_source(path, Selection(max_size=64)).frame(9).image.shape == (48, 64, 3)
    assert source.index_of("00017") == source.index_of("17") == 17 and source.index_of("x17") is None
    assert source.name_of(17) == "00017" and not list(source.frames(33))


@pytest.mark.parametrize(
    ("rotation", "upright"),
    [
        ((90, False, False), np.rot90),
        ((-90, False, False), lambda image: np.rot90(image, -1)),
        ((180, False, False), lambda image: np.rot90(image, 2)),
        ((0, True, False), lambda image: image[:, ::-1]),
        ((0, False, True), lambda image: image[::-1]),
    ],
)
def test_rotated_videos_are_upright(tmp_path, rotation, upright):
    path = write(tmp_path / "a.mp4", moving_frames(5), rotation=rotation)
    with av.open(str(path)) as container:
        stored = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    source = open_source(str(path), Selection(max_size=32))
    for image, shown, frame in zip(stored, read_video(path), source.frames(), strict=True):
        assert np.array_equal(shown, upright(image)) and frame.full_size == shown.shape[:2]
        assert frame.image.shape == tuple(size // 2 for size in (*shown.shape[:2], 6))


def test_frames_that_were_used_leave_the_memory_at_once(tmp_path):
    path = write(tmp_path / "a.mp4", moving_frames(30), rotation=(90, False, False))
    gc.collect()
    gc.disable()  # what refers to itself would stay until the collector comes by chance
    try:
        before = frames_in_memory()
        for frames in (read_video(path), open_source(str(path), Selection()).frames()):
            for _ in frames:
                pass
        assert frames_in_memory() - before <= 2
    finally:
        gc.enable()


def frames_in_memory():
    return sum(type(each) is av.VideoFrame for each in gc.get_objects())


def test_a_video_cut_off_gives_its_frames_and_then_an_error_in_both_directions(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (FRAMES, 48, 64, 3), dtype=np.uint8)
    path = write(tmp_path / "a.mkv", list(noise))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    source = open_source(str(path), Selection())
    ways = {"forwards": source.frames(), "again": source.frames(15), "backwards": source.backwards(99)}
    found = {}
    for way, frames in ways.items():
        found[way] = []
        with pytest.raises(
            HodorError, match=rf"a\.mkv: truncated or damaged: (2|3)\d frames of about {FRAMES} promised"
        ) as error:
            found[way].extend(frame.index for frame in frames)
            raise AssertionError(way)
        assert "\n" not in str(error.value)
    last = len(found["forwards"]) - 1
    assert 20 < last < 40 and found == {
        "forwards": list(range(last + 1)),
        "again": list(range(15, last + 1)),
        "backwards": list(range(last, -1, -1)),
    }
    assert [frame.index for frame in source.backwards(9)] == list(range(9, -1, -1))


def test_what_isnt_there_is_one_line(tmp_path):
    path = write(tmp_path / "a.mp4", moving_frames(10))
    (tmp_path / "b.mp4").write_bytes(b"no video" * 99)
    source = open_source(str(path), Selection())
    for index in (10, 99, -1):
        with pytest.raises(HodorError, match=rf"a\.mp4: has no frame {index}"):
            source.frame(index)
    with pytest.raises(HodorError, match=r"a\.mp4: --start 10 is behind its last frame, which is 9"):
        list(open_source(str(path), Selection(start=10)).frames())
    with pytest.raises(HodorError, match=r"b\.mp4: broken, or no video"):
        open_source(str(tmp_path / "b.mp4"), Selection())
    with pytest.raises(HodorError, match=r"c\.mp4: no such video"):
        open_source(str(tmp_path / "c.mp4"), Selection())
    with pytest.raises(HodorError, match=r"a\.mp4: has 64x48 pixels, and 99 are the most"):
        open_source(str(path), Selection(), max_pixels=99)
    with pytest.raises(HodorError, match=r"a\.mp4: --rate is for folders"):
        open_source(str(path), Selection(), rate=10)


def test_pictures_of_an_unknown_codec_are_one_line(tmp_path):
    path = write(tmp_path / "a.mp4", moving_frames(3))
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzz1"))
    with pytest.raises(HodorError, match=r"a\.mp4: its pictures are coded in a way that FFmpeg doesn't know"):
        open_source(str(path), Selection())


def test_another_file_in_its_place_is_noticed(tmp_path):
    path = write(tmp_path / "a.mp4", moving_frames(30))
    source = open_source(str(path), Selection())
    list(source.frames())
    write(path, [255 - image for image in moving_frames(30)])
    with pytest.raises(HodorError, match=r"a\.mp4: has changed while it was being read"):
        source.frame(20)


@pytest.mark.parametrize("order", ["downwards", "upwards"])
def test_another_file_is_noticed_whatever_the_order_of_its_rows(tmp_path, order):
    path = tmp_path / "a.avi"

    def write_raw(frames):
        write(path, frames, "rawvideo", pixels="bgr24")
        if order == "upwards":
            content = bytearray(path.read_bytes())
            place = content.index(b"strf") + 16
            content[place : place + 4] = struct.pack("<i", 48)  # a negative height means rows from the top down
            path.write_bytes(content)

    write_raw(moving_frames(30))
    source = open_source(str(path), Selection())
    assert np.array_equal(next(source.frames()).image, moving_frames(1)[0][:: -1 if order == "upwards" else 1])
    list(source.frames())
    write_raw([255 - image for image in moving_frames(30)])
    with pytest.raises(HodorError, match=r"a\.avi: has changed while it was being read"):
        source.frame(20)


@pytest.mark.parametrize(
    ("values", "option"),
    [((-1,), "--start"), ((5, 5), "--end"), ((0, None, 0), "--stride"), ((0, None, 1, 0), "--max-size"), ((1.5,), "--start")],
)
def test_a_selection_names_the_option_that_is_wrong(values, option):
    with pytest.raises(HodorError, match=option):
        Selection(*values)

"""Videos that are written: their times, sizes and sound; whole or not at all."""

from pathlib import Path

import av
import numpy as np
import pytest
from made_videos import heard, loudest_tone, moving_frames, tone_at, write, write_with_sound

from hodor.errors import HodorError
from hodor.media.sources import Selection, open_source
from hodor.media.videos import read_video, written_video

COPIED = {"a.mp4": ("aac", 44100), "a.ts": ("aac", 44100), "opus.mkv": ("libopus", 48000), "flac.mkv": ("flac", 44100)}
COPIED["alac.mkv"] = ("alac", 44100)  # whose packets don't say how long they are
ENCODED = {"pcm.mkv": ("pcm_s16le", 44100), "a.avi": ("pcm_s16le", 10000), "slow_mp3.mkv": ("libmp3lame", 11025)}
PACKET = 0.11  # seconds; of FLAC, which has the longest


def times_of(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [frame.time for frame in container.decode(video=0)]


@pytest.mark.parametrize("times", [np.arange(20) / 24, np.arange(20) * 1.001 / 30, np.cumsum(np.resize([0.02, 0.4, 0.05], 20))])
def test_frames_are_shown_at_their_times(tmp_path, times):
    with written_video(tmp_path / "a.mp4", rate=20) as writer:
        for image, time in zip(moving_frames(20, 47, 63), times + 7.5, strict=True):
            writer.write(image, time)
    assert np.abs(np.array(times_of(tmp_path / "a.mp4")) - (times - times[0])).max() < 1e-4
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.height, stream.width, stream.codec_context.pix_fmt) == (
            "h264",
            48,
            64,
            "yuv420p",
        )
        assert float(stream.duration * stream.time_base) == pytest.approx(times[-1] - times[0] + 1 / 20, abs=0.002)
    found = list(read_video(tmp_path / "a.mp4"))
    assert (
        np.mean([np.abs(a[:47, :63].astype(int) - b).mean() for a, b in zip(found, moving_frames(20, 47, 63), strict=True)]) < 6
    )


def test_one_frame_an_hour(tmp_path):
    with written_video(tmp_path / "a.mp4", rate=1 / 3600) as writer:
        for index, image in enumerate(moving_frames(3)):
            writer.write(image, 3600 * index)
    assert times_of(tmp_path / "a.mp4") == [0, 3600, 7200]


@pytest.mark.parametrize("part", [(0, None), (60, 108)], ids=["whole", "part"])
@pytest.mark.parametrize("name", COPIED | ENCODED)
def test_sound_is_that_of_the_selected_part(tmp_path, name, part):
    codec, rate = (COPIED | ENCODED)[name]
    start, end = part
    written = write_with_sound(tmp_path / name, 5.0, codec, rate)
    source = open_source(str(written), Selection(start, end))
    with written_video(
        tmp_path / "out.mp4", rate=24, audio=source.audio, audio_start=start / 24, audio_end=source.end_time
    ) as writer:
        for frame in source.frames():
            writer.write(frame.image, frame.index / 24)
    found, begin, samples, found_rate = heard(tmp_path / "out.mp4")
    assert found == (codec.removeprefix("lib") if name in COPIED else "aac")
    length = ((end or 120) - start) / 24
    assert -0.03 < begin < 0.05 and abs(begin + len(samples) / found_rate - length) < PACKET
    for time in np.arange(0.15, length - 0.4, 0.5):
        expected = float(tone_at(start / 24 + time + 0.05))
        assert abs(loudest_tone(samples, found_rate, time - begin) - expected) < 8
    assert len(times_of(tmp_path / "out.mp4")) == (end or 120) - start


def test_a_part_without_sound_and_files_without_any(tmp_path):
    frames = moving_frames(5)
    with_sound, silent = write_with_sound(tmp_path / "a.mkv", 1.0, "pcm_s16le"), write(tmp_path / "b.mp4", frames)
    with written_video(tmp_path / "c.mp4", rate=24, audio=with_sound, audio_start=9.0) as writer:
        for index, image in enumerate(frames):
            writer.write(image, 9 + index / 24)
    assert len(times_of(tmp_path / "c.mp4")) == 5
    (tmp_path / "d.mp4").write_bytes(b"neither")
    for audio, message in ((silent, r"b\.mp4: holds no sound"), (tmp_path / "d.mp4", r"d\.mp4: its sound can't be read")):
        with pytest.raises(HodorError, match=message), written_video(tmp_path / "e.mp4", rate=24, audio=audio):
            pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mkv", "b.mp4", "c.mp4", "d.mp4"]
    assert open_source(str(silent), Selection()).audio is None


def test_sound_of_an_unknown_codec_is_left_out(tmp_path, caplog):
    path = write_with_sound(tmp_path / "a.avi", 1.0, "pcm_s16le")
    content = bytearray(path.read_bytes())
    place = content.index(b"strf", content.index(b"auds")) + 8
    content[place : place + 2] = b"\x7f\x7f"
    path.write_bytes(content)
    source = open_source(str(path), Selection())
    assert source.audio is None and len(list(source.frames())) == 24
    assert [record.getMessage() for record in caplog.records] == [
        f"{path}: its sound is coded in a way that FFmpeg doesn't know, so it is left out"
    ]


def test_an_error_on_the_way_leaves_nothing_behind(tmp_path):
    with_sound = write_with_sound(tmp_path / "a.mp4", 1.0, "aac")
    with pytest.raises(KeyError), written_video(tmp_path / "b.mp4", rate=24, audio=with_sound) as writer:
        writer.write(moving_frames(1)[0], 0.0)
        raise KeyError
    with (
        pytest.raises(HodorError, match=r"b\.mp4: frames of 64x48 and 48x64 in one video"),
        written_video(tmp_path / "b.mp4", rate=24) as writer,
    ):
        writer.write(moving_frames(1)[0], 0.0)
        writer.write(np.rot90(moving_frames(1)[0]), 1.0)
    with (
        pytest.raises(HodorError, match=r"b\.mp4: no frames to write"),
        written_video(tmp_path / "b.mp4", rate=24),
    ):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]

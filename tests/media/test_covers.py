"""Cover pictures, which containers give as streams of pictures too, also before the video."""

import struct

import av
import numpy as np
import pytest
from av.stream import Disposition
from made_videos import HEIGHT, WIDTH, moving_frames, video_packets

from hodor.errors import HodorError
from hodor.media.videos import read_video


def boxes(content):
    while content:
        length = struct.unpack(">I", content[:4])[0]
        yield content[:length]
        content = content[length:]


def write_with_cover(path, *, with_video):
    """An mp4 whose cover comes before its video, or before its sound if there is no video."""
    with av.open(str(path), "w", format="mp4") as container:
        main = container.add_stream("libx264" if with_video else "aac", rate=24 if with_video else 44100)
        cover = container.add_stream("mjpeg", rate=24)
        cover.height, cover.width, cover.pix_fmt, cover.disposition = 32, 32, "yuvj420p", Disposition.attached_pic
        if with_video:
            main.height, main.width, main.pix_fmt = HEIGHT, WIDTH, "yuv420p"
            container.mux(video_packets(main, moving_frames(6)))
        else:
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 44100), np.float32), format="fltp", layout="mono")
            silence.sample_rate = 44100
            container.mux([*main.encode(silence), *main.encode()])
        container.mux(video_packets(cover, [np.full((32, 32, 3), 200, np.uint8)]))
    order = {b"mvhd": 0, b"udta": 1}
    parts = list(boxes(path.read_bytes()))
    for index, part in enumerate(parts):
        if part[4:8] == b"moov":
            parts[index] = part[:8] + b"".join(sorted(boxes(part[8:]), key=lambda box: order.get(box[4:8], 2)))
    path.write_bytes(b"".join(parts))
    with av.open(str(path)) as container:
        assert container.streams.video[0].disposition & Disposition.attached_pic


def test_a_cover_is_not_the_video(tmp_path):
    write_with_cover(tmp_path / "clip.mp4", with_video=True)
    assert [frame.shape for frame in read_video(tmp_path / "clip.mp4")] == [(HEIGHT, WIDTH, 3)] * 6


def test_sound_with_a_cover_holds_no_moving_pictures(tmp_path):
    write_with_cover(tmp_path / "song.m4a", with_video=False)
    with pytest.raises(HodorError, match=r"song\.m4a: holds no moving pictures"):
        next(read_video(tmp_path / "song.m4a"))

"""Small videos of all kinds for the tests of this folder."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

HEIGHT, WIDTH, RATE = 48, 64, 24


def moving_frames(count: int, height: int = HEIGHT, width: int = WIDTH) -> list[np.ndarray]:
    """A square that moves over a soft pattern, so that encoders make use of B-frames."""
    rows, columns = np.mgrid[:height, :width]
    ground = np.stack([120 + 60 * np.sin(rows / 9), 120 + 60 * np.sin(columns / 7), 90 + rows], axis=2).astype(np.uint8)
    frames = []
    for time in range(count):
        frame = np.roll(ground, time, axis=1)
        frame[8:24, (3 * time) % (width - 16) : (3 * time) % (width - 16) + 16] = (250 - 2 * time % 200, 60, 30)
        frames.append(frame)
    return frames


def write(
    path: Path,
    frames: Sequence[np.ndarray],
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    *,
    times: Sequence[float] | None = None,
    form: str | None = None,
    rotation: tuple[int, bool, bool] | None = None,
    gop: int = 12,
    pixels: str = "yuv420p",
) -> Path:
    """Writes frames, at `times` in whole milliseconds where given."""
    with av.open(str(path), "w", format=form) as container:
        stream = container.add_stream(codec, rate=RATE, options=options or {})
        stream.height, stream.width, stream.pix_fmt = frames[0].shape[0], frames[0].shape[1], pixels
        stream.codec_context.gop_size, stream.codec_context.max_b_frames = gop, 0 if "vp" in codec else 2
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        if rotation is not None:
            stream.set_display_rotation(*rotation)
        for number, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = round(1000 * times[number]), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_with_sound(path: Path, seconds: float, codec: str, rate: int = 44100) -> Path:
    """A video whose sound changes its tone every half second: 200 Hz, 300 Hz, 400 Hz, ..."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=RATE)
        video.height, video.width, video.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        video.codec_context.gop_size = 12
        audio = container.add_stream(codec, rate=rate, layout="mono")
        time = np.arange(round(rate * seconds)) / rate
        wave = np.sin(2 * np.pi * tone_at(time) * time) * 16000
        samples = av.AudioFrame.from_ndarray(wave.astype(np.int16)[None], format="s16", layout="mono")
        samples.sample_rate, samples.pts, samples.time_base = rate, 0, Fraction(1, rate)
        pictures = [*video_packets(video, moving_frames(round(RATE * seconds)))]
        sounds = [*audio.encode(samples), *audio.encode(None)]
        for packet in sorted([*pictures, *sounds], key=lambda packet: float(packet.dts * packet.time_base)):
            container.mux(packet)
    return path


def video_packets(stream, frames):
    for frame in frames:
        yield from stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24"))
    yield from stream.encode()


def tone_at(time):
    """Hz at a time in seconds."""
    return 200 + 100 * np.floor(2 * np.asarray(time))


def heard(path: Path) -> tuple[str, float, np.ndarray, int]:
    """The sound of a file: its codec, when it begins in seconds, samples of its first channel, samples per second."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        frames = list(container.decode(stream))
        parts = [np.atleast_2d(frame.to_ndarray())[0] for frame in frames]
        return stream.codec_context.codec.canonical_name, frames[0].time, np.concatenate(parts).astype(float), stream.rate


def loudest_tone(samples: np.ndarray, rate: int, time: float) -> float:
    """Hz of what is heard in a tenth of a second from `time` on."""
    part = samples[round(time * rate) : round((time + 0.1) * rate)]
    return float(np.abs(np.fft.rfft(part * np.hanning(len(part)), 8 * len(part))).argmax() * rate / (8 * len(part)))

"""Video files: frames out of anything that FFmpeg reads; frames that come at any times, and sound, into H.264 for browsers."""

import math
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from hodor.errors import HodorError
from hodor.files import written_aside
from hodor.media.decoding import Upright, decode
from hodor.media.images import MAX_PIXELS
from hodor.media.sound import begin_of, sound_packets

_QUALITY = {"crf": "20", "preset": "veryfast"}
_TICKS = 120_000  # in a second: whole numbers of them last as long as a frame at 24, 25, 30, 50, 60 and the same / 1.001


def read_video(path: str | Path, max_pixels: int = MAX_PIXELS) -> Iterator[np.ndarray]:
    """The frames of a video file in the order of their display, upright, [H, W, 3] uint8, R, G, B, one at a time.

    Raises:
        HodorError: the file is missing, broken, has more than `max_pixels` in a frame, or holds no pictures; or, after the last
            frame that could be read, some are damaged, or fewer came than the container promised, by more than two.
    """
    upright = Upright(path)
    for _, frame in decode(Path(path), max_pixels):
        yield upright.pixels(frame)


class VideoWriter:
    """An mp4 file that is being written; see `written_video`."""

    def __init__(
        self, path: Path, container: OutputContainer, stream: VideoStream, sound: Iterator[Packet], duration: int
    ) -> None:
        self._path = path
        self._container = container
        self._stream = stream
        self._sound = sound
        self._next_sound = next(sound, None)
        self._duration = duration  # of each frame, in ticks
        self._size: tuple[int, int] | None = None
        self._first_time = 0.0
        self._last_tick = -1

    def write(self, image: np.ndarray, time: float) -> None:
        """Adds a frame [H, W, 3] uint8 (R, G, B), all of one size; an odd last row or column is doubled, as H.264 asks for it.

        It is shown at `time`, in seconds, which must grow; only the time since the first frame counts.
        """
        height, width = image.shape[:2]
        if self._size is None:
            self._size, self._first_time = (height, width), time
            self._stream.height, self._stream.width = height + height % 2, width + width % 2
        if self._size != (height, width):
            raise HodorError(f"{self._path}: frames of {self._size[1]}x{self._size[0]} and {width}x{height} in one video")
        even = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        frame = av.VideoFrame.from_ndarray(even, format="rgb24")
        self._last_tick = max(round((time - self._first_time) * _TICKS), self._last_tick + 1)
        frame.pts, frame.time_base = self._last_tick, Fraction(1, _TICKS)
        frame.duration = self._duration
        self._container.mux(self._stream.encode(frame))
        self._write_sound(frame.pts / _TICKS)

    def _write_sound(self, until: float) -> None:
        """Writes what is heard until some second, so that players find both in one place."""
        while self._next_sound is not None and begin_of(self._next_sound) <= until:
            self._container.mux(self._next_sound)
            self._next_sound = next(self._sound, None)

    def finish(self) -> None:
        """Writes what is left, or raises a HodorError where there was no frame."""
        if self._size is None:
            raise HodorError(f"{self._path}: no frames to write")
        self._container.mux(self._stream.encode())
        self._write_sound(math.inf)


@contextmanager
def written_video(
    path: Path,
    *,
    rate: float,
    pixel_aspect: Fraction = Fraction(1),
    audio: Path | None = None,
    audio_start: float = 0.0,
    audio_end: float | None = None,
) -> Iterator[VideoWriter]:
    """An mp4 file, complete or absent, to which frames are written in their order.

    Args:
        path: ends in .mp4.
        rate: frames per second, above 0; how long the last frame is shown, which is never longer than 1001 s.
        pixel_aspect: width of a pixel by its height, as it is shown.
        audio: the file whose sound is heard. It is copied as it is where mp4 can hold it, else it becomes AAC.
        audio_start: what of it is heard with the first frame, in seconds since the first picture of `audio`.
        audio_end: where it ends, on the same clock; None takes all.

    Raises:
        HodorError: no frame was written, they differ in size, the sound can't be read, or the disk is full.
    """
    whole_rate = max(Fraction(rate).limit_denominator(1001), Fraction(1, 1001))
    try:
        with (
            written_aside(path) as aside,
            av.open(str(aside), "w", format="mp4") as container,
            closing(sound_packets(audio, container, audio_start, audio_end)) as sound,
        ):
            stream = container.add_stream("libx264", rate=whole_rate, options=_QUALITY)
            stream.pix_fmt = "yuv420p"
            stream.codec_context.time_base = Fraction(1, _TICKS)
            stream.codec_context.sample_aspect_ratio = pixel_aspect
            writer = VideoWriter(path, container, stream, sound, round(_TICKS / whole_rate))
            yield writer
            writer.finish()
    except av.FFmpegError as error:
        raise HodorError(f"{path}: the video could not be written ({error}); is there space left on the disk?") from None


def write_video(path: Path, frames: Iterable[np.ndarray], rate: float = 24.0) -> None:
    """Writes frames, [H, W, 3] uint8 (R, G, B), all of one size, as `written_video` does, `rate` of them a second.

    Raises:
        HodorError: there is no frame, they differ in size, or the disk is full.
    """
    with written_video(path, rate=rate) as writer:
        for number, image in enumerate(frames):
            writer.write(image, number / rate)

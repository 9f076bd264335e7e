"""H.264 videos that browsers play, of frames that come at any times, with the sound of another file."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np
from av.video.stream import VideoStream

from hodor.errors import HodorError
from hodor.files import written_aside
from hodor.media.sound import Sound

_QUALITY = {"crf": "20", "preset": "veryfast"}
_TICKS = 120_000
"""Units of time in a second: whole numbers of them last as long as a frame at 24, 25, 30, 50, 60 and the same / 1.001."""


class VideoWriter:
    """An mp4 file that is being written; complete or absent. A context, within which frames are written in their order.

    The first frame is shown at the beginning, the others as long after it as their times say.
    """

    def __init__(
        self,
        path: Path,
        *,
        rate: float,
        size: tuple[int, int],
        pixel_aspect: Fraction = Fraction(1),
        audio: Path | None = None,
        audio_start: float = 0.0,
        audio_end: float | None = None,
    ) -> None:
        """Says what is written; nothing is until the context is entered.

        Args:
            path: ends in .mp4.
            rate: frames per second, above 0; how long the last frame is shown, which is never longer than 1001 s.
            size: (height, width) of all frames; an odd last row or column is doubled, as H.264 asks for even sides.
            pixel_aspect: width of a pixel by its height, as it is shown.
            audio: the file whose sound is heard. It is copied as it is where mp4 can hold it, else it becomes AAC.
            audio_start: what of it is heard with the first frame, in seconds since the first picture of `audio`.
            audio_end: where it ends, on the same clock; None takes all.
        """
        self._path = path
        self._rate = max(Fraction(rate).limit_denominator(1001), Fraction(1, 1001))
        self._size = size
        self._pixel_aspect = pixel_aspect
        self._audio = (audio, audio_start, audio_end)
        self._first_time = 0.0
        self._last_tick: int | None = None
        self._sound: Sound | None = None
        self._file = self._written()

    def __enter__(self) -> "VideoWriter":
        self._file.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.__exit__(kind, error, trace)

    def write(self, image: np.ndarray, time: float) -> None:
        """Adds a frame.

        Args:
            image: [H, W, 3] uint8, R, G, B.
            time: when it is shown, in seconds; only the time since the first frame counts, and it must grow.

        Raises:
            HodorError: the frame has another size, or the disk is full.
        """
        height, width = self._size
        if image.shape[:2] != (height, width):
            found = f"{image.shape[1]}x{image.shape[0]}"
            raise HodorError(f"{self._path}: frames of {width}x{height} and {found} in one video")
        if self._last_tick is None:
            self._first_time = time
        tick = round((time - self._first_time) * _TICKS)
        frame = av.VideoFrame.from_ndarray(
            np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge"), format="rgb24"
        )
        frame.pts = tick if self._last_tick is None else max(tick, self._last_tick + 1)
        frame.time_base = Fraction(1, _TICKS)
        frame.duration = round(_TICKS / self._rate)
        self._last_tick = frame.pts
        self._container.mux(self._stream.encode(frame))
        if self._sound is not None:
            self._sound.write_until(frame.pts / _TICKS)

    @contextmanager
    def _written(self) -> Iterator[None]:
        """The file, as long as frames are added to it; an error among them removes it."""
        try:
            with written_aside(self._path) as aside, av.open(str(aside), "w", format="mp4") as self._container:
                self._stream = self._add_stream()
                with self._open_sound() as self._sound:
                    yield
                    if self._last_tick is None:
                        raise HodorError(f"{self._path}: no frames to write")
                    self._container.mux(self._stream.encode())
                    if self._sound is not None:
                        self._sound.write_until(None)
        except av.FFmpegError as error:
            raise HodorError(
                f"{self._path}: the video could not be written ({error}); is there space left on the disk?"
            ) from None

    def _add_stream(self) -> VideoStream:
        stream = self._container.add_stream("libx264", rate=self._rate, options=_QUALITY)
        height, width = self._size
        stream.height, stream.width, stream.pix_fmt = height + height % 2, width + width % 2, "yuv420p"
        stream.codec_context.time_base = Fraction(1, _TICKS)
        stream.codec_context.sample_aspect_ratio = self._pixel_aspect
        return stream

    def _open_sound(self) -> AbstractContextManager[Sound | None]:
        path, start, end = self._audio
        return nullcontext() if path is None else closing(Sound(path, self._container, start, end))

"""Video files: frames out of anything that FFmpeg reads, frames into H.264."""

import re
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from hodor.errors import HodorError
from hodor.files import written_aside
from hodor.media.images import MAX_PIXELS, refuse_too_large

_PACKET_SIZES = (188, 192, 204)  # bytes, of the three kinds of MPEG transport streams
_TAG = re.compile(r"(\d+):(\d+):(\d+(?:\.\d+)?)$")
_TOLERANCE = 2  # frames that may be missing at the end
_ROUNDING = 0.002  # seconds; Matroska and FLV count in thousandths
_QUALITY = {"crf": "20", "preset": "veryfast"}


def read_video(path: Path, max_pixels: int = MAX_PIXELS) -> Iterator[np.ndarray]:
    """The frames of a video file in the order of their display, [H, W, 3] uint8, R, G, B, one at a time.

    Args:
        path: the file.
        max_pixels: how many a frame may have.

    Raises:
        HodorError: the file is missing, broken, too large, or holds no pictures; or, after the last frame that could be
            read, some are damaged, or fewer came than the container promised, by more than two.
    """
    if not path.is_file():
        raise HodorError(f"{path}: no such video")
    arrived = None
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise HodorError(f"{path}: holds no pictures, only other streams")
            stream = container.streams.video[0]
            refuse_too_large(path, stream.width, stream.height, max_pixels)
            stream.thread_type = "AUTO"
            arrived = _Arrived(container, stream)
            for frame in container.decode(stream):
                refuse_too_large(path, frame.width, frame.height, max_pixels)  # the size may change on the way
                yield frame.to_ndarray(format="rgb24")
                arrived.add(frame)
    except (av.FFmpegError, ValueError) as error:
        if arrived is None or not arrived.frames:
            raise HodorError(f"{path}: broken, or no video that FFmpeg can read ({error})") from None
        raise HodorError(f"{path}: broken in the middle ({error}): {arrived.describe()}") from None
    if arrived.is_short() or arrived.damaged or arrived.ends_within_packet:
        raise HodorError(f"{path}: truncated or damaged: {arrived.describe()}; get a whole copy")


class _Arrived:
    """What came of a video stream so far, against what its container promised.

    Lengths are compared as times, since counts mean little where frames differ in duration, were left out by the one who wrote
    an AVI, or lie outside the edit list of an MP4.

    Attributes:
        frames: how many came.
        damaged: how many of them the decoder had to patch.
        ends_within_packet: the file ends within one of the packets of equal size that it consists of.
    """

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self.frames = 0
        self.damaged = 0
        transport = container.format.name == "mpegts"
        self.ends_within_packet = transport and all(container.size % size for size in _PACKET_SIZES)
        self._rate = float(stream.average_rate or 0)
        self._promised_end = _promised_end(container, stream)
        self._promised_frames = stream.frames or round((self._promised_end or 0) * self._rate)
        self._is_counted = stream.frames > 0
        self._first: float | None = None
        self._last = self._end = 0.0

    def add(self, frame: av.VideoFrame) -> None:
        """Counts a frame."""
        self.frames += 1
        self.damaged += frame.is_corrupt
        if frame.time is None or frame.time_base is None:
            self._promised_end = None  # no way to compare
            return
        self._first = frame.time if self._first is None else self._first
        self._last = max(self._last, frame.time)
        self._end = max(self._end, frame.time + float((frame.duration or 0) * frame.time_base))

    def is_short(self) -> bool:
        """More than two frames, of the usual or of their mean duration, are missing at the end."""
        if self._promised_end is None or not self.frames:
            return False
        usual = 1 / self._rate if self._rate else 0.0
        mean = (self._last - (self._first or 0.0)) / max(self.frames - 1, 1)
        return self._promised_end - self._end > _TOLERANCE * max(usual, mean) + _ROUNDING

    def describe(self) -> str:
        """How many frames came, and of how many."""
        about = "" if self._is_counted else "about "
        promised = f" of {about}{self._promised_frames} promised" if self._promised_frames else ""
        seconds = f" ({self._end:.2f} of {self._promised_end:.2f} s)" if self._promised_end else ""
        damaged = f", {self.damaged} of them damaged" if self.damaged else ""
        return f"{self.frames} frames{promised} came{seconds}{damaged}"


def _promised_end(container: InputContainer, stream: VideoStream) -> float | None:
    """When a stream ends, in seconds, as the header says; None where it doesn't, or FFmpeg only guesses from what is there."""
    formats = set(container.format.name.split(","))
    if stream.disposition & Disposition.attached_pic:
        return None
    if "avi" in formats:  # its duration would be guessed from the size of the file
        return float(stream.frames / stream.average_rate) if stream.frames and stream.average_rate else None
    if "mp4" in formats and stream.duration and stream.time_base:
        return float((stream.duration + (stream.start_time or 0)) * stream.time_base)
    if "matroska" in formats and (match := _TAG.match(stream.metadata.get("DURATION", ""))):
        hours, minutes, seconds = match.groups()
        return 3600 * int(hours) + 60 * int(minutes) + float(seconds)
    if formats & {"matroska", "flv"} and len(container.streams) == 1 and container.duration:  # is that of the longest stream
        return container.duration / av.time_base
    return None


def write_video(path: Path, frames: Iterable[np.ndarray], rate: float = 24.0) -> None:
    """Writes an H.264 video that browsers play; complete or absent.

    Args:
        path: ends in .mp4.
        frames: [H, W, 3] uint8, R, G, B, all of one size; an odd last row or column is doubled, as H.264 asks for even sides.
        rate: frames per second, above 0.

    Raises:
        HodorError: there is no frame, they differ in size, or the disk is full.
    """
    size: tuple[int, ...] = ()
    try:
        with written_aside(path) as aside, av.open(str(aside), "w", format="mp4") as container:
            stream = container.add_stream("libx264", rate=Fraction(rate).limit_denominator(1001), options=_QUALITY)
            for image in frames:
                even = np.pad(image, ((0, image.shape[0] % 2), (0, image.shape[1] % 2), (0, 0)), mode="edge")
                if not size:
                    size = even.shape
                    stream.height, stream.width, stream.pix_fmt = size[0], size[1], "yuv420p"
                if even.shape != size:
                    raise HodorError(f"{path}: frames of {size[1]}x{size[0]} and {even.shape[1]}x{even.shape[0]} in one video")
                container.mux(stream.encode(av.VideoFrame.from_ndarray(even, format="rgb24")))
            if not size:
                raise HodorError(f"{path}: no frames to write")
            container.mux(stream.encode())
    except av.FFmpegError as error:
        raise HodorError(f"{path}: the video could not be written ({error}); is there space left on the disk?") from None

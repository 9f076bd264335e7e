"""Video files decoded: the one place where they become pictures, from their beginning or from somewhere within them."""

import math
import re
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.buffer import Buffer
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from hodor.errors import HodorError
from hodor.media.frame_table import FrameTable
from hodor.media.images import MAX_PIXELS, refuse_too_large

_PACKET_SIZES = (188, 192, 204)  # bytes, of the three kinds of MPEG transport streams
_TAG = re.compile(r"(\d+):(\d+):(\d+(?:\.\d+)?)$")
_TOLERANCE = 2  # frames that may be missing at the end
_ROUNDING = 0.002  # seconds; Matroska and FLV count in thousandths


@contextmanager
def opened_video(path: Path, max_pixels: int = MAX_PIXELS) -> Iterator[tuple[InputContainer, VideoStream]]:
    """A video file of which only the header was read, and its first video stream; a HodorError if none can be read."""
    if not path.is_file():
        raise HodorError(f"{path}: no such video")
    try:
        container = av.open(str(path))
    except (av.FFmpegError, ValueError) as error:
        raise _unreadable(path, error) from None
    with container:
        stream = first_video(container)
        if stream is None:
            raise HodorError(f"{path}: holds no moving pictures, only other streams")
        if stream.codec_context is None:
            raise HodorError(f"{path}: its pictures are coded in a way that FFmpeg doesn't know; convert it to H.264")
        refuse_too_large(path, stream.width, stream.height, max_pixels)
        yield container, stream


def first_video(container: InputContainer) -> VideoStream | None:
    """The first stream of pictures that is no cover; None where there is none."""
    return next((stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic), None)


def decode(
    path: Path, max_pixels: int = MAX_PIXELS, table: FrameTable | None = None, start: int = 0
) -> Generator[tuple[int, av.VideoFrame], None, None]:
    """The frames of a video file with their numbers from 0 on, in the order of their display; errors are those of `read_video`.

    If `start` is above 0 they begin near that keyframe of the `table`, at any keyframe that is in it, else none comes. What is
    shown before that keyframe is left out, since it may lack what it is made from.
    """
    with opened_video(path, max_pixels) as (container, stream):
        arrived = _Arrived(container, stream)
        number = 0 if table is None or start == 0 else None
        try:
            stream.thread_type = "AUTO"
            if table is not None and number is None:
                container.seek(table.timestamps[start], stream=stream)
            for frame in container.decode(stream):
                refuse_too_large(path, frame.width, frame.height, max_pixels)  # the size may change on the way
                if table is not None and number is None:
                    if not frame.key_frame:
                        continue
                    number = table.find(frame)
                if number is None:
                    return
                yield number, frame
                number += 1
                arrived.add(frame)
        except (av.FFmpegError, ValueError) as error:
            if not number:
                raise _unreadable(path, error) from None
            raise HodorError(f"{path}: broken in the middle ({error}): {arrived.describe(number)}") from None
        if number is not None and arrived.is_incomplete():
            raise HodorError(f"{path}: truncated or damaged: {arrived.describe(number)}; get a whole copy")


class Upright:
    """Makes pixels of the decoded frames of one video, turned and mirrored as its display matrix says.

    A frame that is asked for its side data refers to itself from then on, and keeps its megabytes until Python happens to look
    for such circles. So of all frames with the same rotation only the first is asked.
    """

    def __init__(self, name: Path | str) -> None:
        self._name = name  # the video's, for messages
        self._ways: dict[float, tuple[bool, int, int]] = {}

    @property
    def swaps_sides(self) -> bool:
        """Whether frames that were seen lie on their sides in the file."""
        return any(swaps for swaps, _, _ in self._ways.values())

    def pixels(self, frame: av.VideoFrame) -> np.ndarray:
        """A frame as [H, W, 3] uint8, R, G, B; a HodorError where its colours can't be converted."""
        try:
            pixels = frame.to_ndarray(format="rgb24")
        except (av.FFmpegError, ValueError) as error:
            raise _unreadable(self._name, error) from None
        if frame.rotation not in self._ways:
            self._ways[frame.rotation] = _way_up(frame)
        swaps, downwards, rightwards = self._ways[frame.rotation]
        return np.ascontiguousarray((pixels.swapaxes(0, 1) if swaps else pixels)[::downwards, ::rightwards])


def _way_up(frame: av.VideoFrame) -> tuple[bool, int, int]:
    """Whether to swap rows and columns, and then the steps, 1 or -1, by which rows and columns are taken."""
    try:
        side_data = cast("Mapping[str, Buffer]", frame.side_data)
    except ValueError:  # PyAV lacks a name for data that this FFmpeg adds, as of EXIF; it tells the angle all the same
        angle = np.deg2rad(frame.rotation)
        matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    else:
        if "DISPLAYMATRIX" not in side_data:
            return False, 1, 1
        matrix = np.frombuffer(bytes(side_data["DISPLAYMATRIX"]), np.int32).reshape(3, 3)[:2, :2]
    (along_x, down_x), (along_y, down_y) = matrix  # where a step along x, and one along y, leads
    swaps = bool(abs(down_x) > abs(along_x))
    downwards, rightwards = (down_x, along_y) if swaps else (down_y, along_x)
    return swaps, -1 if downwards < 0 else 1, -1 if rightwards < 0 else 1


def _unreadable(path: Path | str, error: Exception) -> HodorError:
    reason = error.strerror if isinstance(error, av.FFmpegError) else error
    return HodorError(f"{path}: broken, or no video that FFmpeg can read ({reason})")


class _Arrived:
    """What came of a video stream so far, against what its container promised: how videos that were cut off are noticed.

    It compares times, since counts mean little with uneven durations, gaps in an AVI, or the edit list of an MP4.
    """

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        transport = container.format.name == "mpegts"
        self._ends_within_packet = transport and all(container.size % size for size in _PACKET_SIZES)
        self._rate = float(stream.average_rate or 0)
        self._promised_end = _promised_end(container, stream)
        self._promised_frames = str(stream.frames or "")
        if not stream.frames and self._promised_end and self._rate:
            self._promised_frames = f"about {round(self._promised_end * self._rate)}"
        self._added = self._damaged = 0
        self._first, self._last, self._end = math.inf, 0.0, 0.0

    def add(self, frame: av.VideoFrame) -> None:
        self._added += 1
        self._damaged += frame.is_corrupt
        if frame.time is None or frame.time_base is None:
            self._promised_end = None  # no way to compare
            return
        self._first, self._last = min(self._first, frame.time), max(self._last, frame.time)
        self._end = max(self._end, frame.time + float((frame.duration or 0) * frame.time_base))

    def is_incomplete(self) -> bool:
        """Now that no more come: some were patched by the decoder, or more than two are missing at the end."""
        usual = 1 / self._rate if self._rate else 0.0
        mean = (self._last - self._first) / max(self._added - 1, 1)
        missing = self._promised_end - self._end if self._promised_end is not None and self._added else 0.0
        return missing > _TOLERANCE * max(usual, mean) + _ROUNDING or self._damaged > 0 or self._ends_within_packet

    def describe(self, number: int) -> str:
        """That so many frames came, with those before the first that was counted here, and of how many."""
        promised = f" of {self._promised_frames} promised" if self._promised_frames else ""
        seconds = f" ({self._end:.2f} of {self._promised_end:.2f} s)" if self._promised_end else ""
        damaged = f", {self._damaged} of them damaged" if self._damaged else ""
        return f"{number} frames{promised} came{seconds}{damaged}"


def _promised_end(container: InputContainer, stream: VideoStream) -> float | None:
    """When a stream ends, in seconds, as the header says; None where it doesn't, or FFmpeg only guesses from what is there."""
    formats = set(container.format.name.split(","))
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

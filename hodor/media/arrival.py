"""What came of a video stream, against what its container promised: how videos that were cut off are noticed."""

import math
import re

import av
from av.container import InputContainer
from av.video.stream import VideoStream

_PACKET_SIZES = (188, 192, 204)  # bytes, of the three kinds of MPEG transport streams
_TAG = re.compile(r"(\d+):(\d+):(\d+(?:\.\d+)?)$")
_TOLERANCE = 2  # frames that may be missing at the end
_ROUNDING = 0.002  # seconds; Matroska and FLV count in thousandths


class Arrived:
    """Compares lengths as times, since counts mean little where frames differ in duration, were left out by the one who wrote
    an AVI, or lie outside the edit list of an MP4.
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
        """Counts a frame."""
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

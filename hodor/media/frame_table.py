"""What reading a video forwards has shown of its frames, so that they are found and recognised again after seeking."""

import threading
import zlib
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator

import av
import numpy as np

_ROWS = 4  # every so many rows of a frame's first plane count for its checksum; what a missing reference spoils is larger


class FrameTable:
    """Times, keyframes and checksums of the first frames of a video, as many as are known; some 20 bytes per frame.

    Threads that read the same video may share it.
    """

    def __init__(self, rate: float) -> None:
        self.is_whole = False  # there are no more frames than those in the table
        self.timestamps = array("q")  # when each frame is shown, in its stream's time base
        self.times = array("d")  # the same in seconds since the first one
        self._rate = rate  # frames per second, for frames without a time of their own
        self._origin = 0.0
        self._checksums = array("L")
        self._keyframes = array("L")
        self._is_ordered = True
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.times)

    def note(self, index: int, frame: av.VideoFrame) -> bool:
        """Adds a frame that is new, and compares one that is known. Returns False if it is another one than before."""
        checksum = _checksum(frame)
        with self._lock:
            if index < len(self):
                return self._checksums[index] == checksum and (frame.pts is None or self.timestamps[index] == frame.pts)
            if index > len(self):
                return False
            self._is_ordered &= frame.pts is not None and (index == 0 or frame.pts > self.timestamps[-1])
            self.timestamps.append(frame.pts or 0)
            self._checksums.append(checksum)
            if frame.key_frame:
                self._keyframes.append(index)
            time = index / self._rate if frame.time is None else frame.time
            self._origin = time if index == 0 else self._origin
            self.times.append(time - self._origin)
            return True

    def find(self, frame: av.VideoFrame) -> int | None:
        """The index of a frame, None if it is not in the table."""
        if frame.pts is None or not self._is_ordered:
            return None
        index = bisect_left(self.timestamps, frame.pts)
        return index if index < len(self) and self.note(index, frame) else None

    def starts(self, index: int) -> Iterator[int]:
        """Keyframes from which decoding may reach a known frame: the last one before it, earlier ones, at last the first."""
        position = bisect_right(self._keyframes, index) - 1 if self._is_ordered else 0
        step = 1
        while position > 0:
            yield self._keyframes[position]
            position -= step
            step *= 2
        yield 0


def _checksum(frame: av.VideoFrame) -> int:
    plane = frame.planes[0]
    if plane.line_size < 0:  # stored from the bottom up, and its memory view is not where the rows are
        return zlib.crc32(frame.to_ndarray(format="rgb24")[::_ROWS].tobytes())
    rows = np.frombuffer(memoryview(plane), np.uint8)[: plane.height * plane.line_size].reshape(plane.height, plane.line_size)
    return zlib.crc32(rows[::_ROWS, : plane.width].tobytes())

"""A video file as a source of frames, which come forwards, backwards, and one at a time, always the same ones.

A frame's index is its place among all that reading forwards gives; no container tells it for sure. So the file is read forwards
once up to the furthest frame that is asked for, and seeking is only a way to read a part of that again: what comes after a seek
is compared with what was there the first time, and where they differ decoding begins further ahead.
"""

import logging
from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import av

from hodor.errors import HodorError
from hodor.media.decoding import Upright, decode, opened_video
from hodor.media.frame_source import FrameSource, Selection, SourceFrame
from hodor.media.frame_table import FrameTable
from hodor.media.sound import first_sound

_BYTES_HELD = 2**28  # what the frames may take that `backwards` holds at once
_UNKNOWN_RATE = 24.0
_LOGGER = logging.getLogger(__name__)


class VideoSource(FrameSource):
    """Any file that FFmpeg reads. One that is cut off or damaged is reported after the frames that could be read."""

    def __init__(self, path: Path, selection: Selection, max_pixels: int) -> None:
        """Reads the header; errors are those of `opened_video`."""
        with opened_video(path, max_pixels) as (container, stream):
            rate = float(stream.average_rate or stream.guessed_rate or _UNKNOWN_RATE)
            seconds = (container.duration or 0) / av.time_base
            if stream.duration and stream.time_base:
                seconds = float(stream.duration * stream.time_base)
            self.total = stream.frames or round(seconds * rate) or None
            self._pixel_aspect = stream.sample_aspect_ratio or Fraction(1)
            audio = None if first_sound(container) is None else path
            if audio is None and container.streams.audio:
                _LOGGER.warning("%s: its sound is coded in a way that FFmpeg doesn't know, so it is left out", path)
        super().__init__(str(path), rate, audio, selection)
        self._path = path
        self._max_pixels = max_pixels
        self._table = FrameTable(rate)
        self._upright = Upright(path)
        self._shape: tuple[int, int] | None = None

    @property
    def pixel_aspect(self) -> Fraction:
        return 1 / self._pixel_aspect if self._upright.swaps_sides else self._pixel_aspect

    @property
    def end_time(self) -> float | None:
        end = self.selection.end
        if end is None:
            return None
        try:
            self._know(end)
        except HodorError:  # whoever reads the frames hears of it
            return None
        return self._table.times[end] if end < len(self._table) else None

    def frames(self, begin: int = 0) -> Iterator[SourceFrame]:
        begin, end = max(begin, self.selection.start), self.selection.indices().stop
        if begin < end:
            yield from self._selected(begin, end - 1)
            self._refuse_too_late(len(self._table))

    def backwards(self, begin: int) -> Iterator[SourceFrame]:
        broken = None
        try:
            self._know(begin)
        except HodorError as error:
            broken = error
        height, width = self.selection.size(*self._shape) if self._shape else (1, 1)
        held = max(_BYTES_HELD // (3 * height * width), 1) * self.selection.stride
        last = min(begin, len(self._table) - 1)
        while last >= self.selection.start:
            first = max(last - held + 1, self.selection.start)
            yield from reversed(list(self._selected(first, last)))
            last = first - 1
        if broken is not None:
            raise broken

    def frame(self, index: int) -> SourceFrame:
        if index < 0:
            raise HodorError(f"{self.name}: has no frame {index}")
        for _, frame in self._decoded(index):
            return self._wanted(index, frame)
        raise HodorError(f"{self.name}: has no frame {index}; its last is {len(self._table) - 1}")

    def _know(self, index: int) -> None:
        """Reads forwards until a frame is in the table, if there is one; a HodorError if the video is broken before it."""
        if index >= len(self._table) and not self._table.is_whole:
            for found, _ in self._decoded(max(len(self._table) - 1, 0)):
                if found >= index:
                    return

    def _selected(self, first: int, last: int) -> Iterator[SourceFrame]:
        """The selected frames from `first` to `last`, if there are so many."""
        for index, frame in self._decoded(first):
            if self.selection.holds(index):
                yield self._wanted(index, frame)
            if index >= last:
                return

    def _wanted(self, index: int, frame: av.VideoFrame) -> SourceFrame:
        return self.selection.frame(index, self._table.times[index], self._upright.pixels(frame))

    def _decoded(self, begin: int) -> Iterator[tuple[int, av.VideoFrame]]:
        """All frames from `begin` on with their indices, and into the table with those that are new.

        A HodorError tells, after the last frame that could be read, that the file is damaged, cut off or another one now.
        """
        following = begin
        for start in self._table.starts(min(begin, len(self._table) - 1)):
            seen = -1
            try:
                with closing(decode(self._path, self._max_pixels, self._table, start)) as frames:
                    for index, frame in frames:
                        self._check_size(frame)
                        if index > following or not self._table.note(index, frame):
                            break  # the keyframe lies too far, or what was found is not what it was
                        seen = index
                        if index == following:
                            yield index, frame
                            following += 1
            except HodorError:
                if start == 0 or seen == len(self._table) - 1:
                    raise
                continue
            if seen == len(self._table) - 1:
                self._table.is_whole = True
                self.total = len(self._table)
                return
        raise HodorError(f"{self._path}: has changed while it was being read; leave it alone and run the command again")

    def _check_size(self, frame: av.VideoFrame) -> None:
        shape = frame.height, frame.width
        self._shape = self._shape or shape
        if shape != self._shape:
            one, other = (f"{width}x{height}" for height, width in (self._shape, shape))
            raise HodorError(f"{self._path}: broken in the middle: frames of {one} and {other} in one video")

"""The sound of a file, or a part of it, on its way into an mp4."""

import logging
import math
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet

from hodor.errors import HodorError
from hodor.media.decoding import first_video

_COPIED = {"aac", "ac3", "alac", "eac3", "flac", "mp3", "opus"}  # codecs that mp4 can hold
_LOWEST_MP3_RATE = 16000  # samples per second below which mp4 can't hold mp3
_AAC_RATES = {8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000}
_AAC_RATE = 48000  # where it can't have the sound's own
_LEAD = 2.0  # seconds before the wanted part at which reading begins, as seeking is not exact
_LOGGER = logging.getLogger(__name__)


class Sound:
    """Adds the sound of a file to an mp4, piece by piece beside the pictures, so that players find both in one place."""

    def __init__(self, path: Path, output: OutputContainer, start: float, end: float | None) -> None:
        """Opens the file and adds a stream to the mp4, of which nothing was written yet; see `written_video` for the others.

        Raises:
            HodorError: the file can't be read, or holds no sound.
        """
        self._path = path
        self._output = output
        self._is_damaged = False
        try:
            self._input = av.open(str(path))
        except (av.FFmpegError, ValueError) as error:
            raise HodorError(f"{path}: its sound can't be read ({error})") from None
        stream = first_sound(self._input)
        if stream is None:
            self.close()
            raise HodorError(f"{path}: holds no sound")
        self._stream = stream
        clock = first_video(self._input) or stream
        self._start = start + (float(clock.start_time * clock.time_base) if clock.start_time and clock.time_base else 0.0)
        self._end = math.inf if end is None else self._start + end - start
        codec, samples = stream.codec_context.codec.canonical_name, stream.codec_context.sample_rate
        is_copied = codec in _COPIED and not (codec == "mp3" and samples < _LOWEST_MP3_RATE)
        self._pieces = self._copies() if is_copied else self._encoded()
        self._next = next(self._pieces, None)

    def write_until(self, seconds: float | None) -> None:
        """Writes what is heard up to a time of the mp4, or all that is left."""
        while self._next is not None and (seconds is None or _begin(self._next) <= seconds):
            self._output.mux(self._next)
            self._next = next(self._pieces, None)

    def close(self) -> None:
        """Closes the file."""
        self._input.close()

    def _copies(self) -> Iterator[Packet]:
        """The packets of the wanted part as they are. The first may begin before it, which mp4 knows how to leave out."""
        stream = self._output.add_stream_from_template(self._stream)
        for packet in self._input_packets():
            if packet.pts is None or packet.dts is None:
                continue
            begin = _begin(packet)
            if begin >= self._end:
                return
            if begin >= self._start or begin + float((packet.duration or 0) * packet.time_base) > self._start:
                offset = round(self._start / packet.time_base)
                packet.pts, packet.dts, packet.stream = packet.pts - offset, packet.dts - offset, stream
                yield packet

    def _encoded(self) -> Iterator[Packet]:
        """The wanted part, to the sample, as AAC of one or two channels."""
        source = self._stream.codec_context
        rate = source.sample_rate if source.sample_rate in _AAC_RATES else _AAC_RATE
        layout = "mono" if source.layout.nb_channels == 1 else "stereo"
        stream = self._output.add_stream("aac", rate=rate, layout=layout)
        for frame in self._decoded(AudioResampler("fltp", layout, rate)):
            begin = (frame.time or 0.0) - self._start
            edges = (np.array([0.0, self._end - self._start]) - begin) * rate
            first, last = np.clip(edges, 0, frame.samples).round().astype(int).tolist()
            if first < last:
                wanted = np.ascontiguousarray(frame.to_ndarray()[:, first:last], np.float32)
                part = av.AudioFrame.from_ndarray(wanted, format="fltp", layout=layout)
                part.sample_rate, part.time_base = rate, Fraction(1, rate)
                part.pts = round(begin * rate) + first
                yield from stream.encode(part)
            elif begin >= self._end - self._start:
                break
        yield from stream.encode(None)

    def _decoded(self, resampler: AudioResampler) -> Iterator[av.AudioFrame]:
        for packet in self._input_packets():
            try:
                frames = self._stream.decode(packet)
            except av.FFmpegError as error:
                self._warn(error)
                continue
            for frame in frames:
                yield from resampler.resample(frame)
        yield from resampler.resample(None)

    def _input_packets(self) -> Iterator[Packet]:
        """The sound's packets from a little before the wanted part on. A damaged file ends early, with a warning."""
        with suppress(av.FFmpegError):  # what can't be sought in is read from its beginning
            if self._start > _LEAD and self._stream.time_base:
                self._input.seek(round((self._start - _LEAD) / self._stream.time_base), stream=self._stream)
        try:
            yield from self._input.demux(self._stream)
        except av.FFmpegError as error:
            self._warn(error)

    def _warn(self, error: av.FFmpegError) -> None:
        if not self._is_damaged:
            _LOGGER.warning("%s: its sound is damaged (%s), so some of it is missing in the video", self._path, error.strerror)
        self._is_damaged = True


def first_sound(container: InputContainer) -> AudioStream | None:
    """The first stream of sound whose codec FFmpeg knows; None where there is none."""
    return next((stream for stream in container.streams.audio if stream.codec_context is not None), None)


def _begin(packet: Packet) -> float:
    """When a packet is heard, in seconds."""
    return float((packet.pts or 0) * packet.time_base)

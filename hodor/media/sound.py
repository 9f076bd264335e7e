"""The sound of a file, or a part of it, on its way into an mp4."""

import logging
import math
from collections.abc import Generator, Iterator
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
_DAMAGED = "%s: its sound is damaged (%s), so some of it is missing in the video"
_LOGGER = logging.getLogger(__name__)


def sound_packets(path: Path | None, output: OutputContainer, start: float, end: float | None) -> Generator[Packet, None, None]:
    """The sound of a file, if there is one, for an mp4 of which nothing was written yet; arguments as of `written_video`.

    Raises:
        HodorError: the file can't be read, or holds no sound.
    """
    if path is None:
        return
    try:
        container = av.open(str(path))
    except (av.FFmpegError, ValueError) as error:
        raise HodorError(f"{path}: its sound can't be read ({error})") from None
    with container:
        stream = first_sound(container)
        if stream is None:
            raise HodorError(f"{path}: holds no sound")
        clock = first_video(container) or stream
        begin = start + (float(clock.start_time * clock.time_base) if clock.start_time and clock.time_base else 0.0)
        end = math.inf if end is None else begin + end - start
        packets = _packets(container, stream, begin)
        codec, samples = stream.codec_context.codec.canonical_name, stream.codec_context.sample_rate
        is_copied = codec in _COPIED and not (codec == "mp3" and samples < _LOWEST_MP3_RATE)
        yield from (_copied if is_copied else _encoded)(packets, stream, output, begin, end)


def begin_of(packet: Packet) -> float:
    """When a packet is heard, in seconds."""
    return float((packet.pts or 0) * packet.time_base)


def first_sound(container: InputContainer) -> AudioStream | None:
    """The first stream of sound whose codec FFmpeg knows; None where there is none."""
    return next((stream for stream in container.streams.audio if stream.codec_context is not None), None)


def _packets(container: InputContainer, stream: AudioStream, begin: float) -> Iterator[Packet]:
    """The sound from a little before `begin` on. A damaged file ends early, with a warning."""
    with suppress(av.FFmpegError):  # what can't be sought in is read from its beginning
        if begin > _LEAD and stream.time_base:
            container.seek(round((begin - _LEAD) / stream.time_base), stream=stream)
    try:
        yield from container.demux(stream)
    except av.FFmpegError as error:
        _LOGGER.warning(_DAMAGED, container.name, error.strerror)


def _copied(
    packets: Iterator[Packet], stream: AudioStream, output: OutputContainer, start: float, end: float
) -> Iterator[Packet]:
    """The packets of a part as they are. The first may begin before it, which mp4 knows how to leave out."""
    copy = output.add_stream_from_template(stream)
    for packet in packets:
        if packet.pts is None or packet.dts is None:
            continue
        begin = begin_of(packet)
        if begin >= end:
            return
        if begin >= start or begin + float((packet.duration or 0) * packet.time_base) > start:
            offset = round(start / packet.time_base)
            packet.pts, packet.dts, packet.stream = packet.pts - offset, packet.dts - offset, copy
            yield packet


def _encoded(
    packets: Iterator[Packet], stream: AudioStream, output: OutputContainer, start: float, end: float
) -> Iterator[Packet]:
    """A part, to the sample, as AAC of one or two channels."""
    source = stream.codec_context
    rate = source.sample_rate if source.sample_rate in _AAC_RATES else _AAC_RATE
    layout = "mono" if source.layout.nb_channels == 1 else "stereo"
    encoder = output.add_stream("aac", rate=rate, layout=layout)
    for frame in _decoded(packets, stream, AudioResampler("fltp", layout, rate)):
        begin = (frame.time or 0.0) - start
        edges = (np.array([0.0, end - start]) - begin) * rate
        first, last = np.clip(edges, 0, frame.samples).round().astype(int).tolist()
        if first < last:
            wanted = np.ascontiguousarray(frame.to_ndarray()[:, first:last], np.float32)
            part = av.AudioFrame.from_ndarray(wanted, format="fltp", layout=layout)
            part.sample_rate, part.time_base = rate, Fraction(1, rate)
            part.pts = round(begin * rate) + first
            yield from encoder.encode(part)
        elif begin >= end - start:
            break
    yield from encoder.encode(None)


def _decoded(packets: Iterator[Packet], stream: AudioStream, resampler: AudioResampler) -> Iterator[av.AudioFrame]:
    is_damaged = False
    for packet in packets:
        try:
            frames = stream.decode(packet)
        except av.FFmpegError as error:
            if not is_damaged:
                _LOGGER.warning(_DAMAGED, stream.container.name, error.strerror)
            is_damaged = True
            continue
        for frame in frames:
            yield from resampler.resample(frame)
    yield from resampler.resample(None)

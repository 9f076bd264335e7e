"""Video files decoded: the one place where they become pictures, from their beginning or from somewhere within them."""

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, cast

import av
import numpy as np
from av.buffer import Buffer
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from hodor.errors import HodorError
from hodor.media.arrival import Arrived
from hodor.media.images import MAX_PIXELS, refuse_too_large


class Seek(NamedTuple):
    """A place within a video.

    Attributes:
        timestamp: where to begin, in the stream's time base; the container finds some keyframe near it.
        locate: gives the number of the keyframe that was found, or None if it is unknown.
    """

    timestamp: int
    locate: Callable[[av.VideoFrame], int | None]


@contextmanager
def opened_video(path: Path, max_pixels: int = MAX_PIXELS) -> Iterator[tuple[InputContainer, VideoStream]]:
    """A video file of which only the header was read, and its first video stream.

    Raises:
        HodorError: the file is missing, no video, too large, or holds no pictures.
    """
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
    path: Path, max_pixels: int = MAX_PIXELS, seek: Seek | None = None
) -> Generator[tuple[int, av.VideoFrame], None, None]:
    """The frames of a video file with their numbers from 0 on, in the order of their display, one at a time.

    Args:
        path: the file.
        max_pixels: how many a frame may have.
        seek: begins at a keyframe instead; what is shown before it is left out, since it may lack what it is made from. No
            frame comes if that keyframe is unknown.

    Raises:
        HodorError: the file is missing, broken, too large, or holds no pictures; or, after the last frame that could be
            read, some are damaged, or fewer came than the container promised, by more than two.
    """
    with opened_video(path, max_pixels) as (container, stream):
        arrived = Arrived(container, stream)
        landed = seek is None
        try:
            stream.thread_type = "AUTO"
            if seek is not None:
                container.seek(seek.timestamp, stream=stream)
            for frame in container.decode(stream):
                refuse_too_large(path, frame.width, frame.height, max_pixels)  # the size may change on the way
                if seek is not None and not landed:
                    if not frame.key_frame:
                        continue
                    number = seek.locate(frame)
                    if number is None:
                        return
                    arrived.frames, landed = number, True
                yield arrived.frames, frame
                arrived.add(frame)
        except (av.FFmpegError, ValueError) as error:
            if not arrived.frames:
                raise _unreadable(path, error) from None
            raise HodorError(f"{path}: broken in the middle ({error}): {arrived.describe()}") from None
        if landed and arrived.is_incomplete():
            raise HodorError(f"{path}: truncated or damaged: {arrived.describe()}; get a whole copy")


class Upright:
    """Makes pixels of the decoded frames of one video, turned and mirrored as its display matrix says.

    A frame that is asked for its side data refers to itself from then on, and keeps its megabytes until Python happens to look
    for such circles. So of all frames with the same rotation only the first is asked.
    """

    def __init__(self, name: Path | str) -> None:
        """`name` is the video's, for messages."""
        self._name = name
        self._matrices: dict[float, np.ndarray | None] = {}

    @property
    def swaps_sides(self) -> bool:
        """Whether frames that were seen lie on their sides in the file."""
        return any(matrix is not None and abs(matrix[0, 1]) > abs(matrix[0, 0]) for matrix in self._matrices.values())

    def pixels(self, frame: av.VideoFrame) -> np.ndarray:
        """A frame as [H, W, 3] uint8, R, G, B.

        Raises:
            HodorError: its colours can't be converted; names the video.
        """
        try:
            pixels = frame.to_ndarray(format="rgb24")
        except (av.FFmpegError, ValueError) as error:
            raise _unreadable(self._name, error) from None
        if frame.rotation not in self._matrices:
            self._matrices[frame.rotation] = _display_matrix(frame)
        matrix = self._matrices[frame.rotation]
        if matrix is None:
            return pixels
        (along_x, down_x), (along_y, down_y) = matrix  # where a step along x, and one along y, leads
        if abs(down_x) > abs(along_x):
            pixels = pixels.swapaxes(0, 1)
            rightwards, downwards = along_y, down_x
        else:
            rightwards, downwards = along_x, down_y
        return np.ascontiguousarray(pixels[:: -1 if downwards < 0 else 1, :: -1 if rightwards < 0 else 1])


def _display_matrix(frame: av.VideoFrame) -> np.ndarray | None:
    """[2, 2], rows x and y of the matrix that maps stored to displayed positions; None where frames are stored upright."""
    try:
        side_data = cast("Mapping[str, Buffer]", frame.side_data)
    except ValueError:  # PyAV lacks a name for data that this FFmpeg adds, as of EXIF; it tells the angle all the same
        angle = np.deg2rad(frame.rotation)
        matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        return matrix.round().astype(np.int32) if frame.rotation else None
    if "DISPLAYMATRIX" not in side_data:
        return None
    return np.frombuffer(bytes(side_data["DISPLAYMATRIX"]), np.int32).reshape(3, 3)[:2, :2].copy()


def _unreadable(path: Path | str, error: Exception) -> HodorError:
    reason = error.strerror if isinstance(error, av.FFmpegError) else error
    return HodorError(f"{path}: broken, or no video that FFmpeg can read ({reason})")

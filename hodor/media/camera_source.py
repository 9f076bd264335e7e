"""A camera as a source of frames: they come once, when they are taken."""

import sys
import time
from collections.abc import Generator, Iterator
from contextlib import closing

import av
import av.device
from av.container import InputContainer

from hodor.errors import HodorError
from hodor.media.decoding import Upright
from hodor.media.frame_source import FrameSource, Selection, SourceFrame
from hodor.media.images import refuse_too_large

CAMERA = "camera:"
"""What a camera's name begins with."""
_UNKNOWN_RATE = 30.0
_PAUSE = 0.005  # seconds until a camera is asked again that has no new frame yet


class CameraSource(FrameSource):
    """A device that gives pictures. It is opened at once, and freed once its frames were read."""

    is_live = True

    def __init__(self, name: str, device: str, system: str, selection: Selection, max_pixels: int) -> None:
        """Opens the device.

        Args:
            name: for messages.
            device: what the system calls it.
            system: FFmpeg's name of the system's devices, such as v4l2.
            selection: which of its frames are wanted.
            max_pixels: how many a frame may have.

        Raises:
            HodorError: there is no such camera, or another program uses it.
        """
        options = {"framerate": "30"} if system == "avfoundation" else {}  # where the default is one that few cameras have
        try:
            self._container: InputContainer = av.open(device, format=system, options=options)
        except (av.FFmpegError, ValueError) as error:
            reason = error.strerror if isinstance(error, av.FFmpegError) else error
            raise HodorError(
                f"{name}: no camera that can be read there ({reason}); see which there are, and who uses it"
            ) from None
        if not self._container.streams.video:
            self._container.close()
            raise HodorError(f"{name}: gives no pictures")
        stream = self._container.streams.video[0]
        super().__init__(name, float(stream.average_rate or _UNKNOWN_RATE), None, selection)
        self._max_pixels = max_pixels
        self._read = self._selected()
        self._ahead: SourceFrame | None = None
        self._is_begun = False

    def expected_frames(self) -> int | None:
        """The number of selected frames, if the selection ends."""
        return None if self.selection.end is None else len(self.selection.indices(self.selection.end))

    def frames(self, begin: int = 0) -> Iterator[SourceFrame]:
        """See `FrameSource.frames`; a camera's come only once.

        Raises:
            HodorError: they were read before, or the camera breaks off.
        """
        if self._is_begun:
            raise HodorError(f"{self.name}: a camera's frames come only once")
        self._is_begun = True
        with closing(self._read):
            ahead = [] if self._ahead is None else [self._ahead]
            self._ahead = None
            for frames in (ahead, self._read):
                yield from (frame for frame in frames if frame.index >= begin)

    def backwards(self, begin: int) -> Iterator[SourceFrame]:
        """A camera can't.

        Raises:
            HodorError: always.
        """
        raise HodorError(f"{self.name}: a camera's frames can't be followed backwards")

    def frame(self, index: int) -> SourceFrame:
        """The first of the selected frames, which `frames` gives once more; no other.

        Raises:
            HodorError: it is another frame, the frames were read already, or the camera breaks off.
        """
        if index != self.selection.start or self._is_begun:
            raise HodorError(f"{self.name}: of a camera only frame {self.selection.start} can be looked at before the others")
        self._ahead = self._ahead or next(self._read)
        return self._ahead

    @property
    def end_time(self) -> float | None:
        """A camera's frames have no sound to be cut off."""
        return None

    def _selected(self) -> Generator[SourceFrame, None, None]:
        first: float | None = None
        upright = Upright(self.name)
        with self._container:
            for index, frame in enumerate(self._taken()):
                refuse_too_large(self.name, frame.width, frame.height, self._max_pixels)
                now = index / self.rate if frame.time is None else frame.time
                first = now if first is None else first
                if self.selection.holds(index):
                    yield self.selection.frame(index, now - first, upright.pixels(frame))
                if self.selection.is_over(index + 1):
                    return
        raise HodorError(f"{self.name}: the camera gives no more pictures")

    def _taken(self) -> Iterator[av.VideoFrame]:
        while True:
            try:
                yield from self._container.decode(video=0)
                return
            except av.BlockingIOError:
                time.sleep(_PAUSE)
            except av.FFmpegError as error:
                raise HodorError(f"{self.name}: the camera broke off ({error.strerror})") from None


def open_camera(text: str, selection: Selection, max_pixels: int) -> CameraSource:
    """Opens `camera:0`, `camera:/dev/video1`, or what else the system calls a camera.

    Raises:
        HodorError: there is no such camera.
    """
    device = text.removeprefix(CAMERA)
    if not device:
        raise HodorError(f"{text}: name a camera by its number, such as camera:0")
    if sys.platform == "darwin":
        return CameraSource(text, f"{device}:none", "avfoundation", selection, max_pixels)
    if sys.platform == "win32":
        name = _windows_name(int(device), text) if device.isdecimal() else device
        return CameraSource(text, f"video={name}", "dshow", selection, max_pixels)
    return CameraSource(text, f"/dev/video{device}" if device.isdecimal() else device, "v4l2", selection, max_pixels)


def _windows_name(number: int, text: str) -> str:
    cameras = [each for each in av.device.enumerate_input_devices("dshow") if "video" in each.media_types]
    if number >= len(cameras):
        raise HodorError(f"{text}: no such camera; there are {len(cameras)}")
    return cameras[number].name

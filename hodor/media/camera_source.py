"""A camera as a source of frames: they come once, when they are taken."""

import sys
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from itertools import chain

import av
import av.device

from hodor.errors import HodorError
from hodor.media.decoding import Upright, first_video
from hodor.media.frame_source import FrameSource, Selection, SourceFrame
from hodor.media.images import refuse_too_large

CAMERA = "camera:"  # what a camera's name begins with
_UNKNOWN_RATE = 30.0
_PAUSE = 0.005  # seconds until a camera is asked again that has no new frame yet


class CameraSource(FrameSource):
    """A device that gives pictures. It is opened at once, and freed once its frames were read."""

    is_live = True

    def __init__(self, name: str, device: str, system: str, selection: Selection, max_pixels: int) -> None:
        """Opens what the system calls `device`; `system` is FFmpeg's name of the system's devices, such as v4l2."""
        options = {"framerate": "30"} if system == "avfoundation" else {}  # where the default is one that few cameras have
        try:
            self._container = av.open(device, format=system, options=options)
        except (av.FFmpegError, ValueError) as error:
            reason = error.strerror if isinstance(error, av.FFmpegError) else error
            raise HodorError(
                f"{name}: no camera that can be read there ({reason}); see which there are, and who uses it"
            ) from None
        stream = first_video(self._container)
        if stream is None:
            self._container.close()
            raise HodorError(f"{name}: gives no pictures; name a camera")
        super().__init__(name, float(stream.average_rate or _UNKNOWN_RATE), None, selection)
        self.total = selection.end
        self._max_pixels = max_pixels
        self._read = self._selected()
        self._ahead: list[SourceFrame] = []
        self._is_begun = False

    def frames(self, begin: int = 0) -> Iterator[SourceFrame]:
        if self._is_begun:
            raise HodorError(f"{self.name}: a camera's frames come only once")
        self._is_begun = True
        with closing(self._read):
            yield from (frame for frame in chain(self._ahead, self._read) if frame.index >= begin)

    def backwards(self, begin: int) -> Iterator[SourceFrame]:
        raise HodorError(f"{self.name}: a camera's frames can't be followed backwards")

    def frame(self, index: int) -> SourceFrame:
        if index != self.selection.start or self._is_begun:
            raise HodorError(f"{self.name}: of a camera only frame {self.selection.start} can be looked at before the others")
        if not self._ahead:
            self._ahead.append(next(self._read))
        return self._ahead[0]

    def _selected(self) -> Generator[SourceFrame, None, None]:
        first: float | None = None
        upright = Upright(self.name)
        wanted = self.selection.indices()
        with self._container:
            for index, frame in enumerate(self._taken()):
                refuse_too_large(self.name, frame.width, frame.height, self._max_pixels)
                now = index / self.rate if frame.time is None else frame.time
                first = now if first is None else first
                if index in wanted:
                    yield self.selection.frame(index, now - first, upright.pixels(frame))
                if index + 1 == wanted.stop:
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
    """Opens `camera:0`, `camera:/dev/video1`, or what else the system calls a camera; a HodorError if there is none."""
    device, system = text.removeprefix(CAMERA), "v4l2"
    if not device:
        raise HodorError(f"{text}: name a camera by its number, such as camera:0")
    if sys.platform == "darwin":
        device, system = f"{device}:none", "avfoundation"
    elif sys.platform == "win32":
        if device.isdecimal():
            cameras = [each for each in av.device.enumerate_input_devices("dshow") if "video" in each.media_types]
            if int(device) >= len(cameras):
                raise HodorError(f"{text}: no such camera; there are {len(cameras)}")
            device = cameras[int(device)].name
        device, system = f"video={device}", "dshow"
    elif device.isdecimal():
        device = f"/dev/video{device}"
    return CameraSource(text, device, system, selection, max_pixels)

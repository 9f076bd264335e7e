"""Video files: frames out of anything that FFmpeg reads, frames into H.264."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from hodor.errors import HodorError
from hodor.files import written_aside

_QUALITY = {"crf": "20", "preset": "veryfast"}


def read_video(path: Path) -> Iterator[np.ndarray]:
    """The frames of a video file in the order of their display, [H, W, 3] uint8, R, G, B, one at a time.

    Raises:
        HodorError: the file is missing, broken, or holds no pictures.
    """
    if not path.is_file():
        raise HodorError(f"{path}: no such video")
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise HodorError(f"{path}: holds no pictures, only other streams")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            for frame in container.decode(stream):
                yield frame.to_ndarray(format="rgb24")
    except (av.FFmpegError, ValueError) as error:
        raise HodorError(f"{path}: broken, or no video that FFmpeg can read ({error})") from None


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

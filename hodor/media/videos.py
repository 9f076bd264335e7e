"""Video files: frames out of anything that FFmpeg reads, frames into H.264."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from hodor.media.decoding import Upright, decode
from hodor.media.images import MAX_PIXELS
from hodor.media.video_output import written_video


def read_video(path: str | Path, max_pixels: int = MAX_PIXELS) -> Iterator[np.ndarray]:
    """The frames of a video file in the order of their display, upright, [H, W, 3] uint8, R, G, B, one at a time.

    Args:
        path: the file.
        max_pixels: how many a frame may have.

    Raises:
        HodorError: the file is missing, broken, too large, or holds no pictures; or, after the last frame that could be
            read, some are damaged, or fewer came than the container promised, by more than two.
    """
    upright = Upright(path)
    for _, frame in decode(Path(path), max_pixels):
        yield upright.pixels(frame)


def write_video(path: Path, frames: Iterable[np.ndarray], rate: float = 24.0) -> None:
    """Writes frames, [H, W, 3] uint8 (R, G, B), all of one size, as `written_video` does, `rate` of them a second.

    Raises:
        HodorError: there is no frame, they differ in size, or the disk is full.
    """
    with written_video(path, rate=rate) as writer:
        for number, image in enumerate(frames):
            writer.write(image, number / rate)

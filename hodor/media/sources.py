"""Frames from anywhere: video files, folders of images and cameras, all of which are a `FrameSource`."""

import math
from pathlib import Path

from hodor.errors import HodorError
from hodor.media.camera_source import CAMERA, open_camera
from hodor.media.folder_source import FOLDER_RATE, FolderSource
from hodor.media.frame_source import FrameSource, Selection, SourceFrame
from hodor.media.images import MAX_PIXELS
from hodor.media.video_source import VideoSource

__all__ = ["FrameSource", "Selection", "SourceFrame", "open_source"]


def open_source(text: str, selection: Selection, *, max_pixels: int = MAX_PIXELS, rate: float | None = None) -> FrameSource:
    """Opens a video file, a folder of images, or `camera:0`, `camera:/dev/video1`; of files, only headers are read.

    No frame may have more than `max_pixels`. `rate` is the frames per second of a folder, 24 if it is None; the others have
    times of their own.

    Raises:
        HodorError: there is no such source, it holds no frames, or its frames differ in size; or `rate` is not above 0, or
            not meant for this source.
    """
    if rate is not None and not (math.isfinite(rate) and rate > 0):
        raise HodorError(f"--rate must be a number above 0, not {rate}")
    path = Path(text)
    if not text.startswith(CAMERA) and path.is_dir():
        return FolderSource(path, selection, max_pixels, rate or FOLDER_RATE)
    if rate is not None:
        raise HodorError(f"{text}: --rate is for folders of images; this source has times of its own")
    return open_camera(text, selection, max_pixels) if text.startswith(CAMERA) else VideoSource(path, selection, max_pixels)

"""The frames of a session's video as the page shows them: JPEG pictures, any frame, fast when one follows another."""

import io
import threading
from collections import OrderedDict
from collections.abc import Iterator

import cv2
import numpy as np
from PIL import Image

from hodor.app.refusals import RefusalError
from hodor.errors import HodorError
from hodor.media.sources import FrameSource, SourceFrame

_SHOWN_SIDE = 1600  # pixels, the longer side of what is shown
_BYTES_KEPT = 2**26
_AHEAD = 24  # frames that are rather read on to than looked for anew
_QUALITY = 88


class FrameReader:
    """Reads frames of one source for many requests at once."""

    def __init__(self, source: FrameSource) -> None:
        """Nobody else may read from `source`."""
        self.source = source
        self._lock = threading.Lock()
        self._upcoming: Iterator[SourceFrame] | None = None
        self._following = 0
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._size = 0

    def pixels(self, index: int) -> np.ndarray:
        """A frame [H, W, 3] uint8.

        Raises:
            HodorError: there is none, or it is broken.
        """
        with self._lock:
            return self._frame(index).image

    def jpeg(self, index: int) -> bytes:
        """A frame as JPEG, made smaller where it is very large.

        Raises:
            HodorError: there is none, or it is broken.
        """
        with self._lock:
            if index not in self._kept:
                self._frame(index)
            self._kept.move_to_end(index)
            return self._kept[index]

    def count(self) -> int:
        """How many frames there are; where no header says it they are read through.

        Raises:
            HodorError: the video is broken before it has given one.
        """
        with self._lock:
            if expected := self.source.expected_frames():
                return expected
            count = 0
            try:
                for _ in self.source.frames():
                    count += 1
            except HodorError:
                if not count:
                    raise
            return count

    def _frame(self, index: int) -> SourceFrame:
        if self._upcoming is None or not self._following <= index < self._following + _AHEAD:
            self._upcoming, self._following = self.source.frames(index), index
        try:
            for frame in self._upcoming:
                self._following = frame.index + 1
                self._keep(frame)
                if frame.index == index:
                    return frame
        except BaseException:
            self._upcoming = None
            raise
        self._upcoming = None
        raise RefusalError(404, f"the video has no frame {index}")

    def _keep(self, frame: SourceFrame) -> None:
        height, width = frame.image.shape[:2]
        scale = min(1.0, _SHOWN_SIDE / max(height, width))
        size = max(round(width * scale), 1), max(round(height * scale), 1)
        image = frame.image if scale == 1 else cv2.resize(frame.image, size, interpolation=cv2.INTER_AREA)
        encoded = io.BytesIO()
        Image.fromarray(image).save(encoded, format="JPEG", quality=_QUALITY)
        self._size += len(encoded.getvalue()) - len(self._kept.get(frame.index, b""))
        self._kept[frame.index] = encoded.getvalue()
        while self._size > _BYTES_KEPT and len(self._kept) > 1:
            self._size -= len(self._kept.popitem(last=False)[1])

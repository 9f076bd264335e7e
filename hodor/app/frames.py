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
    """Reads frames of one source for many requests at once. A HodorError tells that there is none, or that it is broken."""

    def __init__(self, source: FrameSource) -> None:
        """Nobody else may read from `source`."""
        self.source = source
        self._lock = threading.Lock()
        self._upcoming: Iterator[SourceFrame] | None = None
        self._following = 0
        self._kept: OrderedDict[int, bytes] = OrderedDict()

    def pixels(self, index: int) -> np.ndarray:
        """A frame [H, W, 3] uint8."""
        with self._lock:
            return self._frame(index).image

    def jpeg(self, index: int) -> bytes:
        """A frame as JPEG, made smaller where it is very large."""
        with self._lock:
            if index not in self._kept:
                self._frame(index)
            self._kept.move_to_end(index)
            return self._kept[index]

    def count(self) -> int:
        """How many frames there are; where no header says it they are read through, and a broken video has those that came."""
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
        upcoming, self._upcoming = self._upcoming, None  # what broke can't be read on
        if upcoming is None or not self._following <= index < self._following + _AHEAD:
            upcoming = self.source.frames(index)
        for frame in upcoming:
            self._keep(frame)
            if frame.index == index:
                self._upcoming, self._following = upcoming, index + 1
                return frame
        raise RefusalError(404, f"the video has no frame {index}")

    def _keep(self, frame: SourceFrame) -> None:
        height, width = frame.image.shape[:2]
        scale = min(1.0, _SHOWN_SIDE / max(height, width))
        size = max(round(width * scale), 1), max(round(height * scale), 1)
        image = frame.image if scale == 1 else cv2.resize(frame.image, size, interpolation=cv2.INTER_AREA)
        encoded = io.BytesIO()
        Image.fromarray(image).save(encoded, format="JPEG", quality=_QUALITY)
        self._kept[frame.index] = encoded.getvalue()
        while len(self._kept) > 1 and sum(map(len, self._kept.values())) > _BYTES_KEPT:
            self._kept.popitem(last=False)

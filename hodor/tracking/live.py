"""A camera whose pictures are kept while they are followed, so that everything else can be made of them afterwards."""

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from hodor.errors import HodorError
from hodor.media.sources import FrameSource, Selection, SourceFrame, open_source
from hodor.media.videos import written_video


class RecordedCamera(FrameSource):
    """The frames of a camera, recorded as they come. Ctrl-C ends the recording, and once more ends the program.

    Afterwards the frames come from the recording, with the indices and times that they had.
    """

    def __init__(self, camera: FrameSource, recording: Path) -> None:
        """Takes the frames of `camera` and writes them to `recording`, an .mp4."""
        super().__init__(camera.name, camera.rate, None, camera.selection)
        self._camera = camera
        self._recording = recording
        self._size = (0, 0)
        self._taken: list[tuple[int, float]] = []
        self._is_stopped = False

    def expected_frames(self) -> int | None:
        return len(self._taken) or self._camera.expected_frames()

    def frames(self, begin: int = 0) -> Iterator[SourceFrame]:
        """See `FrameSource.frames`."""
        if not self._taken:
            yield from self._recorded(begin)
            return
        height, width = self._size  # a video has even sides
        recorded = open_source(str(self._recording), Selection())
        for (index, time), frame in zip(self._taken, recorded.frames(), strict=True):
            if index >= begin:
                yield SourceFrame(index, time, frame.image[:height, :width], (height, width))

    def backwards(self, begin: int) -> Iterator[SourceFrame]:
        """See `CameraSource.backwards`."""
        return self._camera.backwards(begin)

    def frame(self, index: int) -> SourceFrame:
        """See `CameraSource.frame`."""
        return self._camera.frame(index)

    @contextlib.contextmanager
    def stopped_by_interrupt(self) -> Iterator[None]:
        """A context, in the main thread, within which the first Ctrl-C only ends the recording."""

        def stop(number: int, frame: FrameType | None) -> None:
            self._is_stopped = True
            signal.signal(signal.SIGINT, before)

        before = signal.signal(signal.SIGINT, stop)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _recorded(self, begin: int) -> Iterator[SourceFrame]:
        height, width = self._camera.frame(self.selection.start).image.shape[:2]
        self._size = height, width
        broken = None
        with written_video(self._recording, rate=self.rate) as writer:
            try:
                for frame in self._camera.frames(begin):
                    writer.write(frame.image, frame.time)
                    self._taken.append((frame.index, frame.time))
                    yield frame
                    if self._is_stopped:
                        break
            except HodorError as error:  # the camera was unplugged: what it gave is kept
                broken = error
            except GeneratorExit:  # who follows was stopped, or has failed: what came until then is kept
                pass
        if broken is not None:
            raise broken

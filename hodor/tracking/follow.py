"""The way through the frames of a video: forwards from the first mask, and backwards to what lies before."""

import functools
import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from types import MappingProxyType
from typing import Any

import numpy as np

from hodor.errors import HodorError
from hodor.formats.object_files import DescribedObject
from hodor.inference.segmenter import Segmenter
from hodor.media.sources import FrameSource, SourceFrame
from hodor.media.streams import read_ahead, write_behind
from hodor.tracking.confidences import Row, Watch
from hodor.tracking.folder import StoredPass, TrackingFolder

SAVE_INTERVAL = 25
"""Frames between two states that are kept. A state takes about 1 KB per object and remembered frame."""
_LOGGER = logging.getLogger(__name__)


class Follower:
    """Follows the objects of one video, and keeps what it finds as it goes.

    Attributes:
        latest: how sure the network was in the last frame.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        source: FrameSource,
        folder: TrackingFolder,
        watch: Watch,
        objects: Mapping[int, DescribedObject] = MappingProxyType({}),
    ) -> None:
        """Puts together what a run needs.

        Args:
            segmenter: used afresh.
            source: the frames.
            folder: has the given masks, and takes what is found.
            watch: says where objects are lost.
            objects: {id: object} that are known from elsewhere.
        """
        self._segmenter = segmenter
        self._source = source
        self._folder = folder
        self._watch = watch
        self._objects = objects
        self.latest: list[Row] = []

    def forwards(self, on_frame: Callable[[SourceFrame], object]) -> HodorError | None:
        """Follows from the first frame to the last; fills in what `backwards` found before objects were given.

        Args:
            on_frame: called after each frame.

        Returns:
            What made the source end before its time; None if nothing did.
        """
        return self._follow(self._folder.forwards, self._source.frames, 0, self._folder.given, on_frame)

    def backwards(self, on_frame: Callable[[SourceFrame], object]) -> None:
        """Follows from the last frame in which an object is given for the first time back to the first frame.

        Raises:
            HodorError: the source breaks off.
        """
        starts = self._folder.starts()
        if not starts:
            return
        begin = max(starts.values())

        def given(index: int) -> np.ndarray | None:
            labels = self._folder.given(index)
            if labels is None:
                return None
            return np.where(np.isin(labels, [each for each, start in starts.items() if start == index]), labels, 0)

        if (broken := self._follow(self._folder.backwards, self._source.backwards, begin, given, on_frame)) is not None:
            raise broken

    def _follow(
        self,
        stored: StoredPass,
        frames: Callable[[int], Iterator[SourceFrame]],
        first: int,
        given: Callable[[int], np.ndarray | None],
        on_frame: Callable[[SourceFrame], object],
    ) -> HodorError | None:
        """One pass over the frames, from where an earlier run has stopped. Whatever stops it, what was found is kept."""
        following, state, rows = stored.latest(first)
        self._segmenter.reset(self._source.name)
        if state is not None:
            self._segmenter.load_state_dict(state)
        if stored is self._folder.forwards:
            stored.forget_all_but({self._source.name_of(index) for index in self._source.selection.indices(following)})
        if state is None and stored is self._folder.forwards:
            for object_id, described in self._objects.items():
                self._segmenter.add_described(object_id, described)
        done = following, self._segmenter.state_dict(), len(rows)  # replaced as a whole, so that it always fits together

        def save(following: int, state: dict[str, Any], count: int) -> None:
            stored.save(following, state, rows[:count])

        stopped: BaseException | None = None
        with closing(read_ahead(frames(following))) as ahead:
            reading = _Reading(ahead, given)
            with write_behind(workers=1) as submit:  # one worker keeps the order: a state comes after the masks before it
                try:
                    for count, labels in enumerate(self._segmenter.follow(reading), 1):
                        frame = reading.shown.popleft()
                        found, of_frame = self._found(stored, frame, labels.cpu().numpy())
                        submit(stored.write, self._source.name_of(frame.index), found)
                        rows += of_frame
                        self.latest = of_frame
                        done = frame.index + stored.step, self._segmenter.state_dict(), len(rows)
                        if count % SAVE_INTERVAL == 0:
                            submit(save, *done)
                        for message in self._watch.lost(of_frame):
                            _LOGGER.warning("%s", message)
                        on_frame(frame)
                except BaseException as error:  # of any kind: what was found is kept first
                    stopped = error
            save(*done)
        if stopped is not None:
            raise stopped
        if reading.broken is None:
            stored.finish()
        return reading.broken

    def _found(self, stored: StoredPass, frame: SourceFrame, labels: np.ndarray) -> tuple[np.ndarray, list[Row]]:
        """What was found in a frame; forwards with what the pass backwards found of objects that are given only later."""
        name = self._source.name_of(frame.index)
        sure = dict(self._segmenter.confidences)
        if stored is self._folder.forwards and (before := self._folder.backwards.mask(name)) is not None:
            earlier = {row.object_id: row.confidence for row in self._earlier.get(frame.index, []) if row.object_id not in sure}
            labels = np.where((labels == 0) & np.isin(before, list(earlier)), before, labels)
            sure |= earlier
        areas = np.bincount(labels.ravel(), minlength=256).tolist()
        rows = [Row(frame.index, name, frame.time, each, confidence, areas[each]) for each, confidence in sorted(sure.items())]
        return labels, rows

    @functools.cached_property
    def _earlier(self) -> dict[int, list[Row]]:
        """By frame, what the pass backwards found, which is over."""
        frames: dict[int, list[Row]] = {}
        for row in self._folder.backwards.rows():
            frames.setdefault(row.frame, []).append(row)
        return frames


class _Reading(Iterator[tuple[np.ndarray, np.ndarray | None]]):
    """Frames with the masks given in them, as a segmenter takes them; a source that breaks off ends.

    Attributes:
        shown: frames that were handed out; who has used one takes it away.
        broken: what made the source break off.
    """

    def __init__(self, frames: Iterator[SourceFrame], given: Callable[[int], np.ndarray | None]) -> None:
        self._frames = frames
        self._given = given
        self.shown: deque[SourceFrame] = deque()
        self.broken: HodorError | None = None

    def __next__(self) -> tuple[np.ndarray, np.ndarray | None]:
        try:
            frame = next(self._frames)
        except HodorError as error:
            self.broken = error
            raise StopIteration from None
        self.shown.append(frame)
        return frame.image, self._given(frame.index)

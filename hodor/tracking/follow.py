"""The way through the frames of a video: forwards from the first mask, and backwards to what lies before."""

import functools
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hodor.errors import HodorError
from hodor.formats.object_files import DescribedObject
from hodor.inference.segmenter import Segmenter
from hodor.inference.sequences import Reading
from hodor.media.sources import FrameSource, SourceFrame
from hodor.media.streams import read_ahead, write_behind
from hodor.tracking.confidences import Row, Watch, by_frame
from hodor.tracking.folder import StoredPass, TrackingFolder

SAVE_INTERVAL = 25
"""Frames between two states that are kept. A state takes about 1 KB per object and remembered frame."""
_LOGGER = logging.getLogger(__name__)


@dataclass
class Follower:
    """Follows the objects of one video, and keeps what it finds as it goes."""

    segmenter: Segmenter  # used afresh
    source: FrameSource
    folder: TrackingFolder  # has the given masks, and takes what is found
    watch: Watch
    objects: Mapping[int, DescribedObject] = field(default_factory=dict)  # that are known from elsewhere, by id
    latest: list[Row] = field(default_factory=list)  # how sure the network was in the last frame

    def forwards(self, on_frame: Callable[[SourceFrame], object]) -> HodorError | None:
        """Follows from the first frame to the last; fills in what `backwards` found before objects were given.

        Calls `on_frame` after each frame. Returns what made the source end before its time; None if nothing did.
        """
        return self._follow(self.folder.forwards, self.source.frames, 0, self.folder.given, on_frame)

    def backwards(self, on_frame: Callable[[SourceFrame], object]) -> None:
        """Follows from the last frame in which an object is given for the first time back to the first frame.

        Raises:
            HodorError: the source breaks off.
        """
        starts = self.folder.starts()
        if not starts:
            return
        begin = max(starts.values())

        def given(index: int) -> np.ndarray | None:
            labels = self.folder.given(index)
            if labels is None:
                return None
            return np.where(np.isin(labels, [each for each, start in starts.items() if start == index]), labels, 0)

        if (broken := self._follow(self.folder.backwards, self.source.backwards, begin, given, on_frame)) is not None:
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
        self.segmenter.reset(self.source.name)
        if state is not None:
            self.segmenter.load_state_dict(state)
        if stored is self.folder.forwards:
            stored.forget_all_but({self.source.name_of(index) for index in self.source.selection.indices(following)})
            for object_id, described in self.objects.items() if state is None else ():
                self.segmenter.add_described(object_id, described)
        done = following, self.segmenter.state_dict(), len(rows)  # replaced as a whole, so that it always fits together

        def save(following: int, state: dict[str, Any], count: int) -> None:
            stored.save(following, state, rows[:count])

        stopped: BaseException | None = None
        with closing(read_ahead(frames(following))) as ahead:
            reading = Reading(ahead, lambda frame: (frame.image, given(frame.index)))
            with write_behind(workers=1) as submit:  # one worker keeps the order: a state comes after the masks before it
                try:
                    for count, labels in enumerate(self.segmenter.follow(reading), 1):
                        frame = reading.shown.popleft()
                        found, of_frame = self._found(stored, frame, labels.cpu().numpy())
                        submit(stored.write, self.source.name_of(frame.index), found)
                        rows += of_frame
                        self.latest = of_frame
                        done = frame.index + stored.step, self.segmenter.state_dict(), len(rows)
                        if count % SAVE_INTERVAL == 0:
                            submit(save, *done)
                        for message in self.watch.lost(of_frame):
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
        name = self.source.name_of(frame.index)
        sure = dict(self.segmenter.confidences)
        if stored is self.folder.forwards and (before := self.folder.backwards.mask(name)) is not None:
            earlier = {row.object_id: row.confidence for row in self._earlier.get(frame.index, []) if row.object_id not in sure}
            labels = np.where((labels == 0) & np.isin(before, list(earlier)), before, labels)
            sure |= earlier
        areas = np.bincount(labels.ravel(), minlength=256).tolist()
        rows = [Row(frame.index, name, frame.time, each, confidence, areas[each]) for each, confidence in sorted(sure.items())]
        return labels, rows

    @functools.cached_property
    def _earlier(self) -> dict[int, list[Row]]:
        """By frame, what the pass backwards found, which is over."""
        return by_frame(self.folder.backwards.rows())

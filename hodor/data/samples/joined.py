"""Several data sets as one."""

from collections.abc import Sequence

import numpy as np

from hodor.data.samples.sample import SampleRequest, TrainingSample, TrainingSamples


class JoinedSamples:
    """Data sets one after the other.

    Attributes:
        starts: `[D + 1]` int64; data set d has the items starts[d] .. starts[d + 1] - 1.
        num_objects: `[N]` int64, of all items.
        aspect_ratios: `[N]` float64, of all items.
    """

    def __init__(self, parts: Sequence[TrainingSamples]) -> None:
        """
        Args:
            parts: at least one data set.
        """
        self._parts = list(parts)
        self.starts = np.cumsum([0, *(len(part) for part in parts)])
        self.num_objects = np.concatenate([part.num_objects for part in parts])
        self.aspect_ratios = np.concatenate([part.aspect_ratios for part in parts])

    def __len__(self) -> int:
        return int(self.starts[-1])

    def __getitem__(self, request: SampleRequest) -> TrainingSample:
        """Makes the sample of a request.

        Raises:
            HodorError: its files are missing or broken.
        """
        part = int(np.searchsorted(self.starts, request.item, side="right")) - 1
        return self._parts[part][request._replace(item=request.item - int(self.starts[part]))]

"""What a user could do without a network: copy the first mask, or warp it along by optical flow."""

import itertools
from collections.abc import Iterator, Sequence

import cv2
import numpy as np


def copied_mask(frames: Sequence[np.ndarray], labels: np.ndarray) -> Iterator[np.ndarray]:
    """The first label map [H, W] for every frame."""
    for _ in frames:
        yield labels


def flow_warped_mask(frames: Sequence[np.ndarray], labels: np.ndarray) -> Iterator[np.ndarray]:
    """The first label map [H, W], carried from frame to frame [H, W, 3] by dense inverse search flow (medium preset)."""
    flow_of = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    rows, columns = np.indices(labels.shape, dtype=np.float32)
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    yield labels
    for before, now in itertools.pairwise(grey):
        flow = flow_of.calc(now, before, None)
        labels = cv2.remap(labels, columns + flow[..., 0], rows + flow[..., 1], cv2.INTER_NEAREST, borderValue=0)
        yield labels

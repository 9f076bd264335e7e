"""In which order the items of a data set are used: in batches of alike items, each item equally often, from any point on.

The order is made in rounds. In a round every item is used once in each of as many passes as a batch has samples, so that a
bucket of n alike items fills exactly n batches: nothing is dropped, and nothing is filled in.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

ASPECT_TOLERANCE = 0.1
_SLACK = 1e-9


class ItemOrder:
    """The batches of a group of items, numbered from 0 without end; any of them can be asked for.

    All items of a batch have the same number of objects and aspect ratios within 0.1. No batch has an item twice, unless too
    few items are alike.
    """

    def __init__(self, num_objects: np.ndarray, aspect_ratios: np.ndarray, samples_per_batch: int, seed: Sequence[int]) -> None:
        """
        Args:
            num_objects: `[N]` whole numbers, N at least 1.
            aspect_ratios: `[N]` height / width.
            samples_per_batch: at least 1.
            seed: of the order.
        """
        self._samples_per_batch = samples_per_batch
        self._seed = list(seed)
        self._buckets = []
        for count in np.unique(num_objects):
            alike = np.flatnonzero(num_objects == count)
            self._buckets += [alike[bucket] for bucket in aspect_buckets(aspect_ratios[alike], samples_per_batch)]
        self._round = -1
        self._batches = np.empty((0, samples_per_batch), dtype=np.int32)

    def __getitem__(self, batch: int) -> np.ndarray:
        """The items of a batch, `[samples_per_batch]`."""
        number = sum(map(len, self._buckets))
        if batch // number != self._round:
            self._round = batch // number
            self._batches = self._make_round(np.random.default_rng([*self._seed, self._round]))
        items: np.ndarray = self._batches[batch % number]
        return items

    def _make_round(self, random: np.random.Generator) -> np.ndarray:
        """The batches of one round, `[N, samples_per_batch]` int32."""
        order = interleave([len(bucket) for bucket in self._buckets], random)
        batches = [bucket[shuffled_passes(len(bucket), self._samples_per_batch, random)] for bucket in self._buckets]
        return np.concatenate(batches).astype(np.int32)[order]


def aspect_buckets(aspect_ratios: np.ndarray, samples_per_batch: int) -> list[np.ndarray]:
    """Parts items into buckets of aspect ratios within 0.1, as few as possible of them with fewer items than a batch.

    Args:
        aspect_ratios: `[N]`, N at least 1.
        samples_per_batch: at least 1.

    Returns:
        Indices of the items of each bucket; every item is in one.
    """
    order = np.argsort(aspect_ratios, kind="stable")
    ratios = aspect_ratios[order]
    first = np.searchsorted(ratios, ratios - ASPECT_TOLERANCE - _SLACK)  # the first item that can share a bucket with each
    lacking = np.maximum(samples_per_batch - np.arange(2 * samples_per_batch), 0)  # of a bucket, by its size
    least = np.zeros(len(order) + 1, dtype=np.int64)
    cut_before = np.zeros(len(order) + 1, dtype=np.int64)
    for end in range(1, len(order) + 1):  # the best way to part the first `end` items; larger buckets are joined below
        start = max(int(first[end - 1]), end - 2 * samples_per_batch + 1)
        costs = least[start:end] + lacking[end - start : 0 : -1]
        best = int(costs.argmin())
        least[end], cut_before[end] = costs[best], start + best
    cuts = [len(order)]
    while cuts[-1]:
        cuts.append(int(cut_before[cuts[-1]]))
    return [order[start:end] for start, end in _joined(cuts[::-1], first)]


def _joined(cuts: list[int], first: np.ndarray) -> list[tuple[int, int]]:
    """Joins neighbouring buckets as long as their aspect ratios are within the tolerance."""
    buckets: list[tuple[int, int]] = []
    for start, end in pairwise(cuts):
        if buckets and first[end - 1] <= buckets[-1][0]:
            buckets[-1] = (buckets[-1][0], end)
        else:
            buckets.append((start, end))
    return buckets


def shuffled_passes(size: int, samples_per_batch: int, random: np.random.Generator) -> np.ndarray:
    """Passes over `size` items in random orders, one after the other, cut into batches.

    Returns:
        `[size, samples_per_batch]` indices; each item is in it `samples_per_batch` times. Where size >= samples_per_batch no
        row has an index twice.
    """
    passes: list[np.ndarray] = []
    for number in range(samples_per_batch):
        order = random.permutation(size)
        begun = number * size % samples_per_batch  # samples of the last pass in the batch that this one completes
        if begun and size >= samples_per_batch:
            missing = samples_per_batch - begun
            taken = np.isin(order, passes[-1][-begun:])
            clashes = np.flatnonzero(taken[:missing])
            others = missing + np.flatnonzero(~taken[missing:])[: len(clashes)]
            order[clashes], order[others] = order[others], order[clashes]
        passes.append(order)
    return np.concatenate(passes).reshape(size, samples_per_batch)


def interleave(counts: Sequence[int], random: np.random.Generator) -> np.ndarray:
    """Mixes several sequences so that each is spread evenly, with some chance, and keeps its order.

    Args:
        counts: the length of each.
        random: where the chance comes from.

    Returns:
        `[sum of counts]`, indices into the sequences set one after the other.
    """
    positions = [(np.arange(count) + random.random(count)) / count for count in counts]
    return np.argsort(np.concatenate(positions), kind="stable")

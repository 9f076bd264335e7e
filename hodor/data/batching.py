"""Which samples make up which batch: an endless, seeded stream that can be entered anywhere.

The order of a group's items is made in rounds. In a round every item is used once in each of as many passes as a batch has
samples, so that a bucket of n alike items fills exactly n batches: nothing is dropped, and nothing is filled in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np

from hodor.data.samples import SampleRequest

ASPECT_TOLERANCE = 0.1
_SLACK = 1e-9
_CYCLE = 10_000  # batches after which every group has had its share


@dataclass(frozen=True, eq=False)
class ItemGroup:
    """N items of a data set, at least one, that are used equally often."""

    items: np.ndarray  # [N], their numbers in the data set
    num_objects: np.ndarray  # [N], how many objects samples of each shall have
    aspect_ratios: np.ndarray  # [N], height / width of each
    share: float  # of all batches, positive; shares need not sum to 1
    part: int = 0  # which of the data sets


def item_groups(
    num_objects: np.ndarray, aspect_ratios: np.ndarray, max_objects: int, *, share: float, part: int = 0, by_count: bool = True
) -> list[ItemGroup]:
    """The groups of a data set of N items, whose numbers of objects and aspect ratios (`[N]`) are given.

    With `by_count` there is a group for each number of objects (at most `max_objects`) that an item reaches, with equal parts
    of `share`: in it are all items with so many objects or more. Else it is one group of all items, with all their objects.
    """
    counts = np.minimum(num_objects, max_objects)
    if not by_count:
        return [ItemGroup(np.arange(len(counts)), counts, aspect_ratios, share, part)]
    groups, most = [], int(counts.max())
    for number in range(1, most + 1):
        items = np.flatnonzero(counts >= number)
        groups.append(ItemGroup(items, np.full(len(items), number), aspect_ratios[items], share / most, part))
    return groups


class BatchStream:
    """Batches numbered from 0 without end, equal for every process that makes it with equal arguments.

    The samples of a batch have the same number of objects and aspect ratios within 0.1; no item is in it twice, unless too few
    are alike. Groups get their shares of batches; in a group every item is used equally often.
    """

    def __init__(self, groups: Sequence[ItemGroup], samples_per_batch: int, seed: int = 0) -> None:
        self._groups = list(groups)
        self._samples_per_batch = samples_per_batch
        self._seed = seed
        self._buckets = [_buckets(group, samples_per_batch) for group in groups]
        total = sum(group.share for group in groups)
        self._batches_per_cycle = [max(round(_CYCLE * group.share / total), 1) for group in groups]
        self._cycle = lru_cache(maxsize=1)(self._make_cycle)
        self._round = lru_cache(maxsize=2 * len(groups))(self._make_round)

    def __getitem__(self, batch: int) -> list[SampleRequest]:
        """The samples of a batch; a late one costs no more than an early one."""
        cycle, position = divmod(batch, sum(self._batches_per_cycle))
        starts = np.cumsum([0, *self._batches_per_cycle])
        index = self._cycle(cycle)[position]
        number = int(np.searchsorted(starts, index, side="right")) - 1
        group = self._groups[number]
        batch_of_group = cycle * self._batches_per_cycle[number] + int(index - starts[number])
        round_of_group, position = divmod(batch_of_group, len(group.items))
        requests = []
        for place, row in enumerate(self._round(number, round_of_group)[position]):
            seed = np.random.SeedSequence([self._seed, 2, batch, place]).generate_state(1, np.uint64)
            requests.append(SampleRequest(int(group.items[row]), int(group.num_objects[row]), int(seed[0]), group.part))
        return requests

    def _make_cycle(self, cycle: int) -> np.ndarray:
        """Which batch of which group each batch of a cycle is, numbered through the groups one after the other."""
        return interleave(self._batches_per_cycle, np.random.default_rng([self._seed, 0, cycle]))

    def _make_round(self, group: int, number: int) -> np.ndarray:
        """The batches of a round of a group, `[N, samples_per_batch]` int32, as rows of the group."""
        random = np.random.default_rng([self._seed, 1, group, number])
        buckets = self._buckets[group]
        order = interleave([len(bucket) for bucket in buckets], random)
        batches = [bucket[shuffled_passes(len(bucket), self._samples_per_batch, random)] for bucket in buckets]
        return np.concatenate(batches).astype(np.int32)[order]


def _buckets(group: ItemGroup, samples_per_batch: int) -> list[np.ndarray]:
    """The rows of a group, in buckets of equal numbers of objects and aspect ratios within 0.1."""
    buckets = []
    for number in np.unique(group.num_objects):
        alike = np.flatnonzero(group.num_objects == number)
        buckets += [alike[bucket] for bucket in aspect_buckets(group.aspect_ratios[alike], samples_per_batch)]
    return buckets


def aspect_buckets(aspect_ratios: np.ndarray, samples_per_batch: int) -> list[np.ndarray]:
    """Parts items (N at least 1) into buckets of aspect ratios within 0.1, so that few have fewer items than a batch."""
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
    starts: list[int] = []
    for start, end in pairwise(cuts[::-1]):
        if not starts or first[end - 1] > starts[-1]:  # else all of it is within the tolerance of the bucket before
            starts.append(start)
    return np.split(order, starts[1:])


def shuffled_passes(size: int, samples_per_batch: int, random: np.random.Generator) -> np.ndarray:
    """Passes over `size` items in random orders, one after the other, cut into batches, `[size, samples_per_batch]` indices.

    Each item is in it `samples_per_batch` times; where there are as many items as samples, no row has one twice.
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
    """Mixes sequences of some lengths so that each is spread evenly, with some chance, and keeps its order.

    Gives `[sum of counts]` indices into the sequences set one after the other.
    """
    positions = [(np.arange(length) + random.random(length)) / length for length in counts]
    return np.argsort(np.concatenate(positions), kind="stable")

"""Which samples make up which batch: an endless, seeded stream that can be entered anywhere.

The order of a group's items is made in rounds. In a round every item is used once in each of as many passes as a batch has
samples, so that a bucket of n alike items fills exactly n batches: nothing is dropped, and nothing is filled in.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count, pairwise

import numpy as np

from hodor.data.samples import SampleRequest

ASPECT_TOLERANCE = 0.1
_SLACK = 1e-9
_CYCLE = 10_000  # batches after which every group has had its share


@dataclass(frozen=True, eq=False)
class ItemGroup:
    """Items that are used equally often.

    Attributes:
        items: `[N]` items of the data set, N at least 1.
        num_objects: `[N]`, how many objects samples of each item shall have.
        aspect_ratios: `[N]`, height / width of each item.
        share: of all batches, positive.
    """

    items: np.ndarray
    num_objects: np.ndarray
    aspect_ratios: np.ndarray
    share: float


class BatchStream:
    """Batches numbered from 0 without end, equal for every process that makes it with equal arguments.

    The samples of a batch have the same number of objects and aspect ratios within 0.1. Groups get their shares of batches; in
    a group every item is used equally often. Process r of P takes the batches r, r + P, r + 2 P, ...
    """

    def __init__(self, groups: Sequence[ItemGroup], samples_per_batch: int, seed: int = 0) -> None:
        """Takes at least one group; their shares need not sum to 1."""
        self._groups = list(groups)
        self._seed = seed
        total = sum(group.share for group in groups)
        self._batches_per_cycle = [max(round(_CYCLE * group.share / total), 1) for group in groups]
        self._orders = [
            ItemOrder(group.num_objects, group.aspect_ratios, samples_per_batch, (seed, 1, number))
            for number, group in enumerate(groups)
        ]
        self._cycle = lru_cache(maxsize=1)(self._make_cycle)

    def __getitem__(self, batch: int) -> list[SampleRequest]:
        """The samples of a batch."""
        number, batch_of_group = self._place(batch)
        group = self._groups[number]
        requests = []
        for position, row in enumerate(self._orders[number][batch_of_group]):
            seed = np.random.SeedSequence([self._seed, 2, batch, position]).generate_state(1, np.uint64)
            requests.append(SampleRequest(int(group.items[row]), int(group.num_objects[row]), int(seed[0])))
        return requests

    def batches(self, first: int = 0, step: int = 1) -> Iterator[list[SampleRequest]]:
        """The batches first, first + step, ... without end; starting late costs nothing."""
        return map(self.__getitem__, count(first, step))

    def _place(self, batch: int) -> tuple[int, int]:
        """The group that a batch is taken from, and its number within that group."""
        cycle, position = divmod(batch, sum(self._batches_per_cycle))
        starts = np.cumsum([0, *self._batches_per_cycle])
        index = self._cycle(cycle)[position]
        group = int(np.searchsorted(starts, index, side="right")) - 1
        return group, cycle * self._batches_per_cycle[group] + int(index - starts[group])

    def _make_cycle(self, cycle: int) -> np.ndarray:
        return interleave(self._batches_per_cycle, np.random.default_rng([self._seed, 0, cycle]))


def item_groups(
    num_objects: np.ndarray,
    aspect_ratios: np.ndarray,
    max_objects: int,
    *,
    share: float,
    first_item: int = 0,
    by_count: bool = True,
) -> list[ItemGroup]:
    """The groups of a data set, which share `share`; of N items, whose first has the number `first_item`, in arrays `[N]`.

    With `by_count` there is a group for each number of objects (at most `max_objects`) that an item reaches, with equal shares:
    in it are all items with so many objects or more. Else it is one group of all items, each with as many objects as it has.
    """
    counts = np.minimum(num_objects, max_objects)
    if not by_count:
        return [ItemGroup(first_item + np.arange(len(counts)), counts, aspect_ratios, share)]
    groups, most = [], int(counts.max())
    for number in range(1, most + 1):
        rows = np.flatnonzero(counts >= number)
        groups.append(ItemGroup(first_item + rows, np.full(len(rows), number), aspect_ratios[rows], share / most))
    return groups


class ItemOrder:
    """The batches of a group of items, numbered from 0 without end; any of them can be asked for.

    All items of a batch have the same number of objects and aspect ratios within 0.1. No batch has an item twice, unless too
    few items are alike.
    """

    def __init__(self, num_objects: np.ndarray, aspect_ratios: np.ndarray, samples_per_batch: int, seed: Sequence[int]) -> None:
        """Takes the items' numbers of objects and their height / width, `[N]` each, N at least 1."""
        self._samples_per_batch = samples_per_batch
        self._seed = list(seed)
        self._buckets = []
        for number in np.unique(num_objects):
            alike = np.flatnonzero(num_objects == number)
            self._buckets += [alike[bucket] for bucket in aspect_buckets(aspect_ratios[alike], samples_per_batch)]
        self._round = lru_cache(maxsize=1)(self._make_round)

    def __getitem__(self, batch: int) -> np.ndarray:
        """The items of a batch, `[samples_per_batch]`."""
        number, position = divmod(batch, sum(map(len, self._buckets)))
        items: np.ndarray = self._round(number)[position]
        return items

    def _make_round(self, number: int) -> np.ndarray:
        """The batches of one round, `[N, samples_per_batch]` int32."""
        random = np.random.default_rng([*self._seed, number])
        order = interleave([len(bucket) for bucket in self._buckets], random)
        batches = [bucket[shuffled_passes(len(bucket), self._samples_per_batch, random)] for bucket in self._buckets]
        return np.concatenate(batches).astype(np.int32)[order]


def aspect_buckets(aspect_ratios: np.ndarray, samples_per_batch: int) -> list[np.ndarray]:
    """Parts items (N at least 1) into buckets of aspect ratios within 0.1, so that few have fewer items than a batch.

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
    starts: list[int] = []
    for start, end in pairwise(cuts[::-1]):
        if not starts or first[end - 1] > starts[-1]:  # else all of it is within the tolerance of the bucket before
            starts.append(start)
    return np.split(order, starts[1:])


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
    """Mixes sequences of some lengths so that each is spread evenly, with some chance, and keeps its order.

    Returns:
        `[sum of counts]`, indices into the sequences set one after the other.
    """
    positions = [(np.arange(length) + random.random(length)) / length for length in counts]
    return np.argsort(np.concatenate(positions), kind="stable")

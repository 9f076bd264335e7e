"""Which samples make up which batch: an endless, seeded stream that can be entered anywhere."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from hodor.data.item_order import ItemOrder, interleave
from hodor.data.samples.sample import SampleRequest

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
        """
        Args:
            groups: at least one; shares need not sum to 1.
            samples_per_batch: at least 1.
            seed: of orders and samples.
        """
        self._groups = list(groups)
        self._seed = seed
        total = sum(group.share for group in groups)
        self._batches_per_cycle = [max(round(_CYCLE * group.share / total), 1) for group in groups]
        self._orders = [
            ItemOrder(group.num_objects, group.aspect_ratios, samples_per_batch, (seed, 1, number))
            for number, group in enumerate(groups)
        ]
        self._cycle = -1
        self._cycle_order = np.empty(0, dtype=np.int64)

    def __getitem__(self, batch: int) -> list[SampleRequest]:
        """The samples of a batch."""
        group, batch_of_group = self._place(batch)
        chosen = self._groups[group]
        return [
            SampleRequest(int(chosen.items[row]), int(chosen.num_objects[row]), self._sample_seed(batch, position))
            for position, row in enumerate(self._orders[group][batch_of_group])
        ]

    def batches(self, first: int = 0, step: int = 1) -> Iterator[list[SampleRequest]]:
        """The batches first, first + step, ... without end; starting late costs nothing."""
        batch = first
        while True:
            yield self[batch]
            batch += step

    def _place(self, batch: int) -> tuple[int, int]:
        """The group that a batch is taken from, and its number within that group."""
        cycle, position = divmod(batch, sum(self._batches_per_cycle))
        if cycle != self._cycle:
            self._cycle = cycle
            self._cycle_order = interleave(self._batches_per_cycle, np.random.default_rng([self._seed, 0, cycle]))
        starts = np.cumsum([0, *self._batches_per_cycle])
        index = self._cycle_order[position]
        group = int(np.searchsorted(starts, index, side="right")) - 1
        return group, cycle * self._batches_per_cycle[group] + int(index - starts[group])

    def _sample_seed(self, batch: int, position: int) -> int:
        return int(np.random.SeedSequence([self._seed, 2, batch, position]).generate_state(1, np.uint64)[0])


def groups_by_count(
    num_objects: np.ndarray, aspect_ratios: np.ndarray, max_objects: int, *, share: float, first_item: int = 0
) -> list[ItemGroup]:
    """One group for each number of objects, with equal shares: in it are all items with so many objects or more.

    Args:
        num_objects: `[N]`, how many objects each item has, at least 1.
        aspect_ratios: `[N]`, height / width of each item.
        max_objects: the largest number of objects in a sample; numbers that no item reaches are left out.
        share: of the groups together.
        first_item: the number of the first item.
    """
    counts = range(1, min(max_objects, int(num_objects.max())) + 1)
    groups = []
    for count in counts:
        rows = np.flatnonzero(num_objects >= count)
        groups.append(ItemGroup(first_item + rows, np.full(len(rows), count), aspect_ratios[rows], share / len(counts)))
    return groups


def group_of_all(
    num_objects: np.ndarray, aspect_ratios: np.ndarray, max_objects: int, *, share: float, first_item: int = 0
) -> ItemGroup:
    """One group of all items, each with as many objects as it has, up to `max_objects`; arguments as in `groups_by_count`."""
    items = first_item + np.arange(len(num_objects))
    return ItemGroup(items, np.minimum(num_objects, max_objects), aspect_ratios, share)

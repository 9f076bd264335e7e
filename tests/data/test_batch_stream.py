"""The order of batches: alike samples, everything equally often, from any point on."""

import time
from collections import Counter
from itertools import count, islice

import numpy as np
import pytest

from hodor.data.batching import BatchStream, ItemGroup, aspect_buckets, interleave, item_groups, shuffled_passes


def varied_items(count, seed=0):
    """Numbers of objects 1..6 and aspect ratios with two frequent values and some rare ones."""
    random = np.random.default_rng(seed)
    ratios = np.where(random.random(count) < 0.7, random.choice([0.75, 4 / 3], count), random.uniform(0.3, 3.0, count))
    return random.integers(1, 7, count), ratios


def static_stream(count=200, samples_per_batch=3, seed=0, max_objects=4):
    num_objects, ratios = varied_items(count)
    return (
        BatchStream(item_groups(num_objects, ratios, max_objects, share=1.0), samples_per_batch, seed),
        num_objects,
        ratios,
    )


def take(stream, number, first=0, step=1):
    return [stream[batch] for batch in islice(count(first, step), number)]


def order_of(num_objects, ratios, samples_per_batch, seed=0):
    """Gives the items of a batch of one group by its number."""
    stream = BatchStream([ItemGroup(np.arange(len(ratios)), num_objects, ratios, 1.0)], samples_per_batch, seed)
    return lambda batch: np.array([request.item for request in stream[batch]])


@pytest.mark.parametrize("samples_per_batch", [1, 2, 3, 8])
def test_samples_of_a_batch_are_alike(samples_per_batch):
    stream, num_objects, ratios = static_stream(samples_per_batch=samples_per_batch)
    for batch in take(stream, 1500):
        assert len(batch) == samples_per_batch
        assert len({request.num_objects for request in batch}) == 1
        assert all(1 <= request.num_objects <= num_objects[request.item] for request in batch)
        assert np.ptp([ratios[request.item] for request in batch]) <= 0.1 + 1e-6


def test_object_counts_get_equal_shares():
    stream, *_ = static_stream()
    counts = Counter(batch[0].num_objects for batch in take(stream, 10_000))
    assert counts == {1: 2500, 2: 2500, 3: 2500, 4: 2500}
    soon = Counter(batch[0].num_objects for batch in take(stream, 400))
    assert all(97 <= number <= 103 for number in soon.values())


def test_counts_that_no_item_reaches_are_left_out():
    groups = item_groups(np.array([1, 3, 2, 1]), np.ones(4), 8, share=0.5, part=2)
    assert [group.num_objects.tolist() for group in groups] == [[1] * 4, [2] * 2, [3]]
    assert [group.items.tolist() for group in groups] == [[0, 1, 2, 3], [1, 2], [1]]
    assert sum(group.share for group in groups) == pytest.approx(0.5) and {group.part for group in groups} == {2}


@pytest.mark.parametrize("samples_per_batch", [1, 2, 5])
def test_every_item_is_used_equally_often(samples_per_batch):
    num_objects, ratios = varied_items(120, seed=3)
    order = order_of(num_objects, ratios, samples_per_batch)
    for part in range(3):
        used = Counter(item for batch in range(part * 120, part * 120 + 120) for item in order(batch).tolist())
        assert used == dict.fromkeys(range(120), samples_per_batch)


def test_a_pass_is_over_everywhere_at_about_the_same_time():
    num_objects, ratios = np.ones(1000, int), np.repeat([0.5, 0.75, 1.0, 1.5], [5, 800, 95, 100])
    order = order_of(num_objects, ratios, 2)
    used = Counter(item for batch in range(500) for item in order(batch).tolist())
    missing = [item for item in range(1000) if item not in used]
    assert len(missing) <= 8 and max(used.values()) <= 2


def test_orders_are_shuffled_and_passes_differ():
    order = order_of(np.ones(300, int), np.ones(300), 2)
    first, second = (np.concatenate([order(batch) for batch in range(start, start + 150)]) for start in (0, 150))
    assert sorted(first) == sorted(second) == list(range(300))
    assert (first == second).mean() < 0.05 and abs(np.corrcoef(first, np.arange(300))[0, 1]) < 0.2
    other = order_of(np.ones(300, int), np.ones(300), 2, seed=1)
    assert (first == np.concatenate([other(batch) for batch in range(150)])).mean() < 0.05


@pytest.mark.parametrize("samples_per_batch", [2, 3, 7])
def test_no_batch_has_an_item_twice_where_enough_are_alike(samples_per_batch):
    num_objects, ratios = varied_items(400, seed=5)
    order = order_of(np.ones_like(num_objects), ratios, samples_per_batch)
    close = np.array([(np.abs(ratios - ratio) <= 0.1).sum() for ratio in ratios])
    for batch in range(1600):
        items = order(batch).tolist()
        assert len(set(items)) == samples_per_batch or close[items].min() < 2 * samples_per_batch


@pytest.mark.parametrize(
    "ratios", [[1.0, 1.09, 1.18, 1.27], [1.0] * 10 + [0.91, 1.09], [1, 1.05, 1.1, 1.11], [0.5, 1.0, 1.05, 2.0]]
)
def test_buckets_leave_as_few_items_alone_as_can_be(ratios):
    ratios = np.array(ratios)
    buckets = aspect_buckets(ratios, 2)
    assert sorted(np.concatenate(buckets).tolist()) == list(range(len(ratios)))
    assert all(np.ptp(ratios[bucket]) <= 0.1 + 1e-6 for bucket in buckets)
    alone = sum(len(bucket) == 1 for bucket in buckets)
    assert alone == {0.5: 2}.get(ratios[0], 0)


def test_buckets_are_large():
    ratios = np.random.default_rng(0).uniform(0.5, 1.5, 5000)
    assert len(aspect_buckets(ratios, 4)) <= 20


def smallest_shortage(ratios, size):
    """By trying every way to part the sorted items."""
    ratios, count = sorted(ratios), len(ratios)
    best = float("inf")
    for cuts in range(2 ** (count - 1)):
        ends = [i + 1 for i in range(count - 1) if cuts >> i & 1] + [count]
        parts = list(zip([0, *ends[:-1]], ends, strict=True))
        if all(ratios[end - 1] - ratios[start] <= 0.1 + 1e-9 for start, end in parts):
            best = min(best, sum(max(size - (end - start), 0) for start, end in parts))
    return best


@pytest.mark.parametrize("seed", range(12))
def test_buckets_lack_as_little_as_any_parting(seed):
    random = np.random.default_rng(seed)
    ratios, size = random.uniform(1, 1.5, 9), int(random.integers(1, 5))
    buckets = aspect_buckets(ratios, size)
    assert sum(max(size - len(bucket), 0) for bucket in buckets) == smallest_shortage(ratios.tolist(), size)


@pytest.mark.parametrize("size", range(1, 12))
@pytest.mark.parametrize("samples_per_batch", [1, 2, 3, 5])
def test_shuffled_passes(size, samples_per_batch):
    for seed in range(20):
        batches = shuffled_passes(size, samples_per_batch, np.random.default_rng(seed))
        assert batches.shape == (size, samples_per_batch)
        for one_pass in batches.reshape(samples_per_batch, size):
            assert sorted(one_pass) == list(range(size))
        if size >= samples_per_batch:
            assert all(len(set(batch)) == samples_per_batch for batch in batches.tolist())


def test_interleaving_keeps_orders_and_spreads_evenly():
    order = interleave([300, 30, 1], np.random.default_rng(0))
    assert sorted(order) == list(range(331))
    for low, high in ((0, 300), (300, 330)):
        positions = np.flatnonzero((order >= low) & (order < high))
        assert (np.diff(order[positions]) == 1).all()
        expected = np.arange(high - low) / (high - low) * 331
        assert np.abs(positions - expected).max() < 331 / (high - low) + 20


@pytest.mark.parametrize("processes", [2, 3])
def test_processes_share_the_stream_without_overlap(processes):
    stream, *_ = static_stream()
    everything = take(stream, 300)
    for rank in range(processes):
        other, *_ = static_stream()
        assert take(other, 300 // processes, first=rank, step=processes) == everything[rank::processes]


def test_starting_late_is_the_same_as_skipping_and_cheap():
    stream, *_ = static_stream()
    assert take(stream, 20, first=12_345) == take(stream, 12_365)[12_345:]
    fresh, *_ = static_stream()
    start = time.process_time()
    late = fresh[2_000_000]
    assert time.process_time() - start < 2
    assert late == stream[2_000_000] and late != stream[1_999_999]


def test_seeds():
    stream, *_ = static_stream()
    seeds = [request.seed for batch in take(stream, 3000) for request in batch]
    assert len(set(seeds)) == len(seeds)
    same, other = static_stream()[0], static_stream(seed=1)[0]
    assert take(same, 10) == take(stream, 10) != take(other, 10)


def test_groups_get_their_shares():
    groups = [ItemGroup(np.arange(3) + 3 * k, np.ones(3, int), np.ones(3), share) for k, share in enumerate((0.7, 0.25, 0.05))]
    stream = BatchStream(groups, 2)
    counts = Counter(batch[0].item // 3 for batch in take(stream, 10_000))
    assert counts == {0: 7000, 1: 2500, 2: 500}


def test_every_sparse_sequence_gets_the_same_number_of_samples():
    num_objects, ratios = varied_items(90, seed=2)
    stream = BatchStream(item_groups(num_objects, ratios, 4, share=1.0, by_count=False), 2)
    used = Counter(request for batch in take(stream, 900) for request in [request[:2] for request in batch])
    assert used == {(item, min(int(num_objects[item]), 4)): 20 for item in range(90)}
    for batch in take(stream, 300):
        assert len({request.num_objects for request in batch}) == 1


@pytest.mark.parametrize("items", [1, 2, 3])
def test_sets_smaller_than_a_batch(items):
    groups = item_groups(np.arange(1, items + 1), np.linspace(1, 1.05, items), 4, share=1.0)
    stream = BatchStream(groups, 8)
    for batch in take(stream, 50):
        available = [item for item in range(items) if item + 1 >= batch[0].num_objects]
        assert {request.item for request in batch} == set(available) and len(batch) == 8


def test_a_large_set_is_quick_and_small():
    random = np.random.default_rng(0)
    num_objects = random.geometric(0.3, 110_000)
    ratios = np.round(random.choice([0.75, 4 / 3, 0.667, 1.5], 110_000) + random.normal(0, 0.02, 110_000), 3)
    start = time.process_time()
    stream = BatchStream(item_groups(num_objects, ratios, 4, share=1.0), 2)
    stream[1_000_000]
    assert time.process_time() - start < 15
    start = time.process_time()
    take(stream, 1000)
    assert time.process_time() - start < 3

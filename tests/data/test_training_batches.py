"""Batches: padding, and loading them here or in other processes."""

import multiprocessing
import os
import signal
import time
from itertools import islice

import cv2
import numpy as np
import pytest
import torch
from support.small_training_sets import write_photographs
from test_training_samples import static_samples

from hodor.data.batching import BatchStream, item_groups
from hodor.data.loader import collate, training_loader
from hodor.data.samples import TrainingBatch, TrainingSample
from hodor.data.training_data import TrainingData
from hodor.errors import HodorError


def sample(height, width, objects, name="x", frames=2):
    random = np.random.default_rng(height * width)
    labels = torch.from_numpy(random.integers(0, objects + 1, (frames, height, width), dtype=np.uint8))
    return TrainingSample(
        torch.rand(frames, 3, height, width),
        torch.from_numpy(random.random((frames, height, width)) < 0.9),
        labels,
        torch.from_numpy(random.random((frames, objects)) < 0.5),
        [name],
    )


def test_batches_are_padded_right_and_bottom_to_multiples_of_32():
    samples = [sample(40, 64, 2, "a"), sample(33, 65, 2, "b")]
    batch = collate(samples)
    assert batch.images.shape == (2, 2, 3, 64, 96) and batch.labels.shape == batch.valid.shape == (2, 2, 64, 96)
    assert batch.names == ["a", "b"]
    for index, one in enumerate(samples):
        height, width = one.labels.shape[1:]
        assert torch.equal(batch.images[index, ..., :height, :width], one.images)
        assert torch.equal(batch.valid[index, ..., :height, :width], one.valid)
        assert torch.equal(batch.labels[index, ..., :height, :width], one.labels)
        assert torch.equal(batch.presence[index], one.presence)
        for part in (batch.images, batch.valid, batch.labels):
            assert not part[index, ..., height:, :].any() and not part[index, ..., width:].any()
    assert (batch.images.dtype, batch.valid.dtype, batch.labels.dtype) == (torch.float32, torch.bool, torch.uint8)


@pytest.mark.parametrize(("size", "padded"), [((32, 64), (32, 64)), ((31, 33), (32, 64)), ((1, 1), (32, 32))])
def test_sizes_of_one_sample(size, padded):
    assert collate([sample(*size, 1)]).images.shape[-2:] == padded


def test_objects_that_not_all_samples_have_become_background():
    samples = [sample(32, 32, 3), sample(32, 32, 2)]
    batch = collate(samples)
    assert batch.presence.shape == (2, 2, 2) and batch.labels.max() == 2
    assert torch.equal(batch.labels[0] == 0, (samples[0].labels == 0) | (samples[0].labels == 3))
    assert samples[0].labels.max() == 3  # the sample itself stays


def test_samples_are_not_changed():
    one = sample(40, 40, 1)
    copy = [part.clone() for part in one[:4]]
    collate([one, sample(50, 50, 1)]).images.fill_(0)
    assert all(torch.equal(a, b) for a, b in zip(one[:4], copy, strict=True))


def test_batches_move_as_a_whole():
    batch = collate([sample(32, 32, 1)]).to(torch.device("cpu"))
    assert isinstance(batch, TrainingBatch) and batch.names == ["x"]


def small_data(tmp_path, count=8):
    write_photographs(tmp_path, count=count)
    samples = static_samples(tmp_path)
    groups = item_groups(samples.num_objects, samples.aspect_ratios, 3, share=1.0)
    return TrainingData([samples], BatchStream(groups, 2))


def loaded(data, count, **arguments):
    loader = training_loader(data, **arguments)
    batches = list(islice(loader, count))
    loader.close()
    return batches


def equal(first, second):
    return all(torch.equal(a, b) for a, b in zip(first[:4], second[:4], strict=True)) and first.names == second.names


def test_batches_dont_depend_on_the_number_of_processes(tmp_path):
    data = small_data(tmp_path)
    here, there = (loaded(data, 12, num_workers=workers) for workers in (0, 2))
    assert all(equal(a, b) for a, b in zip(here, there, strict=True))
    for k, batch in enumerate(here):
        assert equal(batch, collate([data[request] for request in data.stream[k]]))


def test_batches_are_the_same_from_processes_that_share_no_memory(tmp_path):
    data, usual = small_data(tmp_path), multiprocessing.get_start_method()
    multiprocessing.set_start_method("spawn", force=True)
    try:
        there = loaded(data, 2, num_workers=1)
    finally:
        multiprocessing.set_start_method(usual, force=True)
    assert all(equal(a, b) for a, b in zip(loaded(data, 2), there, strict=True))


def test_processes_start_although_opencv_has_threads_here(tmp_path):
    def too_late(*_):
        raise TimeoutError

    data = small_data(tmp_path)
    old = signal.signal(signal.SIGALRM, too_late)
    try:
        for _ in range(3):
            cv2.setNumThreads(4)
            cv2.GaussianBlur(np.zeros((2000, 2000), np.float32), (31, 31), 0)
            signal.alarm(60)
            assert len(loaded(data, 3, num_workers=2)) == 3
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, old)


def test_loading_continues_anywhere_and_is_shared_by_processes(tmp_path):
    data = small_data(tmp_path)
    everything = loaded(data, 10)
    assert all(equal(a, b) for a, b in zip(loaded(data, 4, first=3, step=2), everything[3::2], strict=True))


@pytest.mark.parametrize("workers", [0, 2])
def test_complaints_arrive_as_one_line(tmp_path, workers):
    data = small_data(tmp_path)
    for path in (tmp_path / "dataset_images").rglob("*.png"):
        path.unlink()
    with pytest.raises(HodorError) as caught:
        loaded(data, 1, num_workers=workers)
    message = str(caught.value)
    assert "\n" not in message and "no such file" in message and "dataset_images/coco_2017_train" in message


def test_failing_disks_are_complaints_too(tmp_path, monkeypatch):
    data = small_data(tmp_path)

    def fail(self, request):
        raise OSError(5, "Input/output error", "/data/a.jpg")

    monkeypatch.setattr(type(data.parts[0]), "__getitem__", fail)
    with pytest.raises(HodorError, match=r"^/data/a\.jpg: Input/output error$"):
        loaded(data, 1)


def children():
    own = os.getpid()
    path = f"/proc/{own}/task/{own}/children"
    with open(path) as file:  # noqa: PTH123
        return [int(pid) for pid in file.read().split()]


@pytest.mark.skipif(not os.path.exists(f"/proc/{os.getpid()}/task/{os.getpid()}/children"), reason="needs /proc")  # noqa: PTH110
def test_processes_are_deaf_to_interrupts_and_end_with_the_loader(tmp_path):
    before = set(children())
    loader = training_loader(small_data(tmp_path), num_workers=2)
    next(loader)
    workers = [pid for pid in children() if pid not in before]
    assert len(workers) >= 2
    for pid in workers:
        os.kill(pid, signal.SIGINT)
        os.kill(pid, signal.SIGTERM)
    for _ in range(12):
        next(loader)
    loader.close()
    deadline = time.time() + 60
    while time.time() < deadline and set(workers) & set(children()):
        time.sleep(0.05)
    assert not set(workers) & set(children())


def test_a_process_that_dies_is_a_complaint(tmp_path):
    before = set(children())
    loader = training_loader(small_data(tmp_path), num_workers=1)
    next(loader)
    for pid in set(children()) - before:
        os.kill(pid, signal.SIGKILL)
    time.sleep(0.2)  # nobody is told outside of `next`
    with pytest.raises(HodorError, match=r"ended unexpectedly.*--num_cpu_workers"):
        for _ in range(100):
            next(loader)

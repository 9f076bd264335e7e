import threading
import time

import pytest

from hodor.media.streams import read_ahead, write_behind


def test_read_ahead_keeps_the_order():
    assert list(read_ahead(range(100), depth=3)) == list(range(100))


def test_read_ahead_works_in_another_thread_and_never_too_far_ahead():
    begun = []

    def items():
        for index in range(50):
            begun.append((index, threading.current_thread()))
            yield index

    for index in read_ahead(items(), depth=4):
        time.sleep(0.002)
        assert begun[-1][0] <= index + 6
    assert all(thread is not threading.main_thread() for _, thread in begun)


def test_read_ahead_raises_an_error_at_its_place():
    def items():
        yield 1
        yield 2
        raise ValueError("broken")

    seen = []
    with pytest.raises(ValueError, match="broken"):
        for item in read_ahead(items()):
            seen.append(item)
    assert seen == [1, 2]


def test_closing_read_ahead_ends_its_thread():
    def readers():
        return {thread for thread in threading.enumerate() if thread.name.startswith("read_ahead")}

    before = readers()
    stream = read_ahead(iter(int, 1), depth=2)
    assert next(stream) == 0
    assert len(readers() - before) == 1
    stream.close()
    assert not readers() - before


def test_write_behind_does_every_job_before_it_ends():
    done = []
    with write_behind(workers=3, depth=4) as submit:
        for index in range(100):
            submit(lambda value: (time.sleep(0.001), done.append(value)), index)
    assert sorted(done) == list(range(100))


def test_write_behind_bounds_what_waits():
    release = threading.Event()
    submitted = []

    def submit_many(submit):
        for index in range(20):
            submit(release.wait)
            submitted.append(index)

    with write_behind(workers=1, depth=5) as submit:
        thread = threading.Thread(target=submit_many, args=(submit,))
        thread.start()
        while len(submitted) < 5:
            time.sleep(0.01)
        time.sleep(0.2)
        assert len(submitted) == 5
        release.set()
        thread.join()
    assert len(submitted) == 20


def test_write_behind_raises_the_first_error_and_drops_what_follows():
    done = []

    def fail():
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"), write_behind(workers=1, depth=50) as submit:
        submit(fail)
        for index in range(30):
            submit(done.append, index)
    assert done == []

"""Work in processes: order, errors, death, memory, Ctrl-C."""

import math
import os
import signal
import subprocess
import sys
import time

import pytest

from hodor.devices import usable_cores
from hodor.errors import HodorError
from hodor.parallel import ordered_map

ENDLESS = """
import sys, time
from hodor.parallel import ordered_map
if __name__ == "__main__":
    print("ready", flush=True)
    list(ordered_map(time.sleep, [{seconds}] * 8, 2))
"""


def is_running(group: int) -> bool:
    """Whether any process of a group is alive."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("ahead", [None, 1, 5])
def test_results_are_in_order(workers: int, ahead: int | None) -> None:
    assert list(ordered_map(math.isqrt, [0, 16, 1, 9, 4], workers, ahead=ahead)) == [0, 4, 1, 3, 2]
    assert list(ordered_map(math.isqrt, [], workers)) == []


def test_one_process_is_this_one() -> None:
    assert list(ordered_map(lambda _: os.getpid(), [1], 8)) == [os.getpid()]
    assert list(ordered_map(lambda _: os.getpid(), [1, 2], 1)) == [os.getpid()] * 2


@pytest.mark.parametrize("workers", [1, 2])
def test_errors_of_a_process_arrive(workers: int) -> None:
    with pytest.raises(ValueError, match="nonnegative"):
        list(ordered_map(math.isqrt, [1, -1, 4], workers))


def test_an_error_does_not_wait_for_its_turn() -> None:
    started = time.monotonic()
    with pytest.raises(ValueError, match="non-negative"):
        list(ordered_map(time.sleep, [300, -1, 300, 300], 2))
    assert time.monotonic() - started < 150


def test_a_dead_process_is_an_error_and_no_endless_wait() -> None:
    with pytest.raises(HodorError, match="a worker process has died"):
        list(ordered_map(os._exit, [1, 1, 1], 2))


def test_a_consumer_that_leaves_ends_the_processes() -> None:
    started = time.monotonic()
    results = ordered_map(time.sleep, [0, 300, 300, 300], 2)
    next(results)
    results.close()
    assert time.monotonic() - started < 150


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="needs POSIX signals")
def test_ctrl_c_ends_all_processes_at_once_and_quietly() -> None:
    command = [sys.executable, "-c", ENDLESS.format(seconds=300)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, start_new_session=True, **pipes) as program:
        assert program.stdout is not None and program.stdout.readline() == "ready\n"
        time.sleep(3)
        os.killpg(program.pid, signal.SIGINT)
        _, errors = program.communicate(timeout=120)
    assert program.returncode != 0 and errors.count("Traceback") == 1 and "KeyboardInterrupt" in errors
    deadline = time.monotonic() + 120
    while is_running(program.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not is_running(program.pid)


def test_cores_are_counted_without_pytorch() -> None:
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)
    code = "import sys, hodor.devices, hodor.parallel; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)

"""Jobs in processes: order, errors, death, and use outside the main thread."""

import math
import os
import threading
from pathlib import Path

import pytest

from hodor.errors import HodorError
from hodor.evaluation.main import main
from hodor.evaluation.parallel import in_processes


@pytest.mark.parametrize("workers", [1, 2])
def test_every_result_comes_with_its_index(workers: int) -> None:
    assert sorted(in_processes(math.isqrt, [0, 1, 4, 9, 16], workers)) == [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4)]
    assert list(in_processes(math.isqrt, [], workers)) == []


def test_errors_of_a_process_arrive() -> None:
    with pytest.raises(ValueError, match="nonnegative"):
        list(in_processes(math.isqrt, [1, -1, 4], 2))


def test_dead_process_is_an_error_and_no_endless_wait() -> None:
    with pytest.raises(HodorError, match="a worker process has died"):
        list(in_processes(os._exit, [1, 1, 1], 2))


def test_program_runs_in_any_thread(data: Path) -> None:
    codes: list[int] = []
    arguments = [str(data / "results"), "--ground_truth", str(data / "truth"), "--num_workers", "2"]
    thread = threading.Thread(target=lambda: codes.append(main(arguments)))
    thread.start()
    thread.join(timeout=30)
    assert codes == [0]

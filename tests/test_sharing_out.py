"""How processes share out work, and what happens when one fails."""

import itertools
import random
import signal
from pathlib import Path

import pytest
import torch
from support.torchrun import error_lines, finished, torchrun

from hodor.distributed import Group, share


def heaviest(lengths: list[int], shares: list[list[int]]) -> int:
    return max(sum(lengths[index] for index in indices) for indices in shares)


def smallest_possible(lengths: list[int], count: int) -> int:
    """The heaviest load of the best of all ways to share out."""
    best = sum(lengths)
    for owners in itertools.product(range(count), repeat=len(lengths)):
        loads = [0] * count
        for owner, length in zip(owners, lengths, strict=True):
            loads[owner] += length
        best = min(best, max(loads))
    return best


@pytest.mark.parametrize("seed", range(30))
def test_every_job_has_one_owner_and_the_loads_are_balanced(seed: int) -> None:
    draw = random.Random(seed)
    count = draw.randint(1, 3)
    lengths = [draw.randint(1, 100) for _ in range(draw.randint(0, 7))]
    shares = share(lengths, count)
    assert len(shares) == count and share(list(lengths), count) == shares
    assert sorted(itertools.chain(*shares)) == list(range(len(lengths)))
    assert all(indices == sorted(indices) for indices in shares)
    assert heaviest(lengths, shares) <= (4 / 3 - 1 / (3 * count)) * smallest_possible(lengths, count)


def test_loads_of_a_large_data_set_are_nearly_equal() -> None:
    draw = random.Random(0)
    lengths = [draw.randint(20, 180) for _ in range(500)]
    loads = [sum(lengths[index] for index in indices) for indices in share(lengths, 8)]
    assert max(loads) - min(loads) <= 20


def test_known_shares() -> None:
    assert share([1, 5, 5, 2], 2) == [[1, 3], [0, 2]]
    assert share([3, 3], 3) == [[0], [1], []]
    assert share([2, 9, 4], 1) == [[0, 1, 2]]
    assert share([], 2) == [[], []]


def test_one_process_needs_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    with Group() as group:
        assert (group.rank, group.count, group.count_here, group.is_first) == (0, 1, 1, True)
        assert group.from_first("a") == "a" and group.gather("a") == ["a"]
        assert group.any(True) and not group.any(False) and group.sum(torch.ones(2)).tolist() == [1, 1]
        with pytest.raises(OSError, match="own"), group.agreed():
            raise OSError("own")
        group.wait()


FAILING = """
import torch
from hodor.distributed import Group
from hodor.errors import HodorError
from hodor.program import run

def main(_):
    with Group() as group:
        assert (group.count, group.count_here) == (2, 2)
        assert group.from_first(f"of {group.rank}") == "of 0"
        assert group.gather(group.rank) == ([0, 1] if group.is_first else [])
        assert group.any(group.is_first) and group.any(True) and not group.any(False)
        parameters = [torch.nn.Parameter(torch.zeros(2)), torch.nn.Parameter(torch.zeros(1, 3))]
        parameters[group.rank].grad = torch.full_like(parameters[group.rank], 5)
        group.sum_gradients(parameters)
        assert [parameter.grad.tolist() for parameter in parameters] == [[5, 5], [[5, 5, 5]]]
        with group.agreed():
            pass
        if not group.is_first:
            raise HodorError("of its own")
        group.gather("never complete")
    return 0

run(main)
"""


def test_an_error_of_one_process_ends_those_that_wait_for_it(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(FAILING)
    result = finished(torchrun(program))
    errors = error_lines(result.stderr)
    assert result.returncode == 1 and "error: of its own" in errors, result.stderr
    assert all("another process ended" in line or line == "error: terminated" for line in errors if "own" not in line)
    assert result.stderr.count("Traceback") == 1  # torchrun's own


def test_sigterm_does_not_hide_an_error_that_was_found_before(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("""
import os, signal
from hodor.errors import HodorError
from hodor.program import run

def main(_):
    try:
        raise HodorError("another process ended")
    finally:
        os.kill(os.getpid(), signal.SIGTERM)

run(main)
""")
    result = finished(torchrun(program, processes=1))
    assert (result.returncode, result.stderr) == (128 + signal.SIGTERM, "error: another process ended\n")


LEAVING = """
import sys
from pathlib import Path
from hodor.distributed import Group

with Group() as group:
    group.gather("something")
    import hodor.inference.run, hodor.training.trainer
threads = [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]
sys.exit(f"error: {threads}" if any("gloo" in each for each in threads) else 0)
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="this system does not list threads")
def test_no_thread_that_talked_to_others_outlives_the_group(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(LEAVING)
    result = finished(torchrun(program), {"OMP_NUM_THREADS": "1"})
    assert result.returncode == 0, error_lines(result.stderr)

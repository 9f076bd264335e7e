"""Kept memory, seen in real processes by the pages that the system has to provide."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
import torch
from hodor.devices import keep_freed_memory
kept = sys.argv[1] == "keep" and keep_freed_memory()
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
size = int(sys.argv[2]) << 18
torch.ones(size)
counts = []
for _ in range(21):
    before = faults()
    torch.ones(size)
    counts.append(faults() - before)
resident = lambda: int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() >> 20
before = resident()
tensor = torch.ones(size)
del tensor
print(kept, sorted(counts)[10], resident() - before)  # the median: a system that is short of memory may take pages back
"""


def page_faults(mode, mebibytes):
    """Whether memory is kept; page faults of a tensor of that size; MiB that stay when another one is freed."""
    command = [sys.executable, "-c", PROGRAM, mode, str(mebibytes)]
    process = subprocess.run(command, capture_output=True, text=True, check=True)
    kept, count, stay = process.stdout.split()
    return kept == "True", int(count), int(stay)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_tensors_use_the_memory_of_earlier_ones_again():
    assert not page_faults("leave", 30)[0]
    kept, count, _ = page_faults("keep", 30)
    assert kept
    assert count < 7680 / 100  # of a tensor's 7680 pages


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_blocks_that_only_huge_frames_have_are_given_back():
    kept, _, stay = page_faults("keep", 256)
    assert kept and stay < 256 / 10

"""Too little memory: real processes whose address space is limited."""

import subprocess
import sys

import pytest
import torch
from support.small_training import ROOT, arguments, environment

from hodor.config import load_config
from hodor.data.training_data import build_training_data
from hodor.devices import is_out_of_memory
from hodor.errors import HodorError
from hodor.training.main import main
from hodor.workspace import Workspace

PROGRAM = """
import resource, sys
from pathlib import Path
from hodor.program import run
from hodor.training.main import main
import hodor.training.program
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 900_000_000,) * 2)
run(main, sys.argv[1:])
"""
KEYS = {"DATA__DATASETS": "{photographs: 1}", "TRAINING__BATCH_SIZE": 4, "INPUT__MAX_IMAGE_AREA": 500_000}


def train_with_little_memory(workspace, *command):
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, command)],
        env=environment(workspace), cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("options", [[], ["--raise_oom_errors"]])
def test_too_little_memory_is_one_line_that_names_the_samples_and_the_ways_out(training_data, tmp_path, options):
    result = train_with_little_memory(training_data, *arguments("static.yaml", *options, "--model_dir", tmp_path, **KEYS))
    assert result.returncode == 1 and "Traceback" not in result.stderr, result.stderr
    data = build_training_data(load_config(tmp_path / "config.yaml"), Workspace(training_data), samples_per_batch=2)
    names = ", ".join(data[request].names[0] for request in data.stream[0])
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert line.startswith(f"error: iteration 0: not enough memory for {names}; lower --max_samples_per_gpu")
    assert all(way in line for way in ("ACTIVATION_CHECKPOINTING", "--precision bf16", "MAX_IMAGE_AREA"))
    assert not list(tmp_path.glob("*.pth"))


def test_memory_that_ends_in_a_backward_pass_names_the_latest_samples(training_data, tmp_path, monkeypatch):
    """The second micro-batch of iteration 1."""
    monkeypatch.setenv("HODOR_WORKSPACE_DIR", str(training_data))
    passes = []
    backward = torch.Tensor.backward

    def short(tensor):
        backward(tensor)
        passes.append(tensor)
        if len(passes) == 4:
            raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(torch.Tensor, "backward", short)
    keys = {"DATA__DATASETS": "{photographs: 1}", "TRAINING__BATCH_SIZE": 4}
    with pytest.raises(HodorError) as caught:
        main(arguments("static.yaml", "--model_dir", tmp_path, **keys))
    data = build_training_data(load_config(tmp_path / "config.yaml"), Workspace(training_data), samples_per_batch=2)
    names = ", ".join(data[request].names[0] for request in data.stream[3])
    assert str(caught.value).startswith(f"iteration 1: not enough memory for {names}; lower")


def test_other_errors_stay_what_they_are(training_data, tmp_path, monkeypatch):
    monkeypatch.setenv("HODOR_WORKSPACE_DIR", str(training_data))

    def broken(tensor):
        raise RuntimeError("a mistake")

    monkeypatch.setattr(torch.Tensor, "backward", broken)
    with pytest.raises(RuntimeError, match="a mistake"):
        main(arguments("static.yaml", "--model_dir", tmp_path, DATA__DATASETS="{photographs: 1}"))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA"), True),
        (RuntimeError("CUDA out of memory."), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate"), True),
        (RuntimeError("not enough memory: you tried to allocate"), True),
        (RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling"), True),
        (ImportError("libtorch_cpu.so: failed to map segment from shared object"), True),
        (RuntimeError("size mismatch"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_errors_of_short_memory(error, expected):
    assert is_out_of_memory(error) == expected

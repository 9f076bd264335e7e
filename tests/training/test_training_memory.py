"""Too little memory: real processes whose address space is limited."""

import subprocess
import sys

import pytest
import torch
from support.small_training import ROOT, arguments, environment, same, session

from hodor.config import load_config
from hodor.data.training_data import build_training_data
from hodor.training.main import main
from hodor.workspace import Workspace

PROGRAM = """
import resource, sys
from pathlib import Path
from hodor.program import run
from hodor.training.main import main
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


def test_samples_that_dont_fit_are_skipped_and_named(training_data, tmp_path, monkeypatch):
    result = train_with_little_memory(training_data, *arguments("static.yaml", "--model_dir", tmp_path / "a", **KEYS))
    assert result.returncode == 0 and "Traceback" not in result.stderr, result.stderr
    warnings = [line for line in result.stderr.splitlines() if line.startswith("warning: ")]
    config = load_config(tmp_path / "a/config.yaml")
    data = build_training_data(config, Workspace(training_data), samples_per_batch=2)
    for number, warning in enumerate(warnings):
        names = ", ".join(data.dataset[request].name for request in data.stream[number])
        assert warning == f"warning: iteration {number // 2}: not enough memory for {names}; they are skipped"
    assert len(warnings) == 4 and "4 skipped" in result.stderr
    content = session(tmp_path / "a/000002.pth")
    assert content["progress"]["skipped"] == 4
    monkeypatch.setenv("HODOR_WORKSPACE_DIR", str(training_data))
    still = {"TRAINING__BASE_LR": 0, "TRAINING__TOTAL_ITERATIONS": 1, "DATA__DATASETS": "{photographs: 1}"}
    assert main(arguments("static.yaml", "--model_dir", tmp_path / "b", **still)) == 0
    assert same(content["model"], session(tmp_path / "b/000001.pth")["model"])


@pytest.mark.parametrize("option", ["--raise_oom_errors"])
def test_or_end_the_training(training_data, tmp_path, option):
    result = train_with_little_memory(training_data, *arguments("static.yaml", option, "--model_dir", tmp_path, **KEYS))
    assert result.returncode == 1 and "Traceback" not in result.stderr, result.stderr
    assert result.stderr.splitlines()[-1].startswith("error: iteration 0: not enough memory for ")
    assert "ACTIVATION_CHECKPOINTING" in result.stderr and not list(tmp_path.glob("*.pth"))


def test_an_iteration_whose_backward_pass_doesnt_fit_is_skipped_and_the_next_begins_at_its_own_samples(
    training_data, tmp_path, monkeypatch, caplog
):
    """The first backward pass fails half-way, in the second micro-batch of iteration 0."""
    monkeypatch.setenv("HODOR_WORKSPACE_DIR", str(training_data))
    passes = []
    backward = torch.Tensor.backward

    def short(tensor):
        backward(tensor)
        passes.append(tensor)
        if len(passes) == 2:
            raise torch.OutOfMemoryError("out of memory")

    keys = {"DATA__DATASETS": "{photographs: 1}", "TRAINING__BATCH_SIZE": 4}
    with monkeypatch.context() as patched:
        patched.setattr(torch.Tensor, "backward", short)
        assert main(arguments("static.yaml", "--model_dir", tmp_path / "a", **keys)) == 0
    assert [record.message for record in caplog.records if "the iteration is skipped" in record.message]
    skipped = session(tmp_path / "a/000002.pth")
    assert skipped["progress"]["skipped"] == 2 and len(passes) == 4
    steps = {int(state["step"]) for state in skipped["optimizer"]["state"].values()}
    assert steps == {1}

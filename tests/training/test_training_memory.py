"""Too little memory: real processes whose address space is limited."""

import subprocess
import sys

import pytest
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


def test_iterations_that_dont_fit_are_skipped_and_the_next_begins_at_its_own_samples(training_data, tmp_path, monkeypatch):
    result = train_with_little_memory(training_data, *arguments("static.yaml", "--model_dir", tmp_path / "a", **KEYS))
    assert result.returncode == 0 and "Traceback" not in result.stderr, result.stderr
    warnings = [line for line in result.stderr.splitlines() if line.startswith("warning: ")]
    config = load_config(tmp_path / "a/config.yaml")
    data = build_training_data(config, Workspace(training_data), samples_per_batch=2)
    for iteration, warning in enumerate(warnings):
        names = ", ".join(data.dataset[request].name for request in data.stream[2 * iteration])
        assert warning == f"warning: iteration {iteration}: not enough memory for {names}; the iteration is skipped"
    assert len(warnings) == 2 and "4 skipped" in result.stderr
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

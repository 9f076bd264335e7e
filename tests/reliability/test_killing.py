"""The loop of kills, in short: benchmarks/killing.py with few kills of the programs that need no network, and of tracking."""

import json
import os
import subprocess
import sys

import pytest
from support.torchrun import ROOT


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_after_a_kill_the_same_command_ends_as_if_nothing_had_happened(tmp_path):
    command = [sys.executable, ROOT / "benchmarks/killing.py", "--kills", 4, "--seed", 1, "--output", tmp_path / "kills.json"]
    command += ["--only", "download", "conversion", "evaluation", "tracking"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "kills.json").read_text())
    assert sum(each["kills"] for each in report.values()) == 4 and not any(each["differences"] for each in report.values())

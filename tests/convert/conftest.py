"""The converters' command line in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hodor.convert.__main__ import main
from hodor.errors import HodorError
from hodor.formats.inference_json import InferenceSequence, read_inference_json


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


@pytest.fixture
def convert(workspace: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `python -m hodor.convert` with a workspace in the environment."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "hodor.convert", *map(str, arguments)]
        environment = {**os.environ, "HODOR_WORKSPACE_DIR": str(workspace)}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)

    return run


@pytest.fixture
def fails(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Runs a conversion (in this process: it is faster) that must fail and write nothing; returns the complaint."""

    def run(*arguments: object) -> str:
        monkeypatch.setenv("HODOR_WORKSPACE_DIR", str(workspace))
        before = sorted(workspace.rglob("*"))
        with pytest.raises(HodorError) as caught:
            main(list(map(str, arguments)))
        assert sorted(workspace.rglob("*")) == before, "something was written"
        message = str(caught.value)
        assert "\n" not in message and len(message) < 600
        return message

    return run


@pytest.fixture
def sequences(workspace: Path) -> Callable[[str], dict[str, InferenceSequence]]:
    """Reads what a conversion wrote."""

    def read(name: str) -> dict[str, InferenceSequence]:
        path = workspace / "dataset_json_annotations" / f"{name}.json"
        return {sequence.id: sequence for sequence in read_inference_json(path)}

    return read

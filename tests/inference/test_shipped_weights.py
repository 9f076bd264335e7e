"""The weights that come with the package: found by name, small, and good enough to follow something."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from support.small_models import small_config

import hodor
from hodor.data.synthetic import SyntheticClip, write_davis_folder
from hodor.modelling.build import build_model
from hodor.modelling.checkpoint import Checkpoint
from hodor.weights import DEFAULT, FOLDER, names

ROOT = Path(__file__).parent.parent.parent


def test_the_default_is_there_and_at_most_20_megabytes():
    assert DEFAULT in names()
    checkpoint = hodor.load(DEFAULT)
    assert (FOLDER / f"{DEFAULT}.safetensors").stat().st_size <= 20e6
    assert all(parameter.dtype == torch.float32 for parameter in checkpoint.model.parameters())
    assert sum(parameter.numel() for parameter in checkpoint.model.parameters()) < 10e6


def test_a_name_nobody_ships_is_an_error_that_lists_the_others(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(hodor.HodorError, match=r"enormous: no such checkpoint; .*compact"):
        hodor.load("enormous")


def test_a_file_of_the_same_name_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / DEFAULT).write_bytes(b"something else")
    with pytest.raises(hodor.HodorError, match=f"^{DEFAULT}: "):
        hodor.load(DEFAULT)


def test_half_precision_keeps_weights_to_half_precision(tmp_path):
    config = small_config()
    checkpoint = Checkpoint(build_model(config).eval(), config)
    hodor.save_checkpoint(tmp_path / "whole.safetensors", checkpoint)
    hodor.save_checkpoint(tmp_path / "half.safetensors", checkpoint, half=True)
    assert (tmp_path / "half.safetensors").stat().st_size < 0.6 * (tmp_path / "whole.safetensors").stat().st_size
    loaded = hodor.load(tmp_path / "half.safetensors").model.state_dict()
    for name, value in checkpoint.model.state_dict().items():
        assert loaded[name].dtype == value.dtype
        torch.testing.assert_close(loaded[name], value, rtol=1e-3, atol=1e-6)


def test_programs_without_a_checkpoint_use_them_and_find_the_objects(tmp_path):
    clip = SyntheticClip(3, frames=5, height=128, width=224, objects=2)
    write_davis_folder(tmp_path / "davis", [("clip", clip)])
    (tmp_path / "workspace").mkdir()
    environment = os.environ | {"HODOR_WORKSPACE_DIR": str(tmp_path / "workspace")}

    def program(*arguments):
        subprocess.run([sys.executable, *map(str, arguments)], cwd=ROOT, env=environment, check=True, capture_output=True)

    program("-m", "hodor.data.convert", "davis", tmp_path / "davis", "--name", "clip")
    program(ROOT / "hodor/inference/main.py", "--dataset", "clip", "--device", "cpu", "--min_image_dim", 128)
    results = tmp_path / "workspace/checkpoints" / DEFAULT / "clip_inference/results"
    assert len(list((results / "clip").glob("*.png"))) == 5
    program(ROOT / "hodor/evaluation/main.py", results, "--ground_truth", tmp_path / "davis/Annotations/480p",
            "--json", tmp_path / "scores.json")  # fmt: skip
    assert np.isfinite(score := json.loads((tmp_path / "scores.json").read_text())["J&F"]) and score > 0.5

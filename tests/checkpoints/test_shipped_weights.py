"""The weights that come with the package: found by name, small, and good enough to follow something."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from support.small_models import small_config

import hodor
from hodor.checkpoints.checkpoint import Checkpoint
from hodor.checkpoints.weights import DEFAULT, FOLDER, names
from hodor.modelling.build import build_model
from hodor.synthetic import SyntheticClip, write_davis_folder

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


def ball_over_meadow(time: int) -> tuple[np.ndarray, np.ndarray]:
    """A frame [96, 160, 3] of a red ball that crosses a green meadow with a blue pond, and its mask."""
    rows, columns = np.indices((96, 160))
    grain = np.random.default_rng(time).normal(0, 8, (96, 160, 1))
    image = np.where((rows < 30)[..., None], (120, 160, 220), (70, 130, 60)) + grain
    mask = np.hypot(rows - 55, columns - 30 - 8 * time) < 20
    image[mask] = (200, 50, 40) + grain[mask]
    return image.clip(0, 255).astype(np.uint8), mask


def test_they_follow_a_ball_over_a_meadow():
    segmenter = hodor.Segmenter.of(hodor.load(DEFAULT), device="cpu")
    for time in range(12):
        image, mask = ball_over_meadow(time)
        found = segmenter.step(image, {1: mask} if time == 0 else None).numpy() == 1
        assert np.count_nonzero(found & mask) / np.count_nonzero(found | mask) > 0.6, time


def test_programs_that_are_given_no_checkpoint_use_them(tmp_path):
    write_davis_folder(tmp_path / "davis", [("clip", SyntheticClip(3, frames=3, height=64, width=96, objects=2))])
    (tmp_path / "workspace").mkdir()
    environment = os.environ | {"HODOR_WORKSPACE_DIR": str(tmp_path / "workspace")}
    convert = ["-m", "hodor.convert", "davis", tmp_path / "davis", "--name", "clip"]
    infer = [ROOT / "hodor/inference/main.py", "--dataset", "clip", "--device", "cpu"]
    for arguments in (convert, infer):
        subprocess.run([sys.executable, *map(str, arguments)], cwd=ROOT, env=environment, check=True, capture_output=True)
    results = tmp_path / "workspace/checkpoints" / DEFAULT / "clip_inference/results"
    assert len(list((results / "clip").glob("*.png"))) == 3
    assert sorted(path.name for path in FOLDER.iterdir() if path.suffix != ".pyc" and path.is_file()) == [
        "__init__.py", *(f"{name}.safetensors" for name in names())
    ]  # fmt: skip

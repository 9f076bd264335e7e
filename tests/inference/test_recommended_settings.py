"""Settings that a checkpoint carries: used by all unless told otherwise, and the paper's where a checkpoint says nothing."""

import dataclasses
import json

import numpy as np
import pytest
from support.small import SMALL, make_workspace, small_checkpoint, write_small_checkpoint

import hodor
from hodor import Checkpoint, Segmenter
from hodor.config import InferenceConfig
from hodor.inference.main import main
from hodor.synthetic import SyntheticClip


@pytest.fixture
def path(tmp_path):
    config = dataclasses.replace(
        SMALL, inference=InferenceConfig(temporal_window=2, permanent_reference=True, min_confidence=0.25, guided_edges=True)
    )
    hodor.save_checkpoint(tmp_path / "own.safetensors", Checkpoint(small_checkpoint().model, config))
    return tmp_path / "own.safetensors"


def labels_of(segmenter):
    clip = list(SyntheticClip(frames=7, height=45, width=70, objects=2, seed=3))
    return np.stack([segmenter.step(image, labels if t == 0 else None).numpy() for t, (image, labels) in enumerate(clip)])


def test_segmenters_use_them_unless_told_otherwise(path):
    checkpoint = hodor.load(path)
    sizes = {"min_dim": SMALL.input.min_dim, "max_dim": SMALL.input.max_dim, "device": "cpu"}
    inference = {"temporal_window": 2, "permanent_reference": True, "min_confidence": 0.25, "guided_edges": True}
    meant = labels_of(Segmenter(checkpoint.model, **inference, **sizes))
    papers = labels_of(Segmenter(checkpoint.model, **sizes))
    assert not np.array_equal(meant, papers)
    assert np.array_equal(labels_of(Segmenter.of(checkpoint, device="cpu")), meant)
    others = {"temporal_window": 7, "permanent_reference": False, "min_confidence": 0.0, "guided_edges": False}
    told = Segmenter.of(checkpoint, device="cpu", **others)
    assert np.array_equal(labels_of(told), papers)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], {"temporal_window": 2, "permanent_reference": True, "min_dim": 64, "max_dim": 128}),
        (["--temporal_window", "5"], {"temporal_window": 5, "permanent_reference": True}),
        (["--no-permanent_reference"], {"temporal_window": 2, "permanent_reference": False}),
        (["--min_image_dim", "96"], {"temporal_window": 2, "min_dim": 96, "max_dim": 192}),
        ([], {"min_confidence": 0.25, "long_term_interval": 0, "corrections_replace": False}),
        (["--min_confidence", "0", "--long_term_interval", "5"], {"min_confidence": 0.0, "long_term_interval": 5}),
        (["--corrections_replace"], {"corrections_replace": True, "guided_edges": True}),
        (["--no-guided_edges"], {"guided_edges": False}),
    ],
)
def test_the_program_uses_them_unless_told_otherwise(tmp_path, monkeypatch, path, arguments, expected):
    workspace = make_workspace(tmp_path / "workspace", {"bear": 3})
    monkeypatch.setenv("HODOR_WORKSPACE_DIR", str(workspace))
    assert main([str(path), "--dataset", "davis_val", "--device", "cpu", *arguments]) == 0
    used = json.loads((tmp_path / "davis_val_inference/finished/bear.json").read_text())
    assert {key: used[key] for key in expected} == expected


def test_checkpoints_of_the_original_have_the_papers(tmp_path, monkeypatch):
    workspace = make_workspace(tmp_path / "workspace", {"bear": 2})
    monkeypatch.setenv("HODOR_WORKSPACE_DIR", str(workspace))
    checkpoint = write_small_checkpoint(tmp_path / "training")
    assert "INFERENCE" not in (checkpoint.parent / "config.yaml").read_text()
    assert main([str(checkpoint), "--dataset", "davis_val", "--device", "cpu"]) == 0
    used = json.loads((checkpoint.parent / "davis_val_inference/finished/bear.json").read_text())
    assert (used["temporal_window"], used["permanent_reference"], used["guided_edges"]) == (7, False, False)

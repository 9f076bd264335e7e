"""Averaged weights, and a learning rate of its own for the backbone."""

import pytest
import torch
from support.small_training import arguments, same, session

import hodor
from hodor.training.main import main

KEYS = {"DATA__DATASETS": "{photographs: 1}", "TRAINING__TOTAL_ITERATIONS": 4, "TRAINING__LR_SCHEDULER": "none"}
DECAY = 0.6


@pytest.fixture(autouse=True)
def in_workspace(training_data, monkeypatch):
    monkeypatch.setenv("HODOR_WORKSPACE_DIR", str(training_data))


def trained(folder, *options, **keys):
    line = arguments("static.yaml", "--model_dir", folder, "--save_interval", "1", *options, **(KEYS | keys))
    assert main(line) == 0
    return [session(path) for path in sorted(folder.glob("[0-9]*.pth"))]


def test_checkpoints_hold_the_average_of_all_weights_so_far(tmp_path):
    plain = trained(tmp_path / "plain")
    averaged = trained(tmp_path / "averaged", TRAINING__WEIGHT_AVERAGE=DECAY)
    expected = plain[0]["model"]
    for before, content in zip(plain, averaged, strict=True):
        expected = {name: DECAY * expected[name] + (1 - DECAY) * value for name, value in before["model"].items()}
        assert same(content["trained"], before["model"])  # it doesn't change what is learned
        for name, value in content["model"].items():
            torch.testing.assert_close(value, expected[name], rtol=1e-5, atol=1e-6)
    assert not same(averaged[-1]["model"], averaged[-1]["trained"])
    used = hodor.load(tmp_path / "averaged/000004.pth").model.state_dict()
    assert same(dict(used), averaged[-1]["model"])


def test_going_on_ends_with_the_same_bits(tmp_path):
    undisturbed = trained(tmp_path / "whole", TRAINING__WEIGHT_AVERAGE=DECAY)
    trained(tmp_path / "part", TRAINING__WEIGHT_AVERAGE=DECAY)
    for late in ("000003.pth", "000004.pth"):
        (tmp_path / "part" / late).unlink()
    resumed = ["--restore_session", str(tmp_path / "part/000002.pth"), "--device", "cpu", "--num_cpu_workers", "0"]
    assert main(resumed) == 0
    assert same(session(tmp_path / "part/000004.pth"), undisturbed[-1])


@pytest.mark.parametrize("factor", [0.0, 0.5])
def test_the_backbone_learns_at_its_own_rate(tmp_path, factor):
    first, *_ = trained(tmp_path / "usual", TRAINING__TOTAL_ITERATIONS=1)
    slow, *_ = trained(tmp_path / "slow", TRAINING__TOTAL_ITERATIONS=1, TRAINING__BACKBONE_LR_FACTOR=factor)
    start, *_ = trained(tmp_path / "start", TRAINING__TOTAL_ITERATIONS=1, TRAINING__BASE_LR=0)
    changed = []
    for name, before in start["model"].items():
        usual, own = (content["model"][name] - before for content in (first, slow))
        if name.startswith("feature_extractor.backbone."):
            torch.testing.assert_close(own, factor * usual, rtol=0.05, atol=2e-7)
            changed.append(bool(usual.any()))
        else:
            assert torch.equal(own, usual)
    assert any(changed)

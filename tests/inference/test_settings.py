"""Settings and states of segmenters: what can't be is refused where it is given, in one line."""

import pytest
import torch
from support.small import SMALL, small_checkpoint

import hodor
from hodor import HodorError, Segmenter


@pytest.fixture(scope="module")
def model():
    return small_checkpoint().model


def segmenter_of(model, **options):
    return Segmenter(model, **({"min_dim": 64, "max_dim": 128, "device": "cpu"} | options))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "fp16"}, "precision must be float32 or bf16, not 'fp16'"),
        ({"precision": torch.float16}, "precision must be float32 or bf16, not torch.float16"),
        ({"temporal_window": 2.5}, "the temporal window must be a whole number, not 2.5"),
        ({"temporal_window": None}, "the temporal window must be a whole number, not None"),
        ({"min_dim": 64.0}, "min_dim must be a whole number, not 64.0"),
        ({"max_dim": "large"}, "max_dim must be a whole number, not 'large'"),
        ({"look_ahead": 1.0}, "frames to look ahead must be a whole number, not 1.0"),
        ({"min_confidence": 1}, "min_confidence must be a number from 0 to below 1, not 1"),
        ({"min_confidence": float("nan")}, "min_confidence must be a number from 0 to below 1, not nan"),
        ({"min_confidence": "high"}, "min_confidence must be a number from 0 to below 1, not 'high'"),
        ({"long_term_interval": -1}, "long_term_interval must be at least 0, not -1"),
    ],
)
def test_settings_that_can_not_be(model, options, message):
    with pytest.raises(HodorError, match=f"^{message}$"):
        segmenter_of(model, **options)


def test_a_segmenter_of_a_name_or_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hodor.save_checkpoint(tmp_path / "own.safetensors", small_checkpoint())
    for given in (tmp_path / "own.safetensors", "own.safetensors", hodor.load("own.safetensors")):
        ours = Segmenter.of(given, device="cpu", temporal_window=3).state_dict()
        assert ours["temporal_window"] == 3 and ours["sizes"] == (SMALL.input.min_dim, SMALL.input.max_dim)
        assert ours == segmenter_of(small_checkpoint().model, temporal_window=3).state_dict()
    shipped = Segmenter.of("compact", device="cpu")
    assert shipped.state_dict() == Segmenter.of(hodor.load("compact"), device="cpu").state_dict()


def test_what_is_neither_network_nor_checkpoint(model):
    for given in (model, None, 3):
        with pytest.raises(HodorError, match=r"Segmenter\.of takes a checkpoint, its path or a name, not "):
            Segmenter.of(given)
    for given in ("compact", small_checkpoint()):
        with pytest.raises(HodorError, match=r"Segmenter takes a network, not .*; Segmenter\.of takes"):
            Segmenter(given)
    with pytest.raises(HodorError, match="enormous: no such checkpoint"):
        Segmenter.of("enormous")


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"temporal_window": 5}, "temporal_window is 7 here and 5 in the state"),
        ({"permanent_reference": True}, "permanent_reference is False here and True in the state"),
        ({"min_confidence": 0.5}, "min_confidence is 0.0 here and 0.5 in the state"),
        ({"long_term_interval": 4}, "long_term_interval is 0 here and 4 in the state"),
        ({"corrections_replace": False}, "corrections_replace is True here and False in the state"),
        ({"min_dim": 32, "max_dim": 64}, r"sizes is \(64, 128\) here and \(32, 64\) in the state"),
    ],
)
def test_a_state_of_other_settings_is_refused_by_name(model, other, message):
    state = segmenter_of(model, **other).state_dict()
    with pytest.raises(HodorError, match=f"^the state comes from another segmenter: {message}$"):
        segmenter_of(model).load_state_dict(state)
    segmenter_of(model, **other).load_state_dict(state)


def test_a_state_of_another_network_is_refused(model):
    state = segmenter_of(small_checkpoint(seed=1).model).state_dict()
    with pytest.raises(HodorError, match=r"^the state comes from a network with other weights; load the same checkpoint$"):
        segmenter_of(model).load_state_dict(state)
    with pytest.raises(HodorError, match=r"^the state comes from another segmenter: width is 32 here and 128 in the state"):
        segmenter_of(model).load_state_dict(segmenter_of(hodor.load("compact").model).state_dict())


def test_what_is_no_state_is_refused_and_changes_nothing(model):
    segmenter = segmenter_of(model)
    before = segmenter.state_dict()
    incomplete = {key: value for key, value in before.items() if key != "tracker"}
    for state, message in [
        ({}, "no state of a segmenter"),
        (None, "no state of a segmenter"),
        ({"video_size": None, "tracker": {}}, "no state of a segmenter"),
        (before | {"version": 1}, "the state has format 1, not 2; another version wrote it"),
        (incomplete, "incomplete: tracker missing"),
    ]:
        with pytest.raises(HodorError, match=message):
            segmenter.load_state_dict(state)
        assert segmenter.state_dict() == before

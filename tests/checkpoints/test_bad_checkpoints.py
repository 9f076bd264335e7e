import dataclasses
import os
import pickle
import shutil

import pytest
import torch
from safetensors.torch import save_file
from support.checkpoints import complaint, write_original
from support.goldens import STATIC_RECIPE

import hodor
from hodor import Checkpoint, HodorError
from hodor.checkpoints.weights import FOLDER, locate_existing, names
from hodor.config import load_config, to_yaml


class Hostile:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


WRITERS = {
    "zip": torch.save,
    "legacy": lambda content, path: torch.save(content, path, _use_new_zipfile_serialization=False),
    "pickle": lambda content, path: path.write_bytes(pickle.dumps(content, protocol=2)),
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_nothing_in_a_file_is_executed(write, tmp_path):
    target = tmp_path / "executed"
    path = write_original(tmp_path, {}, STATIC_RECIPE)
    write({"logger": Hostile(target), "model": {}}, path)
    message = complaint(path)
    assert f"{path}: the file wants to run {os.mkdir.__module__}.mkdir and was not loaded" in message
    assert not target.exists()
    pickle.loads(pickle.dumps(Hostile(target)))
    assert target.exists()  # it would have worked


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("kept", [0, 1, 20, 0.1, 0.5, 0.9, -100, -1])
def test_truncated_files(kept, zipped, tmp_path):
    path = write_original(tmp_path, {}, STATIC_RECIPE)
    content = {"model": {f"feature_extractor.bb_fpn.{k}": torch.randn(50, 50) for k in range(5)}}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)] if isinstance(kept, float) else whole[:kept])
    message = complaint(path)
    assert str(path) in message and "truncated or not a checkpoint" in message


@pytest.mark.parametrize("kept", [0, 1, 7, 8, 1000, 0.5, -1])
def test_truncated_safetensors(kept, small, tmp_path):
    path = tmp_path / "a.safetensors"
    hodor.save_checkpoint(path, Checkpoint(torch.nn.Linear(50, 50), small.config))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)] if isinstance(kept, float) else whole[:kept])
    message = complaint(path)
    assert str(path) in message and "truncated or not a safetensors file" in message


@pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
@pytest.mark.parametrize("content", [b"hello, this is a text\n" * 50, b"\0" * 500, b"{}", b"\x80\x02}q\x00.", b"PK\x03\x04"])
def test_files_of_another_kind(name, content, tmp_path):
    path = write_original(tmp_path, {}, STATIC_RECIPE).with_name(name)
    path.write_bytes(content)
    assert str(path) in complaint(path)


def test_a_folder_that_is_called_like_the_weights_of_the_package_does_not_hide_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "compact").mkdir()
    assert locate_existing("compact") == FOLDER / "compact.safetensors"
    (tmp_path / "empty").mkdir()
    with pytest.raises(HodorError, match=r"^empty: no such checkpoint"):
        locate_existing("empty")


@pytest.mark.parametrize(
    "content",
    [{}, {"weights": {}}, {"model": [1]}, {"model": {"a": 1.0}}, {"model": {1: torch.ones(1)}}, [1, 2], torch.ones(3), None],
)
def test_content_without_weights(content, tmp_path):
    path = write_original(tmp_path, {}, STATIC_RECIPE)
    torch.save(content, path)
    assert 'no weights under "model"' in complaint(path)


def test_missing_files(small_original, tmp_path):
    for path in (tmp_path / "no.pth", tmp_path / "no.safetensors", tmp_path):
        assert complaint(path) == (
            f"{path}: no such checkpoint; name a file, or weights that come with the package: {', '.join(names())}"
        )
    (tmp_path / "a.pth").hardlink_to(small_original)
    assert f"{tmp_path / 'config.yaml'}: no such file" in complaint(tmp_path / "a.pth")


def test_safetensors_of_other_programs(tmp_path):
    save_file({"a": torch.ones(2)}, tmp_path / "a.safetensors")
    assert "holds no configuration" in complaint(tmp_path / "a.safetensors")
    save_file({"a": torch.ones(2)}, tmp_path / "b.safetensors", metadata={"config": "MODEL: [\n"})
    assert "b.safetensors (configuration): not valid YAML" in complaint(tmp_path / "b.safetensors")


@pytest.mark.parametrize(
    "name",
    ["encoder.attn_layers.0.cross_attn.scaling_factors", "decoder.instance_query_proj.bias", "decoder.fmap_proj_4x.2.bias"],
)
def test_missing_and_left_over_weights_are_named_as_in_the_file(name, small_original, tmp_path):
    state = torch.load(small_original, weights_only=True)["model"]
    config = load_config(small_original.parent / "config.yaml")
    without = {key: value for key, value in state.items() if key != name}
    message = complaint(write_original(tmp_path, without, config))
    assert f"missing weights: {name}" in message and "left-over" not in message
    message = complaint(write_original(tmp_path, state | {"decoder.surprise.weight": torch.ones(1)}, config))
    assert "left-over weights: decoder.surprise.weight" in message and "missing weights" not in message


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"encoder_layers": 2}, "missing weights: encoder.attn_layers.1."),
        ({"decoder_layers": 3}, "missing weights: decoder.attn_layers.1."),
        ({"num_attn_heads": 8}, "encoder.attn_layers.0.cross_attn.scaling_factors is [4] instead of [8]"),
        ({"num_bg_descriptors": 4}, "encoder.bg_query_embed is [9, 32] instead of [4, 32]"),
        ({"transformer_pre_normalize": True}, "missing weights: encoder.norm."),
        ({"width": 64}, "wrong shapes: feature_extractor"),
    ],
)
def test_weights_of_another_configuration(change, expected, small, small_original, tmp_path):
    shutil.copy(small_original, tmp_path)
    config = dataclasses.replace(small.config, model=dataclasses.replace(small.config.model, **change))
    (tmp_path / "config.yaml").write_text(to_yaml(config))
    assert expected in complaint(tmp_path / small_original.name)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("MODEL: [1, 2\nINPUT:", "config.yaml: not valid YAML"),
        ("MODEL: {ENCODER_LAYERS: five}", "config.yaml: MODEL.ENCODER_LAYERS must be a whole number, not 'five'"),
        ("- 1", "config.yaml: the file must be a mapping"),
        ("MODEL: {NUM_BG_DESCRIPTORS: 5}", "MODEL.NUM_BG_DESCRIPTORS must be one of"),
    ],
)
def test_broken_configurations(text, expected, small_original, tmp_path):
    shutil.copy(small_original, tmp_path)
    (tmp_path / "config.yaml").write_text(text)
    assert expected in complaint(tmp_path / small_original.name)


def test_unknown_keys_of_old_configurations_are_only_warned_of(small, small_original, tmp_path, caplog):
    shutil.copy(small_original, tmp_path)
    (tmp_path / "config.yaml").write_text(to_yaml(small.config) + "EXTRA: {A: 1}\nNUM_GPUS: 2\n")
    assert hodor.load(tmp_path / small_original.name).config == small.config
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert "unknown key EXTRA" in caplog.text and "unknown key NUM_GPUS" in caplog.text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (torch.full((32,), float("nan")), "weights that are not finite: encoder.object_embedding"),
        (torch.ones(32).to_sparse(), "weight encoder.object_embedding is not a plain tensor of real numbers"),
        (torch.ones(32, dtype=torch.complex64), "weight encoder.object_embedding is not a plain tensor of real numbers"),
    ],
)
def test_weights_that_are_no_numbers(value, expected, small, tmp_path):
    path = tmp_path / "a.pth"
    torch.save({"model": small.model.state_dict() | {"encoder.object_embedding": value}}, path)
    (tmp_path / "config.yaml").write_text(to_yaml(small.config))
    assert expected in complaint(path)

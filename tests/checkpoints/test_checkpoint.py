import pytest
import torch
from support.file_sizes import file_sizes_limited_to
from support.goldens import STATIC_RECIPE
from support.small_models import small_config

import hodor
from hodor import Checkpoint, HodorError
from hodor.checkpoints.checkpoint import fingerprint
from hodor.checkpoints.original_names import UNUSED
from hodor.modelling.build import build_model


def same_state(first, second):
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert value.dtype == second[name].dtype and torch.equal(value, second[name]), name


def test_all_entries_of_an_original_checkpoint_come_back_bit_for_bit(loaded, weights, tmp_path):
    assert len(weights) == 469 and len(loaded.model.state_dict()) == 444
    assert loaded.unused.keys() == set(UNUSED) and len(UNUSED) == 13
    assert loaded.config == STATIC_RECIPE and not loaded.model.training
    hodor.export_original(tmp_path / "new" / "1.pth", loaded)
    content = torch.load(tmp_path / "new" / "1.pth", weights_only=True)
    same_state(content["model"], weights)
    again = hodor.load(str(tmp_path / "new" / "1.pth"))
    same_state(again.model.state_dict(), loaded.model.state_dict())
    same_state(again.unused, loaded.unused)
    assert again.config == loaded.config


def test_safetensors_hold_weights_unused_ones_and_the_configuration(loaded, weights, tmp_path):
    path = tmp_path / "new" / "model.safetensors"
    hodor.save_checkpoint(path, loaded)
    assert list(path.parent.iterdir()) == [path]
    again = hodor.load(path)
    same_state(again.model.state_dict(), loaded.model.state_dict())
    same_state(again.unused, {name: weights[name] for name in UNUSED})
    assert again.config == loaded.config and not again.model.training
    assert again.model.mean.flatten().tolist() == pytest.approx([123.675, 116.28, 103.53])


@pytest.mark.parametrize(
    "settings", [{}, {"transformer_pre_normalize": True, "decoder_layers": 2, "width": 64, "num_attn_heads": 2}]
)
def test_a_model_that_never_was_an_originals_is_exported_with_fresh_unused_weights(settings, tmp_path):
    config = small_config(**settings)
    checkpoint = Checkpoint(build_model(config), config)
    hodor.export_original(tmp_path / "1.pth", checkpoint)
    content = torch.load(tmp_path / "1.pth", weights_only=True)["model"]
    assert set(UNUSED) <= content.keys()
    assert sum(name.endswith("relative_position_index") for name in content) == 12
    again = hodor.load(tmp_path / "1.pth")
    same_state(again.model.state_dict(), checkpoint.model.state_dict())
    assert again.config == config


@pytest.mark.parametrize("backbone", ["swin_small", "swin_base"])
def test_other_backbones_are_saved_and_loaded(backbone, tmp_path):
    config = small_config(backbone=backbone)
    checkpoint = Checkpoint(build_model(config), config)
    hodor.save_checkpoint(tmp_path / "a.safetensors", checkpoint)
    again = hodor.load(tmp_path / "a.safetensors")
    same_state(again.model.state_dict(), checkpoint.model.state_dict())
    assert again.config == config and again.unused == {}


VARIANTS = {
    "deformable_convolutions": False,
    "attention_masking": "none",
    "descriptor_interaction": False,
    "num_catch_all_queries": 0,
}


@pytest.mark.parametrize("key", VARIANTS)
def test_variants_that_the_original_does_not_know_are_saved_but_not_exported(key, tmp_path):
    config = small_config(**{key: VARIANTS[key]})
    checkpoint = Checkpoint(build_model(config), config)
    with pytest.raises(HodorError, match=f"MODEL.{key.upper()} must be .* for the original's format"):
        hodor.export_original(tmp_path / "1.pth", checkpoint)
    assert not list(tmp_path.iterdir())
    hodor.save_checkpoint(tmp_path / "1.safetensors", checkpoint)
    same_state(hodor.load(tmp_path / "1.safetensors").model.state_dict(), checkpoint.model.state_dict())


@pytest.mark.parametrize(("write", "name"), [(hodor.save_checkpoint, "a.safetensors"), (hodor.export_original, "a.pth")])
def test_a_failing_disk_leaves_the_old_file_alone_and_is_one_line(write, name, small, tmp_path):
    path = tmp_path / name
    path.write_bytes(b"old")
    with file_sizes_limited_to(1 << 20), pytest.raises(HodorError, match=rf"^{path}: could not be written; is there space"):
        write(path, small)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_fingerprint_is_sha256(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert fingerprint(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_others_may_read_what_is_saved_as_far_as_they_may_read_other_files(small, tmp_path):
    (tmp_path / "usual").touch()
    hodor.save_checkpoint(tmp_path / "model.safetensors", small)
    assert (tmp_path / "model.safetensors").stat().st_mode == (tmp_path / "usual").stat().st_mode

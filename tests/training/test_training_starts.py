"""Where a training starts from, and what it refuses: the program's `main`, in this process to save time."""

from itertools import pairwise

import pytest
import torch
from support.small_training import arguments, session

import hodor
from hodor.checkpoints.checkpoint import Checkpoint, export_original, save_checkpoint
from hodor.config import load_config
from hodor.errors import HodorError
from hodor.modelling.build import build_model
from hodor.training.main import main

STILL = {"TRAINING__TOTAL_ITERATIONS": 1, "TRAINING__BASE_LR": 0, "DATA__DATASETS": "{photographs: 1}"}

TWO = {"TRAINING__TOTAL_ITERATIONS": 2}


@pytest.fixture(autouse=True)
def in_workspace(training_data, monkeypatch):
    monkeypatch.setenv("HODOR_WORKSPACE_DIR", str(training_data))


@pytest.fixture
def other(tmp_path):
    """A network of the same shape with other weights."""
    overrides = arguments(None)
    pairs = [(key.removeprefix("--cfg."), value) for key, value in pairwise(overrides) if "--cfg." in key]
    config_path = tmp_path / "empty.yaml"
    config_path.write_text("MODEL: {POS_ENCODINGS_IN_FMQ: false}")
    config = load_config(config_path, pairs)
    torch.manual_seed(5)
    return Checkpoint(build_model(config).eval(), config)


def complaint(folder, *options, cfg="static.yaml", **keys):
    with pytest.raises(HodorError) as caught:
        main(arguments(cfg, "--model_dir", folder, *options, **({"DATA__DATASETS": "{photographs: 1}"} | keys)))
    assert "\n" not in str(caught.value)
    assert not list(folder.glob("*.pth"))
    return str(caught.value)


@pytest.mark.parametrize("kind", ["original", "ours", "of a training"])
def test_restore_path_takes_weights_only(tmp_path, other, kind):
    path = tmp_path / "given" / ("weights.safetensors" if kind == "ours" else "250000.pth")
    path.parent.mkdir()
    if kind == "original":
        export_original(path, other)
    elif kind == "ours":
        save_checkpoint(path, other)
    else:
        torch.save({"model": other.model.state_dict(), "iterations": 77, "optimizer": {}, "progress": {"iteration": 77}}, path)
    assert main(arguments("static.yaml", "--model_dir", tmp_path / "out", "--restore_path", path, **STILL)) == 0
    content = session(tmp_path / "out/000001.pth")
    assert content["iterations"] == 1
    assert content["model"].keys() == other.model.state_dict().keys()
    assert all(torch.equal(content["model"][name], value) for name, value in other.model.state_dict().items())


def test_names_below_the_workspaces_checkpoints_are_found(tmp_path, training_data, other):
    save_checkpoint(training_data / "checkpoints/earlier/weights.safetensors", other)
    for name in ("earlier/weights.safetensors", "earlier"):
        folder = tmp_path / name.replace("/", "_")
        assert main(arguments("static.yaml", "--model_dir", folder, "--restore_path", name, **STILL)) == 0
        content = session(folder / "000001.pth")["model"]
        assert all(torch.equal(content[key], value) for key, value in other.model.state_dict().items())


def test_restore_path_takes_the_name_of_weights_of_the_package(tmp_path):
    keys = STILL | {"INPUT__MAX_IMAGE_AREA": 64 * 96, "TRAINING__LR_SCHEDULER": "none"}
    line = ["--cfg", "compact.yaml", "--restore_path", "compact", "--model_dir", tmp_path, "--device", "cpu"]
    pairs = [part for key, value in keys.items() for part in (f"--cfg.{key.replace('__', '.')}", value)]
    small = ["--cfg.TRAINING.MIN_REF_MASK_AREA", 20, "--cfg.TRAINING.MIN_REF_MASK_DIM", 3, "--cfg.TRAINING.BATCH_SIZE", 2]
    assert main([str(part) for part in [*line, "--num_cpu_workers", 0, *pairs, *small]]) == 0
    expected, found = dict(hodor.load("compact").model.named_parameters()), session(tmp_path / "000001.pth")["model"]
    assert all(torch.equal(found[name], value) for name, value in expected.items() if value.requires_grad)


def test_a_new_training_doesnt_begin_among_the_checkpoints_of_another(tmp_path):
    assert main(arguments("static.yaml", "--model_dir", tmp_path, "--save_interval", "1", **(STILL | TWO))) == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for options in ([], ["--restore_path", tmp_path / "000001.pth"]):
        with pytest.raises(HodorError) as caught:
            main(arguments("static.yaml", "--model_dir", tmp_path, *options, **STILL, TRAINING__SEED=5))
        assert str(caught.value) == (
            f"{tmp_path}: holds the checkpoints of an earlier training; go on with it by --restore_session "
            f"{tmp_path / '000002.pth'}, or give the new one another --model_dir"
        )
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for path in tmp_path.glob("*.pth"):
        path.unlink()  # what only began to write may be begun again
    assert main(arguments("static.yaml", "--model_dir", tmp_path, **STILL, TRAINING__SEED=5)) == 0


def test_a_session_needs_more_than_weights(tmp_path, other):
    export_original(tmp_path / "given/1.pth", other)
    save_checkpoint(tmp_path / "given/1.safetensors", other)
    for name in ("1.pth", "1.safetensors"):
        message = complaint(tmp_path / "out", "--restore_session", tmp_path / "given" / name)
        assert (
            message.startswith(f"{tmp_path / 'given' / name}: holds no training to go on with") and "--restore_path" in message
        )
    assert "no such checkpoint" in complaint(tmp_path / "out", "--restore_session", tmp_path / "none.pth")
    (tmp_path / "alone.pth").touch()
    assert f"{tmp_path / 'config.yaml'}: no such file" in complaint(
        tmp_path / "out", "--restore_session", tmp_path / "alone.pth", cfg=None
    )


def test_a_missing_pretrained_file_says_how_to_get_it_and_how_to_start_without(tmp_path, training_data):
    message = complaint(tmp_path, MODEL__PRETRAINED_BACKBONE="swin.pth")
    assert message.startswith(f"{training_data / 'pretrained_backbones/swin.pth'}: no such file; get ")
    assert "--cfg.MODEL.PRETRAINED_BACKBONE none" in message
    assert "no such weights for MODEL.BACKBONE 'swin_compact'" in complaint(tmp_path, MODEL__PRETRAINED_BACKBONE="timm")


def test_a_detectors_weights_reach_backbone_and_pyramid(tmp_path, other):
    export_original(tmp_path / "given/1.pth", other)
    state = session(tmp_path / "given/1.pth")["model"]
    detector = {"roi_head.bbox_head.weight": torch.ones(3)}
    for name, value in state.items():
        for ours, theirs in (("bb_fpn.0.", "backbone."), ("bb_fpn.1.lateral_convs", "neck.lateral_convs"),
                             ("bb_fpn.1.fpn_convs", "neck.fpn_convs")):  # fmt: skip
            if f"feature_extractor.{ours}" in name:
                detector[name.replace(f"feature_extractor.{ours}", theirs)] = value
    path = tmp_path / "detector.pth"
    torch.save({"state_dict": detector, "meta": {}}, path)
    arguments_ = arguments("static.yaml", "--model_dir", tmp_path / "out", **STILL, MODEL__PRETRAINED_BACKBONE=path)
    assert main(arguments_) == 0
    found = session(tmp_path / "out/000001.pth")["model"]
    taken = {name for name, value in other.model.state_dict().items() if value.std() > 0 and torch.equal(found[name], value)}
    assert {name for name in taken if not name.startswith("feature_extractor.")} <= {"encoder.layers.0.masked_attention.alpha"}
    assert len([name for name in taken if ".backbone." in name]) > 40 and len([n for n in taken if ".pyramid." in n]) >= 2
    del detector["backbone.patch_embed.proj.weight"]
    torch.save({"state_dict": detector}, path)
    assert "weights of the backbone are missing, such as" in complaint(tmp_path / "bad", MODEL__PRETRAINED_BACKBONE=path)


@pytest.mark.parametrize("broken", [1e38, -1e38])
def test_a_loss_that_is_not_finite_stops_and_names_the_samples(tmp_path, other, training_data, broken):
    with torch.no_grad():
        other.model.encoder.object_embedding[0] = broken
    save_checkpoint(tmp_path / "broken.safetensors", other)
    message = complaint(tmp_path / "out", "--restore_path", tmp_path / "broken.safetensors", "--save_interval", "1")
    assert message.startswith("iteration 0: loss (nan) or gradient is not finite with the samples ")
    assert message.count(str(training_data / "dataset_images/photographs")) == 2 and "nothing of it was saved" in message
    assert "is not finite with the samples" in (tmp_path / "out/logs/out.log").read_text()


def test_batches_keys_and_names(tmp_path, monkeypatch):
    assert "is more than 1 processes" in complaint(tmp_path, TRAINING__BATCH_SIZE=8, TRAINING__ACCUMULATE_GRADIENTS="false")
    message = complaint(tmp_path, TRAINING__BATCHSIZE=8)
    assert "unknown key TRAINING.BATCHSIZE; did you mean TRAINING.BATCH_SIZE?" in message
    message = complaint(tmp_path, cfg="statik.yaml")
    assert "statik.yaml: no such file" in message and "static.yaml, video_dense.yaml, video_sparse.yaml" in message
    assert "lacks 'v0'" in complaint(
        tmp_path, TRAINING__VALIDATION__DATASET="clips", TRAINING__VALIDATION__GROUND_TRUTH="dataset_images"
    )
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert "--allow_multigpu" in complaint(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--cfg", "static.yaml", "--cfg.TRAINING.SEED"], "unrecognised argument '--cfg.TRAINING.SEED'"),
        (["--cfg", "static.yaml", "--sed", "3"], "unrecognised argument '--sed'"),
        ([], "--cfg is needed, or --restore_session"),
        (["--cfg", "a", "--restore_session", "b", "--restore_path", "c"], "not allowed with"),
    ],
)
def test_command_lines_that_mean_nothing(options, message, capsys):
    with pytest.raises(SystemExit) as caught:
        main(options)
    (line,) = capsys.readouterr().err.splitlines()
    assert caught.value.code == 2 and message in line

"""Every recipe starts training, as a user runs it: real processes, real files."""

import struct

import pytest
import torch
from support.small_training import arguments, session, train
from tensorboardX.proto.event_pb2 import Event

from hodor.config import load_config

RECIPES = {
    "static_image.yaml": ("static", "photographs", {}),
    "video_sparse.yaml": ("video_sparse", "films", {"TRAINING__MAX_CLIP_DELTA": 3}),
    "dense_video.yaml": ("video_dense", "films", {"TRAINING__MAX_CLIP_DELTA": 4}),
    "compact.yaml": ("compact", "photographs", {}),
}

MODES = {"static": "static_image", "compact": "static_image", "video_sparse": "sparse_video", "video_dense": "dense_video"}


def curves(folder):
    """What TensorBoard would show: {curve: {iteration: value}} and the names of pictures."""
    scalars, images = {}, set()
    for path in sorted((folder / "logs").glob("events.*")):
        data = path.read_bytes()
        while data:  # length, its checksum, the event, its checksum
            (length,) = struct.unpack("<Q", data[:8])
            event = Event.FromString(data[12 : 12 + length])
            data = data[16 + length :]
            for value in event.summary.value:
                if value.HasField("image"):
                    images.add(value.tag)
                else:
                    scalars.setdefault(value.tag, {})[event.step] = value.simple_value
    return scalars, images


@pytest.mark.parametrize("cfg", RECIPES)
def test_every_recipe_trains(training_data, cfg):
    name, dataset, keys = RECIPES[cfg]
    options = ["--summary_interval", "1", "--precision", "bf16" if cfg == "compact.yaml" else "float32"]
    result = train(training_data, *arguments(cfg, *options, DATA__DATASETS=f"{{{dataset}: 1}}", **keys))
    assert result.returncode == 0 and result.stdout == "", result.stderr
    folder = training_data / "checkpoints" / name
    config = load_config(folder / "config.yaml")
    assert config.training.mode == MODES[name]
    assert config.model.width == 32 and config.data.datasets == ((dataset, 1.0),)
    content = session(folder / "000002.pth")
    assert content["iterations"] == 2 and len(content["optimizer"]["state"]) == len(list(content["model"]))
    lines = result.stderr.splitlines()
    assert "2 iterations of 2 samples (1 processes x 1 micro-batches x 2) on cpu, from iteration 0" in lines[0]
    assert [line.split()[0] for line in lines[1:3]] == ["1/2", "2/2"] and "lr 1.00e-03" in lines[1]
    log = (folder / "logs/out.log").read_text()
    assert "2/2  loss" in log and "saved" in log
    scalars, images = curves(folder)
    assert {"loss/total", "loss/dice", "loss/cross_entropy", "iou", "learning_rate"} <= scalars.keys()
    assert {"time/seconds_per_iteration", "time/waiting_for_data"} <= scalars.keys()
    assert all(sorted(points) == [1, 2] for points in scalars.values())
    for step in (1, 2):
        parts = [scalars[f"loss/{part}"][step] for part in ("dice", "cross_entropy", "total")]
        assert parts[0] + parts[1] == pytest.approx(parts[2], rel=1e-5) and parts[1] > 0
        assert scalars["learning_rate"][step] == pytest.approx(1e-3)
    assert images == {"clip/truth_and_prediction"}


def test_two_processes_with_half_of_the_batch_have_the_gradients_of_one(training_data, tmp_path):
    keys = {"TRAINING__BATCH_SIZE": 8, "TRAINING__TOTAL_ITERATIONS": 1, "DATA__DATASETS": "{photographs: 1}"}
    found = []
    for processes in (1, 2):
        folder = tmp_path / str(processes)
        options = ["--model_dir", folder, "--max_samples_per_gpu", "4", "--allow_multigpu"]
        result = train(training_data, *arguments("static.yaml", *options, **keys), processes=processes)
        assert result.returncode == 0, result.stderr
        assert f"({processes} processes x {2 // processes} micro-batches x 4)" in result.stderr
        assert result.stderr.count("saved") == 1
        content = session(folder / "000001.pth")
        found.append([state["exp_avg"].double() * 10 for state in content["optimizer"]["state"].values()])
    whole = torch.stack([gradient.norm() for gradient in found[0]]).norm()
    assert whole > 0.1
    for one, two in zip(*found, strict=True):
        assert (one - two).norm() <= 1e-5 * max(one.norm(), 1e-3 * whole)


def test_validation_keeps_the_best_and_does_not_disturb_the_training(training_data, tmp_path):
    keys = {"DATA__DATASETS": "{photographs: 1}", "TRAINING__TOTAL_ITERATIONS": 3}
    judged = {"DATASET": "clips", "GROUND_TRUTH": "truth", "INTERVAL": 1, "MIN_DIM": 48}
    validation = {f"TRAINING__VALIDATION__{key}": value for key, value in judged.items()}
    finals = []
    for name, more in (("with", validation), ("without", {})):
        options = ["--model_dir", tmp_path / name, "--save_interval", "1", "--save_ckpts_after", "2"]
        result = train(training_data, *arguments("static.yaml", *options, **keys, **more))
        assert result.returncode == 0, result.stderr
        assert not (tmp_path / name / "000001.pth").exists() and (tmp_path / name / "000002.pth").exists()
        finals.append(session(tmp_path / name / "000003.pth"))
    assert all(torch.equal(finals[0]["model"][name], value) for name, value in finals[1]["model"].items())
    scores = curves(tmp_path / "with")[0]["validation/J_and_F"]
    assert sorted(scores) == [1, 2, 3] and all(0 <= score <= 1 for score in scores.values())
    log = (tmp_path / "with/logs/out.log").read_text()
    assert all(f"validation after iteration {step}: J&F {score:.3f}" in log for step, score in scores.items())
    best = session(tmp_path / "with/best.pth")
    assert best["iterations"] == max(scores, key=lambda step: (scores[step], -step))
    assert best["progress"]["best_score"] == pytest.approx(max(scores.values()), abs=1e-6)
    assert finals[0]["progress"]["best_score"] == best["progress"]["best_score"] > finals[1]["progress"]["best_score"]
    assert not (tmp_path / "without/best.pth").exists()

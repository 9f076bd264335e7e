"""Every ablation under configs/ablations starts training, and differs from the recipe that it is based on."""

import shutil
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from support.small_training import ROOT, arguments

from hodor.config import load_config
from hodor.training.main import main

ABLATIONS = sorted((ROOT / "configs" / "ablations").glob("*.yaml"))


def own_keys(path: Path) -> set[str]:
    content = yaml.safe_load(path.read_text())
    return {f"{section}.{key}" for section, keys in content.items() if isinstance(keys, dict) for key in keys}


def small_but_for(keys: set[str]) -> list[str]:
    """Overrides that make the recipe small, without those of the keys that the ablation is about."""
    line = arguments(None)
    pairs = [(key, value) for key, value in pairwise(line) if key.startswith("--cfg.")]
    kept = [pair for pair in pairs if pair[0].removeprefix("--cfg.") not in keys - {"MODEL.PRETRAINED_BACKBONE"}]
    return [part for pair in kept for part in pair]


@pytest.mark.parametrize("path", ABLATIONS, ids=[path.stem for path in ABLATIONS])
def test_starts_training(path, tmp_path, training_data, monkeypatch):
    monkeypatch.setenv("HODOR_WORKSPACE_DIR", str(training_data))
    sets = ["--cfg.DATA.DATASETS", "{photographs: 1}", "--cfg.TRAINING.TOTAL_ITERATIONS", "1"]
    options = ["--cfg", str(path), "--model_dir", str(tmp_path), "--device", "cpu", "--num_cpu_workers", "0"]
    assert main([*options, *small_but_for(own_keys(path)), *sets]) == 0
    assert (tmp_path / "000001.pth").is_file()
    written, asked = load_config(tmp_path / "config.yaml"), load_config(path)
    for key in own_keys(path) - {"MODEL.PRETRAINED_BACKBONE"}:
        section, name = key.lower().split(".")
        assert getattr(getattr(written, section), name) == getattr(getattr(asked, section), name)
    assert asked != load_config(ROOT / "configs" / "static.yaml")
    shutil.rmtree(tmp_path)  # the larger backbones' checkpoints are


def test_there_is_one_for_every_part_that_can_be_changed():
    keys = set().union(*map(own_keys, ABLATIONS))
    assert {
        "MODEL.ATTENTION_MASKING",
        "MODEL.NUM_BG_DESCRIPTORS",
        "MODEL.NUM_CATCH_ALL_QUERIES",
        "MODEL.DESCRIPTOR_INTERACTION",
        "MODEL.DEFORMABLE_CONVOLUTIONS",
        "MODEL.ENCODER_LAYERS",
        "MODEL.DECODER_LAYERS",
        "MODEL.NUM_ATTN_HEADS",
        "MODEL.WIDTH",
        "MODEL.POS_ENCODINGS_IN_FMQ",
        "MODEL.POS_ENCODINGS_IN_FQM",
        "MODEL.BACKBONE",
        "TRAINING.DETACH_INTERMEDIATE_MASKS",
        "TRAINING.CYCLES",
        "TRAINING.NUM_OTHER_FRAMES",
        "TRAINING.LOSS_WEIGHTS",
        "TRAINING.AUGMENTATIONS",
    } <= keys

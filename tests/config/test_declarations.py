"""What the declarations of keys give: ranges wherever a section is made, the default file, and bounds for files of others."""

import dataclasses
import functools
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from hodor.config import Config, InputConfig, ModelConfig, load_config
from hodor.config.__main__ import default_yaml
from hodor.config.layering import from_yaml
from hodor.errors import HodorError
from hodor.modelling.soft_masked_attention import Masking
from hodor.modelling.soft_masks import BACKGROUND_GRIDS

DEFAULT = Path(__file__).parents[2] / "configs" / "default.yaml"


def written(folder, text):
    path = folder / "my.yaml"
    path.write_text(text)
    return path


def complaint(path, **kwargs):
    with pytest.raises(HodorError) as caught:
        load_config(path, **kwargs)
    message = str(caught.value)
    assert "\n" not in message and len(message) < 600
    return message


def test_the_default_file_is_what_the_declarations_say():
    assert DEFAULT.read_text() == default_yaml(), "write it again: python -m hodor.config > configs/default.yaml"
    assert all(len(line) <= 128 + 20 for line in default_yaml().splitlines())
    made = subprocess.run([sys.executable, "-m", "hodor.config"], capture_output=True, text=True, check=True)
    assert made.stdout == default_yaml() and not made.stderr


def test_every_key_has_a_place_and_a_default_within_its_range():
    sections = [Config, *(type(field.default) for _, field in Config.walk() if dataclasses.is_dataclass(field.default))]
    assert len(sections) == len(set(sections)) and dataclasses.replace(Config()) == Config()
    for section in sections:
        assert section(**vars(section())) == section() and section.__doc__


def test_choices_are_those_of_the_network():
    hints = get_type_hints(ModelConfig)
    assert get_args(hints["attention_masking"]) == get_args(Masking)
    for count in range(20):
        if count in BACKGROUND_GRIDS:
            assert ModelConfig(num_bg_descriptors=count).num_bg_descriptors == count
        else:
            with pytest.raises(HodorError, match=r"^MODEL.NUM_BG_DESCRIPTORS must be one of"):
                ModelConfig(num_bg_descriptors=count)
    dataclasses.replace(Config().training, num_instances=255)
    with pytest.raises(HodorError, match=r"^TRAINING.NUM_INSTANCES must be 1..255, not 256"):
        dataclasses.replace(Config().training, num_instances=256)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"width": "64"}, "MODEL.WIDTH must be a whole number, not '64'"),
        ({"width": 8192}, "MODEL.WIDTH must be a multiple of 32 up to 4096, not 8192"),
        ({"encoder_layers": 65}, "MODEL.ENCODER_LAYERS must be at least 1, at most 64, not 65"),
        ({"decoder_layers": 10**9}, "MODEL.DECODER_LAYERS must be at least 1, at most 64, not 1000000000"),
        ({"width": 4096, "encoder_layers": 64}, "MODEL.WIDTH = 4096 is too much for 69 layers; lower one of them"),
        ({"num_catch_all_queries": True}, "MODEL.NUM_CATCH_ALL_QUERIES must be a whole number, not True"),
        ({"heads": 4}, "MODEL.HEADS: Unexpected keyword argument"),
    ],
)
def test_sections_check_their_values_wherever_they_are_made(values, message):
    for make in (ModelConfig, functools.partial(dataclasses.replace, ModelConfig())):
        with pytest.raises(HodorError) as caught:
            make(**values)
        assert str(caught.value) == message


def test_values_that_dont_fit_together_name_the_latest_layer_that_gave_one(tmp_path):
    path = written(tmp_path, "INPUT: {MIN_DIM: 800, MAX_DIM: 900}\nMODEL: {NUM_ATTN_HEADS: 7}")
    with pytest.raises(HodorError) as caught:
        load_config(path, [("INPUT.MAX_DIM", "700"), ("MODEL.WIDTH", "224")])
    assert str(caught.value) == "--cfg.INPUT.MAX_DIM: INPUT.MAX_DIM must be at least INPUT.MIN_DIM = 800, not 700"
    assert "MODEL.NUM_ATTN_HEADS must be a divisor of MODEL.WIDTH = 256, not 7" in complaint(path)
    assert load_config(path, [("MODEL.WIDTH", "224")]).model.num_attn_heads == 7


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("TRAINING: {LR_SCHEDULER: poly, SEED: 3}", "TRAINING.LR_SCHEDULER must be none, warmup or step, not 'poly'"),
        ("TRAINING: {MODE: 5}", "TRAINING.MODE must be static_image, sparse_video or dense_video, not 5"),
        ("TRAINING: {LOSS_WEIGHTS: {DICE: 0, CROSS_ENTROPY: 0}}", "DICE and CROSS_ENTROPY can't both be 0"),
        ("TRAINING: {AUGMENTATIONS: {STATIC: {FLIP_SHARE: 2}}}", "TRAINING.AUGMENTATIONS.STATIC.FLIP_SHARE must be 0..1"),
        ("DATA: {DATASETS: {a: b}}", "DATA.DATASETS.a must be a number, not 'b'"),
        ("INPUT: {MAX_IMAGE_AREA: 0}", "INPUT.MAX_IMAGE_AREA must be at least 1024, not 0"),
    ],
)
def test_what_only_training_refuses_does_not_stop_inference(text, said, tmp_path, caplog):
    path = written(tmp_path, f"MODEL: {{WIDTH: 64}}\n{text}")
    assert said in complaint(path)
    with caplog.at_level(logging.WARNING):
        config = load_config(path, warn_about_unknown=True)
    assert config == from_yaml(f"MODEL: {{WIDTH: 64}}\nTRAINING: {{SEED: {config.training.seed}}}", "here")
    assert said in caplog.text and len(caplog.records) == 1
    with pytest.raises(HodorError, match=r"^--cfg.TRAINING.SEED: TRAINING.SEED must be at least 0, not -1"):
        load_config(path, [("TRAINING.SEED", "-1")], warn_about_unknown=True)


def test_original_files_with_shares_that_dont_sum_to_1_load_silently(caplog):
    config = from_yaml("DATA: {SPARSE_VIDEO_SPLIT: {YOUTUBE_VOS: 0.4, DAVIS: 0.1}}", "here")
    assert config.data.sparse_video_split.davis == 0.1 and not caplog.records


@pytest.mark.parametrize("text", ["MODEL: {WIDTH: 100}", "MODEL: {BACKBONE: 5}", "INPUT: {MIN_DIM: 0}", "INPUT: {MAX_DIM: 9}"])
def test_what_inference_needs_is_refused_in_files_of_others_too(text, tmp_path):
    assert "must be" in complaint(written(tmp_path, text), warn_about_unknown=True)


def test_settings_for_inference():
    assert (Config().inference.temporal_window, Config().inference.permanent_reference) == (7, False)
    config = from_yaml("INFERENCE: {TEMPORAL_WINDOW: 3, PERMANENT_REFERENCE: true}", "here")
    assert (config.inference.temporal_window, config.inference.permanent_reference) == (3, True)
    with pytest.raises(HodorError, match=r"^here: INFERENCE.TEMPORAL_WINDOW must be at least 1, not 0"):
        from_yaml("INFERENCE: {TEMPORAL_WINDOW: 0}", "here")


def aliases(value, count, merged=False):
    """Nested aliases that stand for count^30 times a value."""
    lines = [f"A0: &a0 {value}"]
    for depth in range(1, 30):
        inner = ", ".join([f"*a{depth - 1}"] * count)
        lines.append(f"A{depth}: &a{depth} {{<<: [{inner}], B{depth}: 1}}" if merged else f"A{depth}: &a{depth} [{inner}]")
    return "\n".join(lines) + "\n"


LARGE = "0x" + 6000 * "f"
HOSTILE = {
    "aliases below BASE": (aliases("[x, x]", 9) + "BASE: *a29", "BASE must be the name of a file, not [[["),
    "merged aliases": (aliases("{B: 1}", 9, merged=True) + "MODEL: {WIDTH: *a29}", "MODEL.WIDTH must be"),
    "more merged than a mapping holds": (
        "A: {<<: [" + ", ".join(f"{{{', '.join(f'K{kind}{k}: 1' for k in range(200))}}}" for kind in range(2)) + "]}",
        "not valid YAML (a list or mapping with more than 256 entries)",
    ),
    "a device": ("BASE: /dev/zero", "/dev/zero: not a regular file"),
    "a folder": ("BASE: .", ": not a regular file"),
    "a pipe": ("BASE: pipe", "pipe: not a regular file"),
    "a NUL": ('BASE: "a\\0b"', r"BASE must be the name of a file, not 'a\x00b'"),
    "two lines": ('BASE: "a\\nb"', r"BASE must be the name of a file, not 'a\nb'"),
    "a long name": (f"BASE: {'a' * 5000}", "aaa...: File name too long"),
    "a large number": (
        f"MODEL: {{WIDTH: {LARGE}}}",
        "MODEL.WIDTH must be a multiple of 32 up to 4096, not a number of thousands",
    ),
    "a large number in a list": (f"INPUT: {{IMAGE_MEAN: [1, 2, {LARGE}]}}", "INPUT.IMAGE_MEAN must be a number"),
    "a large number as a name": (f"DATA:\n  DATASETS:\n    ? {LARGE}\n    : 1", "a name in DATA.DATASETS must be a text"),
    "a long name of a data set": (f"DATA:\n  DATASETS:\n    ? {'a' * 30000}\n    : b", "... must be a number, not 'b'"),
    "a large number as a key": (f"? {LARGE}\n: 1", "unknown key a number of thousands of digits"),
    "a long key": (f"? {'K' * 30000}\n: 1", "unknown key KKK"),
    "a large file": ("#" * 2_000_000, "not valid YAML for a configuration (more than 64 KiB)"),
    "many keys": ("\n".join(f"K{k}: 1" for k in range(6000)), "not valid YAML (a list or mapping with more than 256 entries)"),
    "a long tag": (f"A: !{'x' * 5000} 1", "not valid YAML"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_files_end_in_a_short_line(case, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    text, expected = HOSTILE[case]
    path = written(tmp_path, text)
    if "unknown" not in expected and "DATA" not in text:  # of which files of others may have any
        assert expected in complaint(path, warn_about_unknown=True)
    if "aliases" not in case:  # whose own keys are complained about first
        assert expected in complaint(path)


def test_a_missing_base_names_the_file_that_wants_it(tmp_path):
    path = written(tmp_path, "BASE: none.yaml")
    assert complaint(path) == f"{tmp_path / 'none.yaml'}: no such file, which {path} names as its BASE"


def test_input_sizes_have_bounds():
    for values in ({"min_dim": 10**9}, {"max_dim": 10**9}, {"min_dim": -1}, {"max_image_area": 10}):
        with pytest.raises(HodorError, match=r"^INPUT\.\w+ must be"):
            InputConfig(**values)

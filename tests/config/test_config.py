import copy
import dataclasses
import logging
import pickle
from pathlib import Path

import pytest
import yaml

from hodor.config import Config, ModelConfig, load_config, to_yaml
from hodor.config.layering import from_yaml
from hodor.errors import HodorError

CONFIGS = Path(__file__).parents[2] / "configs"


def keys(mapping, prefix=""):
    for key, value in mapping.items():
        yield f"{prefix}{key}"
        if isinstance(value, dict):
            yield from keys(value, f"{prefix}{key}.")


def written(folder, text):
    path = folder / "my.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def complaint(path, *overrides, **kwargs):
    with pytest.raises(HodorError) as caught:
        load_config(path, overrides, **kwargs)
    message = str(caught.value)
    assert "\n" not in message and len(message) < 1000
    return message


def test_the_default_file_lists_every_key_with_its_default():
    path = CONFIGS / "default.yaml"
    assert load_config(path) == Config()
    assert list(keys(yaml.safe_load(path.read_text()))) == list(keys(yaml.safe_load(to_yaml(Config()))))


def test_defaults_are_those_of_the_original():
    config = Config()
    assert config.input.image_mean == (0.406, 0.456, 0.485) and config.input.image_std == (0.225, 0.224, 0.229)
    assert config.input.normalize_to_unit_scale and config.input.rgb_input
    assert (config.input.min_dim, config.input.max_dim, config.input.max_image_area) == (448, 768, 300000)
    assert config.input.num_query_frames == -1
    model = config.model
    assert (model.encoder_layers, model.decoder_layers, model.num_attn_heads) == (5, 5, 8)
    assert (model.num_bg_descriptors, model.num_catch_all_queries) == (9, 1)
    assert (model.transformer_pre_normalize, model.pos_encodings_in_fmq, model.pos_encodings_in_fqm) == (False, True, True)
    training = config.training
    assert (training.num_instances, training.num_other_frames, training.base_lr) == (4, 0, 1e-4)
    assert (training.total_iterations, training.batch_size, training.lr_scheduler) == (300000, 8, "step")
    assert (training.accumulate_gradients, training.detach_intermediate_masks) == (True, True)
    assert (training.intermediate_frame_gt_available, training.apply_loss_on_intermediate_frames) == (True, True)
    assert (training.min_clip_delta, training.max_clip_delta) == (1, 10)
    assert (training.min_ref_mask_area, training.min_ref_mask_dim) == (5000, 100)
    warmup, step = training.lr_schedulers.warmup, training.lr_schedulers.step
    assert (warmup.warmup_iters, warmup.warmup_lr_init) == (10000, 1e-7)
    assert (step.warmup_iters, step.warmup_lr_init) == (10000, 5e-7)
    assert (step.steps, step.decay_rates) == ((100000, 160000), (0.1, 0.1))
    dense, sparse = config.data.dense_video_split, config.data.sparse_video_split
    assert (dense.ytvos, dense.davis, sparse.youtube_vos, sparse.davis) == (0.8, 0.2, 0.8, 0.2)


def test_the_static_recipe():
    config = load_config(CONFIGS / "static.yaml")
    assert config.input.image_mean == (103.53, 116.28, 123.675) and config.input.image_std == (57.375, 57.12, 58.395)
    assert not config.input.normalize_to_unit_scale
    assert (config.input.min_dim, config.input.max_dim, config.input.max_image_area) == (448, 864, 300000)
    assert config.model == dataclasses.replace(Config().model, pos_encodings_in_fmq=False)
    training = config.training
    assert (training.num_other_frames, training.min_ref_mask_area, training.min_ref_mask_dim) == (2, 2000, 20)
    assert training.mode == "static_image"


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.name)
def test_every_recipe_loads_and_survives_a_round_trip(path):
    config = load_config(path)
    assert from_yaml(to_yaml(config), "here") == config


def test_layers_the_file_over_the_defaults_and_overrides_over_the_file(tmp_path):
    path = written(tmp_path, "MODEL: {WIDTH: 64, DROPOUT: 0.2}\nTRAINING: {LR_SCHEDULERS: {STEP: {STEPS: [5]}}}\n")
    config = load_config(
        path, [("MODEL.WIDTH", "96"), ("TRAINING.LR_SCHEDULERS.STEP.DECAY_RATES", "[0.5, 1]"), ("MODEL.WIDTH", "128")]
    )
    assert (config.model.width, config.model.dropout, config.model.encoder_layers) == (128, 0.2, 5)
    step = config.training.lr_schedulers.step
    assert (step.steps, step.decay_rates, step.warmup_iters) == ((5,), (0.5, 1.0), 10000)
    assert config.training.lr_schedulers.warmup == Config().training.lr_schedulers.warmup
    assert config.input == Config().input


OVERRIDES = [
    ("TRAINING.BASE_LR", "1e-5", 1e-5),
    ("TRAINING.BASE_LR", "1", 1.0),
    ("TRAINING.BASE_LR", "2E+3", 2000.0),
    ("TRAINING.BASE_LR", ".5", 0.5),
    ("TRAINING.BATCH_SIZE", "16", 16),
    ("INPUT.NUM_QUERY_FRAMES", "-3", -3),
    ("MODEL.DESCRIPTOR_INTERACTION", "false", False),
    ("MODEL.BACKBONE", "swin_small", "swin_small"),
    ("MODEL.BACKBONE", "'1'", "1"),
    ("INPUT.IMAGE_MEAN", "[1, 2.5, 3e1]", (1.0, 2.5, 30.0)),
    ("TRAINING.LR_SCHEDULERS.STEP.STEPS", "[]", ()),
    ("TRAINING.AUGMENTATIONS.COLOR", "no", False),
    ("DATA.DENSE_VIDEO_SPLIT.DAVIS", "0.25", 0.25),
]


@pytest.mark.parametrize(("key", "text", "expected"), OVERRIDES)
def test_overrides(key, text, expected, tmp_path):
    value = load_config(written(tmp_path, ""), [(key, text)])
    for part in key.split("."):
        value = getattr(value, part.lower())
    assert value == expected and type(value) is type(expected)
    if isinstance(expected, tuple):
        assert all(type(item) is float for item in value)


def test_a_whole_section_can_be_overridden(tmp_path):
    config = load_config(written(tmp_path, "MODEL: {WIDTH: 64}"), [("MODEL", "{DROPOUT: 0}")])
    assert (config.model.width, config.model.dropout) == (64, 0.0)


BAD_VALUES = [
    ("MODEL.ENCODER_LAYERS", "2.0", "a whole number, not 2.0"),
    ("MODEL.ENCODER_LAYERS", "true", "a whole number, not True"),
    ("MODEL.ENCODER_LAYERS", "five", "a whole number, not 'five'"),
    ("MODEL.ENCODER_LAYERS", "", "a whole number, not None"),
    ("MODEL.DROPOUT", "yes", "a number, not True"),
    ("MODEL.DROPOUT", "a lot", "a number, not 'a lot'"),
    ("MODEL.DROPOUT", ".nan", "a number, not nan"),
    ("MODEL.DROPOUT", "-.inf", "a number, not -inf"),
    ("MODEL.DROPOUT", "1" + 400 * "0", "a number, not 1"),
    ("MODEL.DESCRIPTOR_INTERACTION", "1", "true or false, not 1"),
    ("MODEL.DESCRIPTOR_INTERACTION", "'true'", "true or false, not 'true'"),
    ("MODEL.BACKBONE", "5", "a text, not 5"),
    ("INPUT.IMAGE_MEAN", "5", "a list of numbers, not 5"),
    ("INPUT.IMAGE_MEAN", "[1, x, 3]", "a number, not 'x'"),
    ("TRAINING.LR_SCHEDULERS.STEP.STEPS", "[1.5]", "a whole number, not 1.5"),
    ("TRAINING.LR_SCHEDULERS.STEP.STEPS", "[true]", "a whole number, not True"),
    ("TRAINING.LR_SCHEDULERS.STEP", "5", "a mapping of keys, not 5"),
    ("MODEL", "[1]", r"a mapping of keys, not [1]"),
]


@pytest.mark.parametrize(("key", "text", "expected"), BAD_VALUES)
def test_wrong_types_name_the_source_and_the_key(key, text, expected, tmp_path):
    assert complaint(written(tmp_path, ""), (key, text)).startswith(f"--cfg.{key}: {key} must be {expected}")
    nested = text
    for part in reversed(key.split(".")):
        nested = f"{{{part}: {nested}}}"
    path = written(tmp_path, nested)
    assert complaint(path).startswith(f"{path}: {key} must be {expected}")


UNKNOWN = [
    ("MODEL: {ENCODER_LAYER: 5}", "MODEL.ENCODER_LAYER", "MODEL.ENCODER_LAYERS"),
    ("DATA: {SPARSE_VIDEO_DPLIT: {DAVIS: 1}}", "DATA.SPARSE_VIDEO_DPLIT", "DATA.SPARSE_VIDEO_SPLIT"),
    ("TRAINING: {LR_SCHEDULERS: {STEP: {STEP: [1]}}}", "TRAINING.LR_SCHEDULERS.STEP.STEP", "TRAINING.LR_SCHEDULERS.STEP.STEPS"),
    ("TRAINNG: {}", "TRAINNG", "TRAINING"),
    ("model: {}", "model", "MODEL"),
    ("MODEL: {Width: 5}", "MODEL.Width", "MODEL.WIDTH"),
]


@pytest.mark.parametrize(("text", "key", "nearest"), UNKNOWN)
def test_unknown_keys_name_file_key_and_the_nearest_valid_key(text, key, nearest, tmp_path, caplog):
    path = written(tmp_path, text)
    expected = f"{path}: unknown key {key}"
    assert complaint(path) == f"{expected}; did you mean {nearest}?"
    with caplog.at_level(logging.WARNING):
        assert load_config(path, warn_about_unknown=True) == Config()
    assert [record.getMessage() for record in caplog.records] == [f"{expected} is ignored; did you mean {nearest}?"]


@pytest.mark.parametrize(
    ("key", "nearest"),
    [("MODEL.WIDHT", "MODEL.WIDTH"), ("WIDTH", "MODEL.WIDTH"), ("MODEL.", "MODEL"), ("", ""), ("MODEL.WIDTH.A", "")],
)
def test_unknown_keys_of_overrides_are_errors_even_where_those_of_files_are_not(key, nearest, tmp_path):
    message = complaint(written(tmp_path, "OLD: 1"), (key, "5"), warn_about_unknown=True)
    assert message.startswith(f"--cfg.{key}: ") and nearest in message


@pytest.mark.parametrize(
    "text", ["5: {}", "? [1, 2]\n: 3", "null: 1", '"A\\nB": 1', "MODEL: {true: 1}", "a: &a {<<: *a}", "&a [*a]"]
)
def test_odd_keys(text, tmp_path):
    path = written(tmp_path, text)
    assert str(path) in complaint(path)


@pytest.mark.parametrize(
    "text",
    [
        "MODEL: [1, 2",
        "MODEL:\n\t- a",
        "a: b: c",
        "MODEL: !!python/object/apply:os.system ['true']",
        "MODEL: !!int ''",
        "A: 2020-99-99",
        "*missing",
        "[" * 100000,
        "{a: " * 5000,
        "- " * 100000,
        "MODEL: {WIDTH: " + "9" * 5000 + "}",
        b"MODEL: \x00",
        b"\xff\xfe\xfa binary",
    ],
    ids=lambda text: repr(text[:20]),
)
def test_broken_files(text, tmp_path):
    path = written(tmp_path, text)
    message = complaint(path)
    assert message.startswith(f"{path}: not ")
    if isinstance(text, str):
        assert complaint(written(tmp_path, ""), ("MODEL.WIDTH", text)).startswith("--cfg.MODEL.WIDTH: not valid YAML")
        with pytest.raises(HodorError, match=r"^here: not valid YAML"):
            from_yaml(text, "here")


def test_files_are_read_whole_or_not_at_all_whatever_their_letters_take(tmp_path):
    comment = "#" + "ä" * 40_000 + "\n"  # fewer characters than a file may have, in more bytes
    assert load_config(written(tmp_path, comment + "TRAINING: {SEED: 5}")).training.seed == 5
    assert "more than 64 KiB" in complaint(written(tmp_path, "#" + "ä" * 70_000))
    assert "not a text file in UTF-8" in complaint(written(tmp_path, "TRAINING: {}  # ä".encode("latin-1")))


@pytest.mark.parametrize("text", ["- 1\n- 2", "just words", "5", "MODEL: 5", "MODEL:"])
def test_what_is_no_mapping(text, tmp_path):
    path = written(tmp_path, text)
    assert complaint(path).startswith(f"{path}: ") and "must be a mapping of keys" in complaint(path)


def test_a_value_that_unfolds_endlessly_is_shown_short(tmp_path):
    lines = ["A0: &a0 [x, x]"] + [f"A{k}: &a{k} [*a{k - 1}, *a{k - 1}, *a{k - 1}]" for k in range(1, 40)]
    path = written(tmp_path, "\n".join([*lines, "MODEL: {WIDTH: *a39}"]))
    assert "MODEL.WIDTH must be a whole number" in complaint(path, warn_about_unknown=True)


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "{}", "\ufeffMODEL: {}"])
def test_empty_files_are_the_defaults(text, tmp_path):
    assert load_config(written(tmp_path, text)) == Config()


def test_missing_file(tmp_path):
    assert complaint(tmp_path / "no.yaml") == f"{tmp_path / 'no.yaml'}: no such file"


def test_yaml_has_every_key_once_in_upper_case():
    text = to_yaml(Config())
    listed = list(keys(yaml.safe_load(text)))
    assert listed[0] == "INPUT" and len(set(listed)) == len(listed) > 50
    assert all(key == key.upper() for key in listed)


def test_a_round_trip_keeps_every_value_and_type():
    config = Config()
    config = dataclasses.replace(
        config,
        input=dataclasses.replace(config.input, image_mean=(1 / 3, 1e-7, 123.675), min_dim=1),
        model=dataclasses.replace(config.model, backbone="1e5", pretrained_backbone="no", dropout=1e-30),
        training=dataclasses.replace(
            config.training,
            base_lr=3e22,
            lr_scheduler="none",
            cycles=(("[0]->0", "null"), ("1e5",)),
            validation=dataclasses.replace(config.training.validation, dataset="ünïcode: # 'x'", ground_truth="null"),
        ),
    )
    assert from_yaml(to_yaml(config), "here") == config


def test_configurations_are_values():
    config = Config()
    assert hash(config) == hash(Config()) and config == Config()
    for twin in (pickle.loads(pickle.dumps(config)), copy.deepcopy(config), copy.copy(config)):
        assert twin == config and hash(twin) == hash(config)
    changed = dataclasses.replace(config, model=dataclasses.replace(config.model, width=64))
    assert changed != config and changed.model.width == 64 and config.model.width == 256
    for section in (config, config.model, config.training.lr_schedulers.step):
        with pytest.raises(dataclasses.FrozenInstanceError):
            section.anything = 1
    assert not hasattr(config, "missing")


def test_a_file_for_the_original_has_only_keys_that_it_knows():
    content = yaml.safe_load(to_yaml(Config(), for_original=True))
    assert list(content["MODEL"]) == [
        "TRANSFORMER_PRE_NORMALIZE",
        "ENCODER_LAYERS",
        "DECODER_LAYERS",
        "NUM_ATTN_HEADS",
        "NUM_BG_DESCRIPTORS",
        "NUM_CATCH_ALL_QUERIES",
        "POS_ENCODINGS_IN_FMQ",
        "POS_ENCODINGS_IN_FQM",
    ]
    assert content["TRAINING"]["AUGMENTATIONS"] == {"COLOR": True, "CROPPING": True, "VIDEO_GEOMETRIC": True}
    assert list(content["DATA"]) == ["DENSE_VIDEO_SPLIT", "SPARSE_VIDEO_SPLIT"]
    training = {
        "MODE",
        "NUM_INSTANCES",
        "NUM_OTHER_FRAMES",
        "BASE_LR",
        "TOTAL_ITERATIONS",
        "BATCH_SIZE",
        "ACCUMULATE_GRADIENTS",
    }
    training |= {"DETACH_INTERMEDIATE_MASKS", "MIN_CLIP_DELTA", "MAX_CLIP_DELTA", "MIN_REF_MASK_AREA", "MIN_REF_MASK_DIM"}
    training |= {"INTERMEDIATE_FRAME_GT_AVAILABLE", "APPLY_LOSS_ON_INTERMEDIATE_FRAMES", "AUGMENTATIONS", "LR_SCHEDULER"}
    assert set(content["TRAINING"]) == training | {"LR_SCHEDULERS"}
    changed = dataclasses.replace(Config(), model=ModelConfig(width=64))
    assert yaml.safe_load(to_yaml(changed, for_original=True))["MODEL"]["WIDTH"] == 64

"""Every key of MODEL acts."""

import dataclasses

import pytest
import torch
from support.small_models import outline, small_config

from hodor.config import Config, ModelConfig
from hodor.errors import HodorError
from hodor.modelling.build import build_model
from hodor.modelling.kernels.deformable_convolution import DeformableConvolution

ACTIONS = {
    "transformer_pre_normalize": (True, lambda m: m.encoder.layers[0].pre_norm and m.decoder.layers[0].pre_norm),
    "encoder_layers": (3, lambda m: len(m.encoder.layers) == 3 and len(m.decoder.layers) == 1),
    "decoder_layers": (3, lambda m: len(m.decoder.layers) == 3 and len(m.encoder.layers) == 1),
    "num_attn_heads": (
        8,
        lambda m: (
            m.encoder.layers[0].self_attention.num_heads
            == m.encoder.layers[0].masked_attention.num_heads
            == m.decoder.layers[0].attention.num_heads
            == 8
        ),
    ),
    "num_bg_descriptors": (12, lambda m: m.num_background == 12 and m.num_background_channels == 13),
    "num_catch_all_queries": (0, lambda m: m.decoder.catch_all is None and m.num_background_channels == 9),
    "pos_encodings_in_fmq": (True, lambda m: m.encoder.position_encoding),
    "pos_encodings_in_fqm": (False, lambda m: not m.decoder.position_encoding),
    "backbone": ("swin_base", lambda m: m.feature_extractor.backbone.out_channels == (128, 256, 512, 1024)),
    "width": (64, lambda m: m.encoder.object_embedding.shape == (64,) and m.decoder.object_projection.in_features == 64),
    "attention_masking": ("hard", lambda m: m.encoder.layers[0].masked_attention.masking == "hard"),
    "descriptor_interaction": (False, lambda m: not m.encoder.layers[0].interaction),
    "deformable_convolutions": (False, lambda m: isinstance(m.decoder.layers[0].convolution, torch.nn.Conv2d)),
    "dropout": (
        0.3,
        lambda m: (
            {part.p for part in (*m.encoder.modules(), *m.decoder.modules()) if isinstance(part, torch.nn.Dropout)} == {0.3}
        ),
    ),
    "dropout_on_attention_logits": (False, lambda m: not m.decoder.layers[0].attention.logit_dropout),
}


@pytest.mark.parametrize("key", ACTIONS)
def test_each_key_acts(key):
    value, acts = ACTIONS[key]
    assert acts(outline(**{key: value}))
    assert not acts(outline())


def test_no_key_is_forgotten():
    without_effect_here = {"pretrained_backbone", "frozen_batch_norm"}  # the latter acts on timm's models
    assert {field.name for field in dataclasses.fields(ModelConfig)} - without_effect_here == ACTIONS.keys()


def test_the_default_is_the_papers_model():
    with torch.device("meta"):
        model = build_model(Config())
    count = {name: sum(p.numel() for p in part.parameters()) / 1e6 for name, part in model.named_children()}
    backbone = sum(p.numel() for p in model.feature_extractor.backbone.parameters()) / 1e6
    assert backbone == pytest.approx(27.52, abs=0.005)
    assert count["encoder"] == pytest.approx(5.27, abs=0.005)
    assert isinstance(model.decoder.layers[0].convolution, DeformableConvolution)
    assert len(model.encoder.layers) == len(model.decoder.layers) == 5
    assert model.encoder.layers[0].masked_attention.alpha.shape == (8,)


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("WIDTH", 100, "a multiple of 32"),
        ("WIDTH", 0, "a multiple of 32"),
        ("WIDTH", -32, "a multiple of 32"),
        ("NUM_ATTN_HEADS", 3, "a divisor of MODEL.WIDTH = 32"),
        ("NUM_ATTN_HEADS", 0, "a divisor of MODEL.WIDTH = 32"),
        ("NUM_ATTN_HEADS", -4, "a divisor of MODEL.WIDTH = 32"),
        ("ENCODER_LAYERS", 0, "at least 1"),
        ("DECODER_LAYERS", -1, "at least 1"),
        ("NUM_BG_DESCRIPTORS", 3, "one of 1, 2, 4, 9, 12, 16"),
        ("NUM_BG_DESCRIPTORS", 0, "one of 1, 2, 4, 9, 12, 16"),
        ("NUM_CATCH_ALL_QUERIES", 2, "0 or 1"),
        ("ATTENTION_MASKING", "soft", "one of none, hard, soft_fixed, soft_learnable"),
        ("DROPOUT", 1.0, r"in \[0, 1\)"),
        ("DROPOUT", -0.1, r"in \[0, 1\)"),
        ("DROPOUT", float("nan"), "a number"),
    ],
)
def test_values_out_of_range_name_the_key(key, value, allowed):
    with pytest.raises(HodorError, match=rf"^MODEL\.{key} must be .*{allowed}.*, not {value!r}$"):
        outline(**{key.lower(): value})


@pytest.mark.parametrize(
    ("key", "value"),
    [("image_mean", (1.0, 2.0)), ("image_std", (1.0,) * 4), ("image_std", (1.0, 0.0, 1.0)), ("image_std", (1.0, 1.0, -1.0))],
)
def test_image_statistics_must_be_three_numbers(key, value):
    config = small_config()
    with pytest.raises(HodorError, match=rf"^INPUT\.{key.upper()} must be three numbers"):
        build_model(dataclasses.replace(config, input=dataclasses.replace(config.input, **{key: value})))

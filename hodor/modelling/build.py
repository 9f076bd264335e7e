"""From a configuration to a network. The only place of this folder that reads the configuration."""

from typing import get_args

from hodor.config import Config
from hodor.errors import HodorError
from hodor.modelling.decoder import Decoder
from hodor.modelling.encoder import Encoder
from hodor.modelling.features import FeatureExtractor
from hodor.modelling.model import HODOR
from hodor.modelling.soft_masked_attention import Masking
from hodor.modelling.soft_masks import BACKGROUND_GRIDS
from hodor.modelling.swin import SWIN_SIZES, SwinTransformer
from hodor.modelling.timm_backbone import TimmBackbone

_CHANNELS = 3
_MAX_WIDTH = 4096


def build_model(config: Config) -> HODOR:
    """A freshly initialised network.

    Raises:
        HodorError: a value is out of its range; the message names the key.
    """
    check_model_config(config)
    model = config.model
    backbone = _build_backbone(model.backbone, model.frozen_batch_norm)
    encoder = Encoder(
        model.width,
        model.num_attn_heads,
        model.encoder_layers,
        model.num_bg_descriptors,
        dropout=model.dropout,
        pre_norm=model.transformer_pre_normalize,
        masking=model.attention_masking,  # type: ignore[arg-type]
        interaction=model.descriptor_interaction,
        position_encoding=model.pos_encodings_in_fmq,
    )
    decoder = Decoder(
        model.width,
        model.num_attn_heads,
        model.decoder_layers,
        model.num_bg_descriptors,
        dropout=model.dropout,
        pre_norm=model.transformer_pre_normalize,
        deformable=model.deformable_convolutions,
        position_encoding=model.pos_encodings_in_fqm,
        catch_all=model.num_catch_all_queries == 1,
        logit_dropout=model.dropout_on_attention_logits,
    )
    scale = 255.0 if config.input.normalize_to_unit_scale else 1.0
    return HODOR(
        FeatureExtractor(backbone, backbone.out_channels, model.width),
        encoder,
        decoder,
        image_mean=[value * scale for value in reversed(config.input.image_mean)],
        image_std=[value * scale for value in reversed(config.input.image_std)],
        channel_order="rgb" if config.input.rgb_input else "bgr",
    )


def _build_backbone(name: str, frozen_batch_norm: bool) -> SwinTransformer | TimmBackbone:
    if name in SWIN_SIZES:
        size = SWIN_SIZES[name]
        return SwinTransformer(size.embed_dim, size.depths, size.num_heads, size.drop_path)
    try:
        return TimmBackbone(name, frozen_batch_norm=frozen_batch_norm)
    except ValueError as error:
        raise HodorError(f"MODEL.BACKBONE must be one of {', '.join(SWIN_SIZES)}, or a model of timm: {error}") from None


def check_model_config(config: Config) -> None:
    """Checks the ranges of what `build_model` reads.

    Raises:
        HodorError: naming the key, its value and what it may be.
    """
    model = config.model
    _require(
        0 < model.width <= _MAX_WIDTH and model.width % 32 == 0, "WIDTH", model.width, f"a multiple of 32 up to {_MAX_WIDTH}"
    )
    _require(
        model.num_attn_heads > 0 and model.width % max(model.num_attn_heads, 1) == 0,
        "NUM_ATTN_HEADS",
        model.num_attn_heads,
        f"a divisor of MODEL.WIDTH = {model.width}",
    )
    _require(model.encoder_layers > 0, "ENCODER_LAYERS", model.encoder_layers, "at least 1")
    _require(model.decoder_layers > 0, "DECODER_LAYERS", model.decoder_layers, "at least 1")
    grids = ", ".join(map(str, BACKGROUND_GRIDS))
    _require(model.num_bg_descriptors in BACKGROUND_GRIDS, "NUM_BG_DESCRIPTORS", model.num_bg_descriptors, f"one of {grids}")
    _require(model.num_catch_all_queries in (0, 1), "NUM_CATCH_ALL_QUERIES", model.num_catch_all_queries, "0 or 1")
    maskings = get_args(Masking)
    _require(model.attention_masking in maskings, "ATTENTION_MASKING", model.attention_masking, f"one of {', '.join(maskings)}")
    _require(0 <= model.dropout < 1, "DROPOUT", model.dropout, "in [0, 1)")
    for key, values in (("IMAGE_MEAN", config.input.image_mean), ("IMAGE_STD", config.input.image_std)):
        if len(values) != _CHANNELS or (key == "IMAGE_STD" and min(values) <= 0):
            raise HodorError(f"INPUT.{key} must be three numbers (B, G, R; a deviation above 0), not {list(values)}")


def _require(holds: bool, key: str, value: object, allowed: str) -> None:
    if not holds:
        raise HodorError(f"MODEL.{key} must be {allowed}, not {value!r}")

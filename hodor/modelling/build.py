"""From a configuration to a network. The only place of this folder that reads the configuration."""

from hodor.config import Config
from hodor.errors import HodorError
from hodor.modelling.decoder import Decoder
from hodor.modelling.encoder import Encoder
from hodor.modelling.features import FeatureExtractor
from hodor.modelling.model import HODOR
from hodor.modelling.swin import SWIN_SIZES, SwinTransformer
from hodor.modelling.timm_backbone import TimmBackbone


def build_model(config: Config) -> HODOR:
    """A freshly initialised network.

    Raises:
        HodorError: timm has no such backbone.
    """
    model = config.model
    backbone = _build_backbone(model.backbone, model.frozen_batch_norm)
    encoder = Encoder(
        model.width,
        model.num_attn_heads,
        model.encoder_layers,
        model.num_bg_descriptors,
        dropout=model.dropout,
        pre_norm=model.transformer_pre_normalize,
        masking=model.attention_masking,
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
        return SwinTransformer(*SWIN_SIZES[name])
    try:
        return TimmBackbone(name, frozen_batch_norm=frozen_batch_norm)
    except ValueError as error:
        raise HodorError(f"MODEL.BACKBONE must be one of {', '.join(SWIN_SIZES)}, or a model of timm: {error}") from None

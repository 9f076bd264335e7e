"""From a configuration to a network."""

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
    backbone = _build_backbone(config.model.backbone, config.model.frozen_batch_norm)
    encoder, decoder = Encoder(config.model), Decoder(config.model)  # a seed means this order
    scale = 255.0 if config.input.normalize_to_unit_scale else 1.0
    return HODOR(
        FeatureExtractor(backbone, backbone.out_channels, config.model.width),
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

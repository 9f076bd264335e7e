"""Small networks whose every weight matters."""

import dataclasses
from typing import TypeVar

import torch
from torch import nn

from hodor.config import Config, ModelConfig
from hodor.modelling.build import build_model
from hodor.modelling.features import FeatureExtractor
from hodor.modelling.model import HODOR
from hodor.modelling.swin import SwinTransformer
from support.goldens import STATIC_RECIPE

WIDTH = 32
Module = TypeVar("Module", bound=nn.Module)


def small_config(**model: object) -> Config:
    """The static recipe with a narrow, shallow encoder and decoder; the backbone is of full size."""
    settings = {"width": WIDTH, "num_attn_heads": 4, "encoder_layers": 1, "decoder_layers": 1, "pos_encodings_in_fmq": False}
    return dataclasses.replace(STATIC_RECIPE, model=ModelConfig(**(settings | model)))  # type: ignore[arg-type]


def outline(**model: object) -> HODOR:
    """A network of `small_config` without values, which is built at once."""
    with torch.device("meta"):
        return build_model(small_config(**model))


def small_model(seed: int = 0, **model: object) -> HODOR:
    """A network of `small_config` (not "soft_fixed") on a tiny Swin, randomised, in evaluation mode."""
    built = outline(**model)
    assert not list(built.encoder.buffers()) and not list(built.decoder.buffers())
    backbone = SwinTransformer(16, (2, 2, 2, 2), (1, 2, 4, 8), 0.2)
    extractor = FeatureExtractor(backbone, backbone.out_channels, WIDTH)
    return randomised(HODOR(extractor, built.encoder.to_empty(device="cpu"), built.decoder.to_empty(device="cpu")), seed).eval()


def randomised(module: Module, seed: int = 0) -> Module:
    """Gives every parameter random values of ordinary size, norms and biases too; attention stays soft."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if name.endswith("alpha"):
                parameter.copy_(2 + noise)
            elif parameter.dim() > 1 and not name.endswith(("embedding", "position_bias")):
                parameter.copy_(noise * parameter[0].numel() ** -0.5)
            else:
                parameter.copy_(("norm" in name and name.endswith("weight")) + 0.3 * noise)
    return module

"""The page to read first: images and masks -> features -> descriptors -> masks in other images.

features = model.extract_features(model.prepare(images))
descriptors = model.describe_given(features, masks)
logits = model.segment(other_features, DescribedFrames.of([descriptors]))
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F

from hodor.modelling.decoder import Decoder
from hodor.modelling.descriptors import DescribedFrames, Descriptors
from hodor.modelling.encoder import Encoder
from hodor.modelling.features import FeatureExtractor, Features
from hodor.modelling.soft_masks import (
    background_of_given_masks,
    background_of_predicted_masks,
    object_probabilities,
    shrink,
    shrink_keeping_small,
)

STRIDE = 32
"""Sides of the padded input are multiples of this."""

IMAGE_MEAN = (123.675, 116.28, 103.53)
IMAGE_STD = (58.395, 57.12, 57.375)


class HODOR(nn.Module):
    """High-level object descriptors for object re-segmentation (Athar et al., CVPR 2022). Stateless and differentiable."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(
        self,
        feature_extractor: FeatureExtractor,
        encoder: Encoder,
        decoder: Decoder,
        *,
        image_mean: Sequence[float] = IMAGE_MEAN,
        image_std: Sequence[float] = IMAGE_STD,
        channel_order: Literal["rgb", "bgr"] = "rgb",
    ) -> None:
        """Puts the three parts together.

        Mean and standard deviation are of the R, G and B channel, 0..255, whatever the order that the backbone wants to see.
        """
        super().__init__()
        self.feature_extractor = feature_extractor
        self.encoder = encoder
        self.decoder = decoder
        self.channel_order = channel_order
        self.register_buffer("mean", torch.tensor(image_mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(image_std).view(1, 3, 1, 1), persistent=False)

    @property
    def device(self) -> torch.device:
        return self.mean.device

    @property
    def num_background(self) -> int:
        """Number of background descriptors Qb."""
        return self.encoder.background_embedding.shape[0]

    @property
    def num_background_channels(self) -> int:
        """How many of the first channels of the logits mean "no object": the catch-all, if any, and Qb cells."""
        return self.decoder.num_background_channels

    def prepare(self, images: torch.Tensor) -> torch.Tensor:
        """Normalises images [B, 3, H, W], R, G, B in 0..255, and pads them at the right and the bottom with zeros.

        They become [B, 3, H', W'] in the model's precision, H' and W' the next multiples of 32.
        """
        normalised = ((images - self.mean) / self.std).to(self.mean.dtype)
        if self.channel_order == "bgr":
            normalised = normalised.flip(1)
        return pad(normalised)

    def extract_features(self, images: torch.Tensor) -> Features:
        """Prepared images [B, 3, H, W] -> features at strides 4 and 8."""
        return self.feature_extractor(images)

    def describe(self, features: Features, object_masks: torch.Tensor, background_masks: torch.Tensor) -> Descriptors:
        """Soft masks at stride 8, [B, I, H/8, W/8] and [B, Qb, H/8, W/8] in [0, 1] -> descriptors."""
        return self.encoder(features.stride_8, object_masks, background_masks)

    def describe_given(self, features: Features, masks: torch.Tensor, *, keep_small: bool = False) -> Descriptors:
        """Describes objects by true masks [B, I, H, W] of 0 and 1 at full size.

        With `keep_small` an object too small for stride 8 is described by one block, see `shrink_keeping_small`.
        """
        masks = masks.to(features.stride_8.dtype)
        background = background_of_given_masks(masks, self.num_background)
        if not keep_small:
            return self.describe(features, shrink(masks), background)
        shrunk, vanished = shrink_keeping_small(masks)
        blocks = (shrunk * vanished[..., None, None]).amax(dim=1, keepdim=True)
        return self.describe(features, shrunk, background * (1 - blocks))

    def describe_predicted(
        self,
        features: Features,
        logits: torch.Tensor,
        *,
        given: Mapping[int, torch.Tensor] | None = None,
        detach: bool = False,
    ) -> Descriptors:
        """Describes objects by the masks of predicted logits [B, K + I, H/4, W/4]; `detach` keeps gradients out of them.

        True masks that are given, {index of an object: [H, W] of 0 and 1}, count instead of the predicted ones.
        """
        logits = logits.detach() if detach else logits
        masks = object_probabilities(logits, self.num_background_channels, given)
        return self.describe(features, masks, background_of_predicted_masks(masks, self.num_background))

    def segment(self, features: Features, memory: DescribedFrames) -> torch.Tensor:
        """Finds objects of other frames in a frame: logits [B, K + I, H/4, W/4] of catch-all, background cells and objects."""
        return self.decoder(features, memory, self.encoder.embeddings)

    def forward(self, reference_images: torch.Tensor, masks: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        """The whole way: prepared images [B, 3, H, W] with masks [B, I, H, W], and others -> the others' logits."""
        described = self.describe_given(self.extract_features(reference_images), masks)
        return self.segment(self.extract_features(images), DescribedFrames.of([described]))


def pad(maps: torch.Tensor) -> torch.Tensor:
    """Pads [..., H, W] with zeros at the right and the bottom to multiples of 32."""
    return F.pad(maps, (0, -maps.shape[-1] % STRIDE, 0, -maps.shape[-2] % STRIDE))

"""The three functions of the network as modules of plain tensors, in operators that ONNX has."""

import copy
from typing import ClassVar

import torch
from timm.layers import Conv2dSame
from torch import nn
from torch.nn import functional as F

from hodor.modelling.descriptors import DescribedFrames, Descriptors
from hodor.modelling.features import Features
from hodor.modelling.kernels.deformable_convolution import DeformableConvolution
from hodor.modelling.model import HODOR
from hodor.modelling.soft_masked_attention import SoftMaskedAttention
from hodor.modelling.soft_masks import (
    background_of_given_masks,
    background_of_predicted_masks,
    shrink,
    shrink_keeping_small,
)

_TAPS = 9


class NetworkFunction(nn.Module):
    """What a network computes from plain tensors, whose names are those of the file's inputs."""

    outputs: ClassVar[list[str]]

    def __init__(self, model: HODOR) -> None:
        super().__init__()
        self.model = model


class ExtractFeatures(NetworkFunction):
    """Prepared images -> features."""

    outputs: ClassVar = ["stride_4", "stride_8"]

    def forward(self, image: torch.Tensor) -> Features:
        """[1, 3, H, W] -> [1, C, H/4, W/4] and [1, C, H/8, W/8]."""
        return self.model.extract_features(image)


class Describe(NetworkFunction):
    """Features and masks -> descriptors, of masks that are given and of those that were found."""

    outputs: ClassVar = ["objects", "background"]

    def forward(self, stride_8: torch.Tensor, masks: torch.Tensor, given: torch.Tensor) -> Descriptors:
        """Describes.

        Args:
            stride_8: features [1, C, H/8, W/8].
            masks: [1, I, H, W] in [0, 1].
            given: [I] bool, whose masks were not predicted; those of 0 and 1 that are too small for stride 8 keep one block.

        Returns:
            [1, I, C] and [1, Qb, C].
        """
        shrunk, vanished = shrink_keeping_small(masks)
        kept = (vanished & given)[..., None, None]
        objects = torch.where(kept, shrunk, shrink(masks))
        blocks = (shrunk * kept).amax(dim=1, keepdim=True)
        of_given = background_of_given_masks(masks, self.model.num_background) * (1 - blocks)
        of_predicted = background_of_predicted_masks(objects, self.model.num_background).clamp(min=0)
        return self.model.encoder(stride_8, objects, torch.where(given.all(), of_given, of_predicted))


class Segment(NetworkFunction):
    """Features of a frame and descriptors of others -> logits."""

    outputs: ClassVar = ["logits"]

    def forward(  # noqa: PLR0917 (inputs of ONNX have an order)
        self,
        stride_4: torch.Tensor,
        stride_8: torch.Tensor,
        objects: torch.Tensor,
        background: torch.Tensor,
        objects_absent: torch.Tensor,
        background_absent: torch.Tensor,
    ) -> torch.Tensor:
        """As `HODOR.segment`, with the parts of `Features` and `DescribedFrames` one by one; [1, K + I, H/4, W/4]."""
        memory = DescribedFrames(objects, background, objects_absent, background_absent)
        return self.model.segment(Features(stride_4, stride_8), memory)


class GridSampledConvolution(nn.Module):
    """A deformable convolution as bilinear sampling at a grid of places, and a product with all nine taps at once."""

    def __init__(self, deformable: DeformableConvolution) -> None:
        super().__init__()
        self.offsets, self.convolution = deformable.offsets, deformable.convolution

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[1, C, H, W] -> [1, C, H, W]."""
        height, width = x.shape[2:]
        tap = torch.arange(_TAPS)
        shift = self.offsets(x)[0].unflatten(0, (_TAPS, 2))  # [9, 2, H, W]: down, right
        row = shift[:, 0] + (tap // 3 - 1)[:, None, None] + torch.arange(height)[:, None]
        column = shift[:, 1] + (tap % 3 - 1)[:, None, None] + torch.arange(width)
        grid = torch.stack([(2 * column + 1) / width - 1, (2 * row + 1) / height - 1], dim=3)  # [9, H, W, 2]
        samples = F.grid_sample(x, grid.flatten(0, 1)[None], padding_mode="zeros", align_corners=False)  # [1, C, 9 H, W]
        columns = samples.unflatten(2, (_TAPS, height)).flatten(1, 2)
        return F.conv2d(columns, self.convolution.weight.flatten(1)[..., None, None], self.convolution.bias)


class EvenConvolution(Conv2dSame):
    """A convolution that pads so that its result is the input's size over its stride, for sizes that its stride divides.

    Networks that come from TensorFlow compute their padding of the size; of all sizes that occur here it is the same.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, C, H, W] -> [B, D, H / stride, W / stride]."""
        padding = []
        for axis in (1, 0):  # the last axis comes first
            missing = max(self.dilation[axis] * (self.kernel_size[axis] - 1) + 1 - self.stride[axis], 0)
            padding += [missing // 2, missing - missing // 2]
        return F.conv2d(F.pad(x, padding), self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


def exportable(model: HODOR) -> HODOR:
    """A copy of a network on the CPU in evaluation mode, in operators that ONNX has, whatever the sizes."""
    twin = copy.deepcopy(model).cpu().eval().requires_grad_(False)
    for module in list(twin.modules()):
        for name, child in module.named_children():
            if isinstance(child, DeformableConvolution):
                setattr(module, name, GridSampledConvolution(child))
            elif isinstance(child, Conv2dSame):
                child.__class__ = EvenConvolution  # with the weights that it has
        if isinstance(module, SoftMaskedAttention):
            module.spares_projections = False  # which would be chosen by the number of objects
    return twin

"""The plain twin of a network: the same weights and results, computed by the operators that PyTorch and torchvision bring."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torchvision
from torch import nn

from hodor.modelling.deformable_convolution import DeformableConvolution
from hodor.modelling.linear import Linear
from hodor.modelling.model import HODOR


@contextmanager
def plain(model: HODOR) -> Iterator[None]:
    """A context in which a network computes deformable convolutions by torchvision and products with weights as PyTorch does.

    Other networks are left alone, and this one is as before when the context ends, however it ends.
    """
    changed: list[nn.Module] = []
    try:
        for module in model.modules():
            if isinstance(module, DeformableConvolution):
                module.forward = functools.partial(_by_torchvision, module)  # type: ignore[method-assign]
            elif isinstance(module, Linear):
                module.forward = functools.partial(nn.Linear.forward, module)  # type: ignore[method-assign]
            else:
                continue
            changed.append(module)
        yield
    finally:
        for module in changed:
            del module.forward  # the class's own shows again


def _by_torchvision(module: DeformableConvolution, x: torch.Tensor) -> torch.Tensor:
    """[B, C, H, W] -> [B, C, H, W]; in float32 inside, as ours is on a GPU."""
    offsets = module.offsets(x)
    weight, bias = module.convolution.weight, module.convolution.bias
    with torch.autocast(x.device.type, enabled=False):
        single = [None if t is None else t.float().contiguous() for t in (x, offsets, weight, bias)]
        return torchvision.ops.deform_conv2d(*single, padding=1).to(x.dtype)

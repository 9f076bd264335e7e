"""The plain twin of a network: the same weights and results, computed by the operators that PyTorch and torchvision bring."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
import torchvision
from torch import nn

from hodor.modelling.kernels.deformable_convolution import DeformableConvolution
from hodor.modelling.kernels.linear import Linear
from hodor.modelling.model import HODOR
from hodor.modelling.soft_masked_attention import SoftMaskedAttention


@contextmanager
def plain(model: HODOR) -> Iterator[None]:
    """A context in which a network computes deformable convolutions by torchvision, products with weights as PyTorch does,
    and soft-masked attention with projected keys and values.

    Other networks are left alone, and this one is as before when the context ends, however it ends.
    """
    changed: list[tuple[nn.Module, str]] = []
    try:
        for module in model.modules():
            method: Callable[..., object]
            if isinstance(module, DeformableConvolution):
                name, method = "forward", functools.partial(_by_torchvision, module)
            elif isinstance(module, Linear):
                name, method = "forward", functools.partial(nn.Linear.forward, module)
            elif isinstance(module, SoftMaskedAttention):
                name, method = "has_few", _never
            else:
                continue
            object.__setattr__(module, name, method)
            changed.append((module, name))
        yield
    finally:
        for module, name in changed:
            object.__delattr__(module, name)  # the class's own shows again


def _never(_: torch.Tensor) -> bool:
    return False


def _by_torchvision(module: DeformableConvolution, x: torch.Tensor) -> torch.Tensor:
    """[B, C, H, W] -> [B, C, H, W]; in float32 inside, as ours is on a GPU."""
    offsets = module.offsets(x)
    weight, bias = module.convolution.weight, module.convolution.bias
    with torch.autocast(x.device.type, enabled=False):
        single = [None if t is None else t.float().contiguous() for t in (x, offsets, weight, bias)]
        return torchvision.ops.deform_conv2d(*single, padding=1).to(x.dtype)

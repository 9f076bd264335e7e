"""The plain twin of a network: the same weights and results, computed by the operators that PyTorch and torchvision bring."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any
from unittest import mock

import torch
import torchvision
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from hodor.devices import Precision
from hodor.modelling.kernels.deformable_convolution import DeformableConvolution
from hodor.modelling.kernels.linear import Linear
from hodor.modelling.kernels.projected_attention import plain_logits, plain_sums
from hodor.modelling.model import HODOR
from hodor.modelling.soft_masked_attention import SoftMaskedAttention


@contextmanager
def plain(model: HODOR) -> Iterator[None]:
    """A context in which a network computes deformable convolutions by torchvision, products with weights as PyTorch does,
    and soft-masked attention with projected keys and values.

    Other networks are left alone, and this one is as before when the context ends, however it ends.
    """
    with ExitStack() as changes:
        for module in model.modules():
            if isinstance(module, DeformableConvolution):
                changes.enter_context(mock.patch.object(module, "forward", partial(_by_torchvision, module)))
            elif isinstance(module, Linear):
                changes.enter_context(mock.patch.object(module, "forward", partial(nn.Linear.forward, module)))
            elif isinstance(module, SoftMaskedAttention):
                changes.enter_context(mock.patch.multiple(module, logits=plain_logits, sums=plain_sums))
        yield


@contextmanager
def unprepared() -> Iterator[None]:
    """A context in which segmenters are made that use their network as it is, for `plain` and for counting operations."""

    def as_it_is(model: HODOR, precision: Precision, *, compiled: bool) -> tuple[HODOR, Precision]:
        assert not compiled
        return model, precision

    with mock.patch("hodor.inference.seeing.made_ready", as_it_is):
        yield


def direct_gflop(model: HODOR, run: Callable[[], object]) -> float:
    """Counts the floating point operations of the products in what `run` computes by the network's plain twin.

    Matrix products, convolutions, attention, and the products of deformable convolutions (not their sampling) count, a
    multiplication and an addition as two. Sums, norms and activations, well below a hundredth, don't.

    Args:
        model: the network, none of whose weights wants a gradient (PyTorch's counter trips over those).
        run: computes by the network.

    Returns:
        10^9 operations.
    """
    counter = FlopCounterMode(display=False, custom_mapping={torch.ops.torchvision.deform_conv2d: _deformable_flop})
    with plain(model), sdpa_kernel(SDPBackend.MATH), counter:
        run()
    return counter.get_total_flops() / 1e9


def _by_torchvision(module: DeformableConvolution, x: torch.Tensor) -> torch.Tensor:
    """[B, C, H, W] -> [B, C, H, W]; in float32 inside, as ours is on a GPU."""
    offsets = module.offsets(x)
    weight, bias = module.convolution.weight, module.convolution.bias
    with torch.autocast(x.device.type, enabled=False):
        single = [None if t is None else t.float().contiguous() for t in (x, offsets, weight, bias)]
        return torchvision.ops.deform_conv2d(*single, padding=1).to(x.dtype)


def _deformable_flop(x: Any, weight: Any, *others: Any, out_shape: Any, **options: Any) -> int:
    """Shapes [B, C, H, W], [D, C, 3, 3] and the result's [B, D, H, W] -> operations."""
    batch, results, height, width = out_shape
    _, channels, rows, columns = weight
    return int(2 * batch * results * height * width * channels * rows * columns)

"""How much a frame is to compute and to move, and how fast this machine does either: the floors of a direct computation."""

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from hodor.benchmark.plain import plain
from hodor.modelling.model import HODOR


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
    deformable = {torch.ops.torchvision.deform_conv2d: _deformable_flop}
    counter = FlopCounterMode(display=False, custom_mapping=deformable)
    with plain(model), sdpa_kernel(SDPBackend.MATH), counter:
        run()
    return counter.get_total_flops() / 1e9


def gigabytes_moved(run: Callable[[], object]) -> float:
    """Adds up the tensors that the operators in what `run` computes read and write, in 10^9 bytes.

    Views and allocations don't count, nor do kernels that PyTorch doesn't know as operators (Triton's).
    """
    with _Bytes() as counter:
        run()
    return counter.total / 1e9


class _Bytes(TorchDispatchMode):
    """Counts the bytes of every operator's tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, operator: Any, types: Any, arguments: Any = (), options: Any = None) -> Any:
        result = operator(*arguments, **(options or {}))
        if not operator.is_view and "empty" not in operator.name():
            tensors = [leaf for leaf in tree_leaves((arguments, options, result)) if isinstance(leaf, torch.Tensor)]
            self.total += sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        return result


def copy(gigabytes: float, device: torch.device) -> tuple[Callable[[], object], float]:
    """A copy of a large tensor to be timed, and the 10^9 bytes that it reads and writes."""
    source = torch.rand(int(gigabytes * 2.5e8 / 2), device=device)
    target = torch.empty_like(source)
    return lambda: target.copy_(source), 8 * len(source) / 1e9


def matrix_product(side: int, device: torch.device, dtype: torch.dtype) -> tuple[Callable[[], object], float]:
    """A product of two square matrices to be timed, and its GFLOP."""
    left, right = torch.rand(2, side, side, device=device).to(dtype)
    return lambda: left @ right, 2 * side**3 / 1e9


def convolution(
    channels: int, height: int, width: int, device: torch.device, dtype: torch.dtype
) -> tuple[Callable[[], object], float]:
    """A 3x3 convolution with padding to be timed, and its GFLOP (those of the padding included)."""
    image = torch.rand(1, channels, height, width, device=device).to(dtype)
    weight = torch.rand(channels, channels, 3, 3, device=device).to(dtype)
    return lambda: F.conv2d(image, weight, padding=1), 2 * 9 * channels**2 * height * width / 1e9


def _deformable_flop(x: Any, weight: Any, *others: Any, out_shape: Any, **options: Any) -> int:
    """Shapes [B, C, H, W], [D, C, 3, 3] and the result's [B, D, H, W] -> operations."""
    batch, results, height, width = out_shape
    _, channels, rows, columns = weight
    return int(2 * batch * results * height * width * channels * rows * columns)

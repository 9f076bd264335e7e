"""Batch norms become part of the convolutions before them, which in evaluation mode gives the same maps with less work."""

from collections import Counter

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torch.utils.weak import WeakTensorKeyDictionary

_CONVOLUTIONS = ("Conv2d", "Conv2dSame")  # of PyTorch and of timm; others may compute their weights anew in every pass


def fold_batch_norms(network: nn.Module, example: torch.Tensor) -> int:
    """Folds the batch norms of a network that is in evaluation mode, in place; its parameters are replaced, not changed.

    Which convolution feeds which norm is seen by running the network once. Norms that nothing but a convolution feeds are
    folded, and counted; what else they do, such as timm's with an activation inside, stays. The smaller the example of an input
    is, the faster.
    """
    if not any(isinstance(each, BatchNorm) for each in network.modules()):
        return 0
    pairs = _pairs(network, example)
    for convolution, norm in pairs:
        assert norm.running_mean is not None and norm.running_var is not None
        convolution.weight, convolution.bias = fuse_conv_bn_weights(
            convolution.weight, convolution.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
        )
        activation = getattr(norm, "act", None)  # timm's may apply one, and drop blocks, but never in evaluation
        for parent in network.modules():
            for name, child in parent.named_children():
                if child is norm:
                    setattr(parent, name, activation if isinstance(activation, nn.Module) else nn.Identity())
    return len(pairs)


def _pairs(network: nn.Module, example: torch.Tensor) -> list[tuple[nn.Conv2d, BatchNorm]]:
    """Convolutions and the batch norms that take what they gave, each once."""
    made_by = WeakTensorKeyDictionary()
    pairs: list[tuple[nn.Conv2d, BatchNorm]] = []

    def convolved(module: nn.Module, _: object, result: torch.Tensor) -> None:
        made_by[result] = module, result._version

    def normalises(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        assert isinstance(module, BatchNorm)
        convolution, version = made_by.get(inputs[0], (None, 0))
        if convolution is not None and inputs[0]._version == version and module.running_mean is not None:
            pairs.append((convolution, module))  # and nothing has changed in place what the convolution gave

    hooks = [each.register_forward_hook(convolved) for each in network.modules() if type(each).__name__ in _CONVOLUTIONS]
    hooks += [each.register_forward_pre_hook(normalises) for each in network.modules() if isinstance(each, BatchNorm)]
    try:
        with torch.no_grad():
            network(example)
    finally:
        for hook in hooks:
            hook.remove()
    uses = Counter(module for pair in pairs for module in pair)
    return [pair for pair in pairs if uses[pair[0]] == uses[pair[1]] == 1]

"""Batch norms become part of the convolutions before them, which in evaluation mode gives the same maps with less work."""

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_weights

_CONVOLUTIONS = ("Conv2d", "Conv2dSame")  # of PyTorch and of timm; others may compute their weights anew in every pass


def fold_batch_norms(network: nn.Module, example: torch.Tensor) -> int:
    """Folds the batch norms of a network that is in evaluation mode, in place; its parameters are replaced, not changed.

    Which convolution feeds which norm is seen by running the network once. Norms that nothing but a convolution feeds are
    folded; what else they do, such as timm's with an activation inside, stays.

    Args:
        network: any module.
        example: an input, the smaller the faster.

    Returns:
        How many were folded.
    """
    if not any(isinstance(each, BatchNorm) for each in network.modules()):
        return 0
    pairs = _pairs(network, example)
    for convolution, norm in pairs:
        assert norm.running_mean is not None and norm.running_var is not None
        convolution.weight, convolution.bias = fuse_conv_bn_weights(
            convolution.weight, convolution.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
        )
        for parent in network.modules():
            for name, child in parent.named_children():
                if child is norm:
                    setattr(parent, name, _rest_of(norm))
    return len(pairs)


def _pairs(network: nn.Module, example: torch.Tensor) -> list[tuple[nn.Conv2d, BatchNorm]]:
    """Convolutions and the batch norms that take what they gave, each once."""
    made_by: dict[int, tuple[nn.Conv2d, int]] = {}
    kept: list[torch.Tensor] = []  # an id may come again once its tensor is gone
    pairs: list[tuple[nn.Conv2d, BatchNorm]] = []

    def convolved(module: nn.Module, _: object, result: torch.Tensor) -> None:
        assert isinstance(module, nn.Conv2d)
        kept.append(result)
        made_by[id(result)] = module, result._version

    def normalises(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        assert isinstance(module, BatchNorm)
        convolution, version = made_by.get(id(inputs[0]), (None, 0))
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
    counts = [{id(pair[side]): 0 for pair in pairs} for side in (0, 1)]
    for pair in pairs:
        for side in (0, 1):
            counts[side][id(pair[side])] += 1
    return [pair for pair in pairs if counts[0][id(pair[0])] == counts[1][id(pair[1])] == 1]


def _rest_of(norm: BatchNorm) -> nn.Module:
    """What a batch norm does beside normalising: timm's may drop blocks (never in evaluation) and apply an activation."""
    activation = getattr(norm, "act", None)
    return activation if isinstance(activation, nn.Module) else nn.Identity()

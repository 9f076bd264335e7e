"""A network made ready for inference: on a CPU the same masks with less work beside the products."""

import contextlib
import copy
import functools
from collections.abc import Callable

import torch
from torch import nn

from hodor.devices import Precision, precision_context
from hodor.inference.compiled import compiled as compiled_network
from hodor.modelling.descriptors import DescribedFrames, Descriptors
from hodor.modelling.features import Features
from hodor.modelling.kernels.batch_norm_folding import fold_batch_norms
from hodor.modelling.model import HODOR, STRIDE


def made_ready(
    model: HODOR, precision: Precision, *, compiled: bool
) -> tuple[HODOR, Callable[[], contextlib.AbstractContextManager[object]]]:
    """The form of a network that is fastest on its device, and what makes the context in which it is to be called.

    Raises:
        HodorError: the precision is unknown.
    """
    precision_context(model.device, precision)
    if compiled or model.device.type != "cpu":
        network = compiled_network(model) if compiled else model
        return network, functools.partial(precision_context, model.device, precision)
    return lean(model, precision), contextlib.nullcontext


@torch.inference_mode(False)  # the caller may be in it, and tensors made there don't tell whether they were changed in place
@torch.no_grad()
def lean(model: HODOR, precision: Precision) -> HODOR:
    """A twin of a network in evaluation mode, which shares the weights that needn't be changed with it.

    Batch norms are folded into convolutions; maps keep the channels of a pixel together, which is how the processor's
    convolutions want them; with "bf16" all weights and maps have 16 bits, cast once and not in every frame. What the
    twin gives and takes, features apart, has the precision of the original.
    """
    shared = {id(each): each for each in (*model.parameters(), *model.buffers())}
    twin: HODOR = copy.deepcopy(model, memo=dict(shared))
    example = torch.zeros(1, 3, STRIDE, STRIDE, device=model.device, dtype=model.mean.dtype)
    fold_batch_norms(twin.feature_extractor, example)
    dtype = torch.bfloat16 if precision == "bf16" else None
    for module in twin.modules():
        for name, parameter in module.named_parameters(recurse=False):
            changed = parameter.detach().to(dtype=dtype)
            if isinstance(module, nn.Conv2d) and changed.ndim == 4:
                changed = changed.contiguous(memory_format=torch.channels_last)
            setattr(module, name, nn.Parameter(changed, requires_grad=False))
        for name, buffer in module.named_buffers(recurse=False):
            if buffer.is_floating_point():
                setattr(module, name, buffer.to(dtype=dtype))
    extract_features, describe, segment = twin.feature_extractor, twin.encoder, twin.decoder
    original = model.mean.dtype
    inner = original if dtype is None else dtype

    def lean_features(images: torch.Tensor) -> Features:
        return extract_features(images.to(inner, memory_format=torch.channels_last))

    def lean_descriptors(features: Features, object_masks: torch.Tensor, background_masks: torch.Tensor) -> Descriptors:
        described = describe(features.stride_8, object_masks.to(inner), background_masks.to(inner))
        return Descriptors(*(each.to(original) for each in described))

    def lean_segment(features: Features, memory: DescribedFrames) -> torch.Tensor:
        inside = memory._replace(objects=memory.objects.to(inner), background=memory.background.to(inner))
        logits: torch.Tensor = segment(features, inside, twin.encoder.embeddings)
        return logits

    vars(twin).update(extract_features=lean_features, describe=lean_descriptors, segment=lean_segment)
    return twin

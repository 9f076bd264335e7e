"""A network made ready for inference: on a CPU the same masks with less work beside the products; or compiled."""

import copy
from collections.abc import Callable
from typing import Any

import torch
import torch._dynamo
from torch import nn

from hodor.devices import Precision, precision_context
from hodor.errors import HodorError
from hodor.modelling.descriptors import DescribedFrames, Descriptors
from hodor.modelling.features import Features
from hodor.modelling.kernels.batch_norm_folding import fold_batch_norms
from hodor.modelling.model import HODOR, STRIDE

_SHAPES = 256  # that each step may be compiled for; PyTorch would silently stop after 8


def made_ready(model: HODOR, precision: Precision, *, compiled: bool) -> tuple[HODOR, Precision]:
    """The form of a network that is fastest on its device, and the precision of the context in which it is to be called."""
    precision_context(model.device, precision)  # raises a HodorError where the precision is unknown
    if compiled:
        return compiled_network(model), precision
    return (lean(model, precision), "float32") if model.device.type == "cpu" else (model, precision)


@torch.inference_mode(False)  # the caller may be in it, and tensors made there don't tell whether they were changed in place
@torch.no_grad()
def lean(model: HODOR, precision: Precision) -> HODOR:
    """A twin of a network in evaluation mode, which shares the weights that needn't be changed with it.

    Batch norms are folded into convolutions; maps keep the channels of a pixel together, which is how the processor's
    convolutions want them; with "bf16" all weights and maps have 16 bits, cast once and not in every frame. What the
    twin gives and takes, features apart, has the precision of the original.
    """
    twin: HODOR = copy.deepcopy(model, memo={id(each): each for each in (*model.parameters(), *model.buffers())})
    original = model.mean.dtype
    inner = torch.bfloat16 if precision == "bf16" else original
    fold_batch_norms(twin.feature_extractor, torch.zeros(1, 3, STRIDE, STRIDE, device=model.device, dtype=original))
    for module in twin.modules():
        for name, parameter in module.named_parameters(recurse=False):
            changed = parameter.detach().to(inner)
            if isinstance(module, nn.Conv2d) and changed.ndim == 4:
                changed = changed.contiguous(memory_format=torch.channels_last)
            setattr(module, name, nn.Parameter(changed, requires_grad=False))
        for name, buffer in module.named_buffers(recurse=False):
            if buffer.is_floating_point():
                setattr(module, name, buffer.to(inner))
    extract_features, describe, segment = twin.feature_extractor, twin.encoder, twin.decoder

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


def compiled_network(model: HODOR) -> HODOR:
    """The same network, with the same weights, its three steps compiled for the shapes that they meet.

    On a GPU each step becomes a CUDA graph: features may be overwritten once others are extracted, descriptors may be kept.
    The first frames take minutes, and again when the number of objects, the frames' size, or how many are seen at once changes.
    Each step raises a HodorError if it can't be compiled here.
    """
    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, _SHAPES)
    extract_features, describe = _compiled(model.extract_features), _compiled(model.describe)

    def begin_with_features(images: torch.Tensor) -> Features:
        torch.compiler.cudagraph_mark_step_begin()
        return Features(*extract_features(images))

    def describe_to_keep(features: Features, object_masks: torch.Tensor, background_masks: torch.Tensor) -> Descriptors:
        return Descriptors(*(each.clone() for each in describe(features, object_masks, background_masks)))

    twin = copy.copy(model)
    vars(twin).update(extract_features=begin_with_features, describe=describe_to_keep, segment=_compiled(model.segment))
    return twin


def _compiled(step: Callable[..., Any]) -> Callable[..., Any]:
    run = torch.compile(step, dynamic=False, mode="reduce-overhead")

    def call(*arguments: Any) -> Any:
        try:
            return run(*arguments)
        except Exception as error:
            if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor", "triton")):
                raise
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise HodorError(f"the network can't be compiled here, so leave out --compile: {reason}") from None

    return call

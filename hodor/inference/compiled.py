"""A network for inference whose steps are compiled."""

import copy
from collections.abc import Callable
from typing import Any

import torch
import torch._dynamo

from hodor.errors import HodorError
from hodor.modelling.descriptors import Descriptors
from hodor.modelling.features import Features
from hodor.modelling.model import HODOR

_SHAPES = 256  # that each step may be compiled for; PyTorch would silently stop after 8


def compiled(model: HODOR) -> HODOR:
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

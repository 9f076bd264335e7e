"""A network for inference, as it is or compiled."""

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
import torch._dynamo

from hodor.errors import HodorError
from hodor.modelling.encoder import Descriptors
from hodor.modelling.features import Features
from hodor.modelling.model import HODOR

_SHAPES = 256  # that each step may be compiled for; PyTorch would silently stop after 8


class CompiledNetwork:
    """The three steps of a network, compiled for the shapes that they meet; on a GPU each becomes a CUDA graph.

    The first frames take minutes, and again when the number of objects, the frames' size, or how many are seen at once changes.
    Each step raises a HodorError if it can't be compiled here.
    """

    def __init__(self, model: HODOR) -> None:
        self.num_background = model.num_background
        self.num_background_channels = model.num_background_channels
        torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, _SHAPES)
        self._extract_features = _compiled(model.extract_features)
        self._describe = _compiled(model.describe)
        self.segment = _compiled(model.segment)

    def extract_features(self, images: torch.Tensor) -> Features:
        """As `HODOR.extract_features`. What earlier calls of the other steps gave may be overwritten from now on."""
        torch.compiler.cudagraph_mark_step_begin()
        return Features(*self._extract_features(images))

    def describe(self, features: Features, object_masks: torch.Tensor, background_masks: torch.Tensor) -> Descriptors:
        """As `HODOR.describe`; the result may be kept."""
        return Descriptors(*(each.clone() for each in self._describe(features, object_masks, background_masks)))


Network: TypeAlias = HODOR | CompiledNetwork
"""What a tracker may use."""


def _compiled(step: Callable[..., Any]) -> Callable[..., Any]:
    run = torch.compile(step, dynamic=False, mode="reduce-overhead")

    def call(*arguments: Any, **named: Any) -> Any:
        try:
            return run(*arguments, **named)
        except Exception as error:
            if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor", "triton")):
                raise
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise HodorError(f"the network can't be compiled here, so leave out --compile: {reason}") from None

    return call

"""A network for inference, as it is or compiled."""

import functools
from typing import Any, Protocol

import torch

from hodor.modelling.encoder import Descriptors
from hodor.modelling.features import Features
from hodor.modelling.model import HODOR


class Network(Protocol):
    """What a tracker needs of a network; see `hodor.modelling.model.HODOR`."""

    @property
    def num_background(self) -> int: ...

    @property
    def num_background_channels(self) -> int: ...

    def extract_features(self, images: torch.Tensor) -> Features: ...

    def describe(self, features: Features, object_masks: torch.Tensor, background_masks: torch.Tensor) -> Descriptors: ...

    def segment(
        self,
        features: Features,
        objects: torch.Tensor,
        background: torch.Tensor,
        *,
        objects_absent: torch.Tensor | None = None,
        background_absent: torch.Tensor | None = None,
    ) -> torch.Tensor: ...


class CompiledNetwork:
    """The three steps of a network, compiled for the shapes that they meet; on a GPU each becomes a CUDA graph.

    The first frames take minutes, and again when the number of objects or the frames' size changes.
    """

    def __init__(self, model: HODOR) -> None:
        self.num_background = model.num_background
        self.num_background_channels = model.num_background_channels
        compiled = functools.partial(torch.compile, dynamic=False, mode="reduce-overhead")
        self._extract_features = compiled(model.extract_features)
        self._describe = compiled(model.describe)
        self.segment: Any = compiled(model.segment)

    def extract_features(self, images: torch.Tensor) -> Features:
        """As `HODOR.extract_features`. What earlier calls of the other steps gave may be overwritten from now on."""
        torch.compiler.cudagraph_mark_step_begin()
        return Features(*self._extract_features(images))

    def describe(self, features: Features, object_masks: torch.Tensor, background_masks: torch.Tensor) -> Descriptors:
        """As `HODOR.describe`; the result may be kept."""
        return Descriptors(*(each.clone() for each in self._describe(features, object_masks, background_masks)))

"""Frames as the network sees them: at its own size, normalised, and as features."""

import contextlib
from collections.abc import Iterator, Sequence

import torch

from hodor.devices import Precision, precision_context
from hodor.inference.fast_network import made_ready
from hodor.media.images import network_size
from hodor.modelling.features import Features
from hodor.modelling.model import HODOR, pad
from hodor.modelling.soft_masks import resize

Seen = tuple[torch.Tensor, Features]
"""A prepared image [1, 3, H', W'] and its features."""


class Sight:
    """Brings frames and masks to a network.

    Attributes:
        network: the form of it that computes, see `made_ready`.
    """

    def __init__(self, model: HODOR, size_limits: tuple[int, int], precision: Precision, *, compiled: bool) -> None:
        """Makes the network ready; `size_limits` are the shorter side of frames and the limit of the longer one, in pixels."""
        self.network, self._precision = made_ready(model, precision, compiled=compiled)
        self._model = model
        self._size_limits = size_limits

    @contextlib.contextmanager
    def computing(self) -> Iterator[None]:
        """The context in which everything is to be computed."""
        with torch.inference_mode(), precision_context(self._model.device, self._precision):
            yield

    def size(self, size: tuple[int, int]) -> tuple[int, int]:
        """(height, width) at which a frame of some size is shown to the network."""
        return network_size(*size, *self._size_limits)

    def image(self, frames: torch.Tensor) -> torch.Tensor:
        """Frames [B, 3, H, W] of any type and device, resized, normalised and padded, [B, 3, H', W']."""
        small = resize(frames.to(self._model.device, non_blocking=True).float(), self.size((frames.shape[2], frames.shape[3])))
        return self._model.prepare(small)

    def mask(self, mask: torch.Tensor) -> torch.Tensor:
        """A mask [H, W] bool likewise, 0.0 and 1.0; one that would vanish keeps the pixels it falls on."""
        height, width = self.size((mask.shape[0], mask.shape[1]))
        small = resize(mask[None, None].float(), (height, width))[0, 0] > 0.5
        if not small.any():
            rows, columns = mask.nonzero(as_tuple=True)
            small[rows * height // mask.shape[0], columns * width // mask.shape[1]] = True
        return pad(small.float())

    def at_once(self, frames: Sequence[torch.Tensor]) -> list[Seen]:
        """Several frames [3, H, W] of one size, type and device, seen in one go."""
        with self.computing():
            images = self.image(torch.stack(list(frames)))
            features = self.network.extract_features(images)
        each = zip(images.split(1), features.stride_4.split(1), features.stride_8.split(1), strict=True)
        return [(image, Features(stride_4, stride_8)) for image, stride_4, stride_8 in each]

"""What a network is shown: frames at its own size, normalised, as features; masks; objects that were described elsewhere."""

import contextlib
import hashlib
from collections.abc import Iterator, Sequence

import torch

from hodor.devices import Precision, precision_context
from hodor.errors import HodorError
from hodor.formats.object_files import DescribedObject
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


def fingerprint(model: HODOR) -> str:
    """Tells networks apart by a few of their weights."""
    embeddings = torch.cat([embedding.flatten() for embedding in model.encoder.embeddings]).detach().float().cpu()
    return hashlib.sha256(embeddings.numpy().tobytes()).hexdigest()[:16]


def views_of(described: DescribedObject, model: HODOR) -> tuple[torch.Tensor, torch.Tensor]:
    """The descriptors [V, C] and [V, Qb, C] of an object, as the network takes them; a HodorError if it is another's."""
    if not isinstance(described, DescribedObject):
        raise HodorError(f"an object must be what describe or hodor.read_object gives, not {type(described).__name__}")
    if described.network != fingerprint(model):
        raise HodorError(f"{described.name}: was described by another network; describe it anew with this checkpoint")
    objects, backgrounds = (torch.from_numpy(each) for each in (described.objects, described.backgrounds))
    return objects.to(model.device, model.mean.dtype), backgrounds.to(model.device, model.mean.dtype)

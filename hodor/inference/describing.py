"""Objects by what a network knows of them: described in one picture, found in others."""

import hashlib

import torch

from hodor.errors import HodorError
from hodor.formats.object_files import DescribedObject
from hodor.modelling.model import HODOR


def fingerprint(model: HODOR) -> str:
    """Tells networks apart by a few of their weights."""
    embeddings = torch.cat([embedding.flatten() for embedding in model.encoder.embeddings]).detach().float().cpu()
    return hashlib.sha256(embeddings.numpy().tobytes()).hexdigest()[:16]


def describe(model: HODOR, image: torch.Tensor, mask: torch.Tensor, name: str) -> DescribedObject:
    """One view of an object, which a mask [H, W] of 0.0 and 1.0 shows in a prepared image [1, 3, H, W]."""
    described = model.describe_given(model.extract_features(image), mask[None, None], keep_small=True)
    objects, background = (each[0].float().cpu().numpy() for each in described)
    return DescribedObject(name, fingerprint(model), objects, background[None])


def views_of(described: DescribedObject, model: HODOR) -> tuple[torch.Tensor, torch.Tensor]:
    """The descriptors [V, C] and [V, Qb, C] of an object, as the network takes them; a HodorError if it is another's."""
    if not isinstance(described, DescribedObject):
        raise HodorError(f"an object must be what describe or hodor.read_object gives, not {type(described).__name__}")
    if described.network != fingerprint(model):
        raise HodorError(f"{described.name}: was described by another network; describe it anew with this checkpoint")
    objects, backgrounds = (torch.from_numpy(each) for each in (described.objects, described.backgrounds))
    return objects.to(model.device, model.mean.dtype), backgrounds.to(model.device, model.mean.dtype)

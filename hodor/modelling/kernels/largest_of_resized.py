"""Which of many maps is largest at every pixel of another size: on CPUs without resizing all of them, beside its plain twin."""

import torch

from hodor.modelling.kernels.cached import cached
from hodor.modelling.soft_masks import resize

_NOISE = 0.25  # the share of pixels to compute for all maps at which both ways took the same, for 15 maps at 480p and 1080p
Largest = tuple[torch.Tensor, torch.Tensor]
"""Values [H, W] and indices of maps [H, W] int16."""


def largest_of_resized(maps: torch.Tensor, size: tuple[int, int]) -> Largest:
    """The largest of N maps [N, h, w] resized to a size (H, W), and which of them it is, as `plain_largest` finds it.

    A pixel of the result is a mean, with weights, of four pixels of a map. Where the same map is the largest in all four, it is
    the largest of the means too, so only what lies between different maps, a few pixels of a hundred, is computed for all.
    Indices may differ from the plain ones where two maps are equal but for rounding.
    """
    height, width = maps.shape[-2:]
    if maps.device.type != "cpu" or size[0] * size[1] <= height * width:  # a GPU would be waited for: how many pixels are they?
        return plain_largest(maps, size)
    top, bottom, down = _neighbours(height, size[0])
    left, right, across = _neighbours(width, size[1])
    values, indices = maps.max(dim=0)
    found = _where_alike(indices.short()).index_select(0, top).index_select(1, left)
    places = (found < 0).flatten().nonzero()[:, 0]
    if len(places) > _NOISE * found.numel():
        return plain_largest(maps, size)
    largest = resize(values[None, None], size)[0, 0]
    row, column = places // size[1], places % size[1]
    pixels = maps.permute(1, 2, 0).reshape(height * width, -1)
    above, below = (
        pixels.index_select(0, first + left[column]).lerp(pixels.index_select(0, first + right[column]), across[column, None])
        for first in (width * top[row], width * bottom[row])
    )
    mixed = above.lerp(below, down[row, None]).max(dim=1)
    largest.view(-1)[places] = mixed.values
    found.view(-1)[places] = mixed.indices.short()
    return largest, found


def plain_largest(maps: torch.Tensor, size: tuple[int, int]) -> Largest:
    """As `largest_of_resized`, by resizing all maps."""
    values, indices = resize(maps[None], size)[0].max(dim=0)
    return values, indices.short()


@cached
def _neighbours(count: int, wanted: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of `wanted` places along `count`, with centres aligned as `resize` does it: both neighbours, and the second's weight."""
    place = ((torch.arange(wanted) + 0.5) * (count / wanted) - 0.5).clamp(min=0)
    first = place.long().clamp(max=count - 1)
    return first, (first + 1).clamp(max=count - 1), place - first


def _where_alike(indices: torch.Tensor) -> torch.Tensor:
    """[h, w] -> the same, but -1 where a pixel and its next ones to the right, below and in both directions differ."""
    beside = indices[:, :-1] == indices[:, 1:]
    below = indices[:-1] == indices[1:]
    alike = torch.ones_like(indices, dtype=torch.bool)
    alike[:, :-1] &= beside
    alike[:-1] &= below
    alike[:-1, :-1] &= beside[1:]
    return torch.where(alike, indices, -1)

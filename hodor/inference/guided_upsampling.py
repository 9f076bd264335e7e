"""Masks as fine as the image: the network's, of a quarter of its size, are led along the edges that the image shows.

Within a small window a mask is taken for a linear function of the colours (guided filter: He, Sun and Tang, TPAMI 2013). The
functions are found in cells of stride 4 and applied to single pixels (fast guided filter: He and Sun 2015).
"""

import functools

import torch
from torch.nn import functional as F

from hodor.modelling.soft_masks import resize

_RADIUS = 2  # of a window, in cells
_NOISE = 4e-4  # variance of colours without an edge; images are normalised to one of about 1
_AT_ONCE = 16  # masks: four maps of the image's size are needed for each
_PAIRS = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))


def guided_upsampling(masks: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    """Masks [I, h, w] in 0..1 and an image [3, 4 h, 4 w], normalised -> masks [I, 4 h, 4 w] float32 in 0..1."""
    image = image.float()
    functions = _colour_functions(masks.double(), F.avg_pool2d(image, 4).double()).float()
    found = []
    for some in functions.split(_AT_ONCE):
        factors, constant = resize(some, (image.shape[1], image.shape[2])).split([3, 1], dim=1)
        found.append((factors * image).sum(dim=1).add_(constant[:, 0]).clamp_(0, 1))
    return torch.cat(found)


def _colour_functions(masks: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    """For every cell the linear function of the colours that is nearest to a mask around it.

    Masks [I, h, w] and mean colours of the cells [3, h, w], float64 as the systems of images without colour are nearly
    singular -> [I, 4, h, w]: three factors and a constant, means over all windows that hold the cell.
    """
    squares = torch.stack([image[first] * image[second] for first, second in _PAIRS])
    mean, mean_squares = _window_means(torch.cat([image, squares])[None])[0].split([3, 6])
    covariance = [
        square - mean[first] * mean[second] + _NOISE * (first == second)
        for square, (first, second) in zip(mean_squares, _PAIRS, strict=True)
    ]
    own, joint = _window_means(torch.cat([masks[:, None], masks[:, None] * image], dim=1)).split([1, 3], dim=1)
    factors = _solved(covariance, joint - own * mean)
    constant = own - (factors * mean).sum(dim=1, keepdim=True)
    return _window_means(torch.cat([factors, constant], dim=1))


def _window_means(maps: torch.Tensor) -> torch.Tensor:
    """[B, C, h, w] -> the same: means over windows, of which only the part inside counts."""
    return _window_sums(maps) / _window_sums(torch.ones_like(maps[:1, :1]))


def _window_sums(maps: torch.Tensor) -> torch.Tensor:
    """[B, C, h, w] -> the same: sums over windows, by shifting, which on two cores takes half as long as pooling."""
    for axis, padding in ((-2, (0, 0, _RADIUS, _RADIUS)), (-1, (_RADIUS, _RADIUS))):
        padded, length = F.pad(maps, padding), maps.shape[axis]
        maps = functools.reduce(torch.add, (padded.narrow(axis, first, length) for first in range(2 * _RADIUS + 1)))
    return maps


def _solved(matrix: list[torch.Tensor], right: torch.Tensor) -> torch.Tensor:
    """Solves 3x3 systems by Cramer's rule: entries [h, w] of symmetric matrices as in `_PAIRS`, and [I, 3, h, w]."""
    xx, xy, xz, yy, yz, zz = matrix
    adjugate = [yy * zz - yz**2, xz * yz - xy * zz, xy * yz - xz * yy, xx * zz - xz**2, xy * xz - xx * yz, xx * yy - xy**2]
    determinant = xx * adjugate[0] + xy * adjugate[1] + xz * adjugate[2]
    inverse = torch.stack([adjugate[place] for place in (0, 1, 2, 1, 3, 4, 2, 4, 5)]).unflatten(0, (3, 3)) / determinant
    return torch.einsum("rkhw,ikhw->irhw", inverse, right)

"""Masks between 0 and 1, the background that they leave, and their sizes (HODOR section 3.1).

Logits are [B, K + I, H/4, W/4] of K = `num_background_channels` kinds of background and I objects.
"""

from collections.abc import Mapping

import torch
from torch.nn import functional as F

BACKGROUND_GRIDS = {1: (1, 1), 2: (1, 2), 4: (2, 2), 9: (3, 3), 12: (3, 4), 16: (4, 4)}
"""Number of background descriptors -> (rows, columns) of the grid of cells they describe."""


def resize(maps: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Bilinear resize of [B, N, H, W] to `size`, without antialiasing and with pixel centres aligned."""
    if maps.shape[-2:] == size:
        return maps
    return F.interpolate(maps, size=size, mode="bilinear", align_corners=False, antialias=False)


def shrink(masks: torch.Tensor) -> torch.Tensor:
    """Masks [B, N, H, W] -> [B, N, H/8, W/8], bilinear: the mean of the four central pixels of each block."""
    return resize(masks, (masks.shape[-2] // 8, masks.shape[-1] // 8))


def shrink_keeping_small(masks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Like `shrink` of masks [B, I, H, W] of 0 and 1, but an object that would vanish (no value > 0.5) keeps one block.

    Its mask is 1 in the block that holds most of its pixels (the first of several in row order) and 0 elsewhere. Beside masks
    [B, I, H/8, W/8] in [0, 1] this gives which objects would vanish, [B, I] bool.
    """
    shrunk = shrink(masks)
    vanished = ~(shrunk > 0.5).flatten(2).any(dim=2)
    fullest = F.avg_pool2d(masks, 8).flatten(2).argmax(dim=2)
    places = torch.arange(shrunk.shape[2] * shrunk.shape[3], device=masks.device)
    block = (fullest[..., None] == places).view_as(shrunk).to(shrunk.dtype)
    return torch.where(vanished[..., None, None], block, shrunk), vanished


def background_cells(height: int, width: int, count: int, device: torch.device) -> torch.Tensor:
    """A grid of cells over a map, in row order, [count, height, width] bool; the last row and column take the remainder."""
    rows, columns = BACKGROUND_GRIDS[count]
    row = (torch.arange(height, device=device) // max(height // rows, 1)).clamp(max=rows - 1)
    column = (torch.arange(width, device=device) // max(width // columns, 1)).clamp(max=columns - 1)
    cell = row[:, None] * columns + column
    return cell == torch.arange(count, device=device)[:, None, None]


def background_of_given_masks(object_masks: torch.Tensor, count: int) -> torch.Tensor:
    """Cells of what no mask [B, I, H, W] of 0 and 1 covers, built at full size and shrunk: [B, count, H/8, W/8] in [0, 1]."""
    cells = background_cells(object_masks.shape[-2], object_masks.shape[-1], count, object_masks.device)
    uncovered = ~(object_masks > 0).any(dim=1, keepdim=True)
    return shrink((cells & uncovered).to(object_masks.dtype))


def background_of_predicted_masks(object_masks: torch.Tensor, count: int) -> torch.Tensor:
    """Cells of what the object channels [B, I, H/8, W/8] of a softmax leave over: [B, count, H/8, W/8] in [0, 1]."""
    cells = background_cells(object_masks.shape[-2], object_masks.shape[-1], count, object_masks.device)
    return cells * (1 - object_masks.sum(dim=1, keepdim=True))


def object_probabilities(
    logits: torch.Tensor, num_background_channels: int, given: Mapping[int, torch.Tensor] | None = None
) -> torch.Tensor:
    """Soft masks of the objects [B, I, H/8, W/8] in [0, 1]: softmax over all channels, resized to full size and back down.

    Masks that are given, {index of an object: [H, W] of 0 and 1}, count instead of the predicted ones; where two overlap, the
    later one. One that is too small for stride 8 keeps one block, see `shrink_keeping_small`.
    """
    masks = logits.softmax(dim=1)[:, num_background_channels:]
    if not given:
        return F.avg_pool2d(masks, 2)  # which is what resizing twice comes to
    masks = resize(masks, (4 * logits.shape[-2], 4 * logits.shape[-1]))
    for index, mask in given.items():
        masks = masks * (1 - mask)
        masks[:, index] = mask
    shrunk = shrink(masks)
    for index, mask in given.items():
        own, vanished = shrink_keeping_small(mask[None, None])
        block = own[:, 0] * vanished[..., None]
        others = shrunk * (1 - block)
        others[:, index] = torch.where(vanished[..., None], block, shrunk[:, index])
        shrunk = others
    return shrunk


def object_confidences(logits: torch.Tensor, num_background_channels: int) -> torch.Tensor:
    """How sure the objects' masks are: [B, I] in [0, 1].

    That is the mean probability of the object where it is likelier than all else; 0 where it is nowhere.
    """
    probability, channel = logits.softmax(dim=1).max(dim=1, keepdim=True)
    objects = torch.arange(num_background_channels, logits.shape[1], device=logits.device)
    inside = channel == objects[:, None, None]
    return (probability * inside).sum(dim=(2, 3)) / inside.sum(dim=(2, 3)).clamp(min=1)

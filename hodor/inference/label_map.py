"""From the network's logits to a label map of the video's own size."""

from collections.abc import Mapping, Sequence

import torch

from hodor.modelling.soft_masks import resize


def label_map(
    logits: torch.Tensor | None,
    object_ids: Sequence[int],
    given: Mapping[int, torch.Tensor],
    *,
    num_background_channels: int,
    network: tuple[int, int],
    size: tuple[int, int],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Decides which object every pixel shows.

    The likeliest single channel wins; probabilities, not labels, are resized. Objects whose masks are given show there and
    nowhere else; around them the others' predictions stand as they are (the original blanks them under the given mask before
    resizing, which shows in a fringe of one pixel of the network's size).

    Args:
        logits: [1, K + I, h, w] at stride 4 of the padded input, objects in the order of `object_ids`; None where nothing was
            predicted, which needs every object to be in `given`.
        object_ids: the I known objects.
        given: {object id: [H, W] bool}; the later one counts where two overlap.
        num_background_channels: K.
        network: (height, width) of the frame as the network saw it, without padding.
        size: (H, W) of the video.

    Returns:
        Label map [H, W] uint8, and per object the mean probability inside its mask [I] (0 where that is empty, 1 where given).
    """
    any_mask = next(iter(given.values()), None)
    if logits is None:
        device = None if any_mask is None else any_mask.device
        labels = torch.zeros(size, dtype=torch.uint8, device=device)
        confidence = torch.ones(len(object_ids), device=device)
    else:
        probabilities = _probabilities(logits, network, size)
        labels, confidence = _most_likely(probabilities, object_ids, given, num_background_channels)
    for object_id, mask in given.items():
        labels = torch.where(mask, object_id, labels)
    return labels.to(torch.uint8), confidence


def _probabilities(logits: torch.Tensor, network: tuple[int, int], size: tuple[int, int]) -> torch.Tensor:
    """Probabilities of all channels at the video's size, [K + I, H, W]."""
    padded = (4 * logits.shape[-2], 4 * logits.shape[-1])
    probabilities = resize(logits, padded).softmax(dim=1)[..., : network[0], : network[1]]
    return resize(probabilities, size)[0]


def _most_likely(
    probabilities: torch.Tensor, object_ids: Sequence[int], given: Mapping[int, torch.Tensor], num_background_channels: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Labels [H, W] of everything but the given objects, and the confidence of each object [I]."""
    given_channels = [num_background_channels + index for index, object_id in enumerate(object_ids) if object_id in given]
    probabilities[given_channels] = -1
    best, channel = probabilities.max(dim=0)
    total = torch.zeros(len(probabilities), device=best.device).index_add_(0, channel.flatten(), best.flatten())
    count = torch.zeros_like(total).index_add_(0, channel.flatten(), torch.ones_like(best).flatten())
    confidence = total / count.clamp(min=1)
    confidence[given_channels] = 1
    ids = torch.tensor([0] * num_background_channels + list(object_ids), dtype=torch.uint8, device=best.device)
    return ids[channel], confidence[num_background_channels:]

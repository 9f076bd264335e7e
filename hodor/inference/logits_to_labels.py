"""From the network's logits to a label map of the video's own size."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from hodor.inference.guided_upsampling import guided_upsampling
from hodor.modelling.kernels.largest_of_resized import Largest, largest_of_resized
from hodor.modelling.soft_masks import resize


@dataclass(frozen=True)
class LabelMap:
    """Which object every pixel shows, and how sure that is.

    Attributes:
        labels: [H, W] uint8, ids of objects, 0 for none.
        object_ids: the known objects.
        channel_ids: the id that each predicted channel stands for, 0 for background and objects that were given.
        likeliest: probability and index of the likeliest channel of every pixel; None where nothing was predicted.
    """

    labels: torch.Tensor
    object_ids: Sequence[int]
    channel_ids: Sequence[int]
    likeliest: Largest | None

    def confidences(self) -> dict[int, float]:
        """Per object the mean probability inside its mask: 0 where that is empty, 1 where the mask was given.

        Computed when asked for, since it makes a GPU and the program wait for each other.
        """
        found = dict.fromkeys(self.object_ids, 1.0)
        if self.likeliest is None:
            return found
        probability, channel = (each.flatten() for each in self.likeliest)
        total = torch.bincount(channel, probability, minlength=len(self.channel_ids))
        count = torch.bincount(channel, minlength=len(self.channel_ids))
        means = (total / count.clamp(min=1)).tolist()
        return found | {object_id: mean for object_id, mean in zip(self.channel_ids, means, strict=True) if object_id}


def label_map(
    logits: torch.Tensor | None,
    object_ids: Sequence[int],
    given: Mapping[int, torch.Tensor],
    *,
    num_background_channels: int,
    network: tuple[int, int],
    size: tuple[int, int],
    guide: torch.Tensor | None = None,
) -> LabelMap:
    """Decides which object every pixel shows.

    The likeliest single channel wins; where a guide is given, all that is no object is one. Probabilities, not labels, are
    resized. Objects whose masks are given show there and nowhere else; around them the others' predictions stand as they are
    (the original blanks them under the given mask before resizing, which shows in a fringe of one pixel of the network's size).

    Args:
        logits: [1, K + I, h, w] at stride 4 of the padded input; None where nothing was predicted, as all objects are given.
        object_ids: the I known objects, in this order.
        given: {object id: [H, W] bool}; the later one counts where two overlap.
        num_background_channels: K.
        network: (height, width) of the frame as the network saw it, without padding.
        size: (H, W) of the video.
        guide: [1, 3, 4 h, 4 w], the frame as the network saw it, whose edges masks shall have; None takes them as they are.
    """
    first = num_background_channels if guide is None else 1
    channel_ids = (0,) * first + tuple(0 if object_id in given else object_id for object_id in object_ids)
    likeliest = None
    if logits is None:
        device = next((mask.device for mask in given.values()), None)
        labels = torch.zeros(size, dtype=torch.uint8, device=device)
    else:
        if guide is None:
            padded = (4 * logits.shape[-2], 4 * logits.shape[-1])
            probabilities = resize(logits, padded).softmax(dim=1)[0, :, : network[0], : network[1]]
        else:
            rows, columns = (-(-side // 4) for side in network)  # padding has no edges
            masks = logits[0].softmax(dim=0)[num_background_channels:, :rows, :columns]
            objects = guided_upsampling(masks, guide[0, :, : 4 * rows, : 4 * columns])[:, : network[0], : network[1]]
            probabilities = torch.cat([1 - objects.sum(dim=0, keepdim=True), objects])
        for index, object_id in enumerate(object_ids, first):
            if object_id in given:
                probabilities[index] = -1
        likeliest = largest_of_resized(probabilities, size)
        labels = _on_device(channel_ids, logits.device)[likeliest[1].int()]
    for object_id, mask in given.items():
        labels = labels.masked_fill(mask, object_id)
    return LabelMap(labels, object_ids, channel_ids, likeliest)


@functools.lru_cache(maxsize=64)
def _on_device(ids: tuple[int, ...], device: torch.device) -> torch.Tensor:
    """Ids as [N] uint8, copied to the device once and not in every frame."""
    with torch.inference_mode(False):
        return torch.tensor(ids, dtype=torch.uint8, device=device)

"""What predictions are compared with."""

import numpy as np
import torch

from hodor.config import TrainingConfig
from hodor.data.loader import TrainingBatch
from hodor.training.cycles import PlannedStep
from hodor.training.unroll import learnable_part, object_masks, with_truth


def clips_of(labels, num_objects):
    """Clips of one frame, the reference, with labels [B, H, W]."""
    images, valid = torch.zeros(len(labels), 1, 3, *labels.shape[1:]), torch.ones_like(labels, dtype=torch.bool)
    presence = torch.ones(len(labels), 1, num_objects, dtype=torch.bool)
    return TrainingBatch(images, valid[:, None], labels[:, None], presence, ())


def test_masks_of_labels():
    labels = torch.tensor([[[0, 1], [3, 1]], [[2, 2], [0, 3]]], dtype=torch.uint8)
    masks = object_masks(labels, 3)
    assert masks.shape == (2, 3, 2, 2) and masks.dtype == torch.bool
    assert all(torch.equal(masks[:, i - 1], labels == i) for i in (1, 2, 3))


def test_what_could_not_be_known_becomes_background_per_sample():
    labels = torch.tensor([[[0, 1, 2, 3]], [[3, 2, 1, 0]]], dtype=torch.uint8)
    known = torch.tensor([[True, False, True], [False, True, True]])
    clips = clips_of(labels, 3)._replace(presence=known[:, None])
    truth = with_truth(PlannedStep((0,), 0, None, ((0,),)), torch.zeros(2, 4, 1, 4), clips, TrainingConfig()).labels
    assert truth.tolist() == [[[0, 1, 0, 3]], [[3, 2, 0, 0]]]
    assert truth.dtype == torch.int64


def bilinear_at_stride_8(mask):
    """The mean of the four central pixels of each block of 8 x 8."""
    return np.array(
        [[mask[y + 3 : y + 5, x + 3 : x + 5].mean() for x in range(0, mask.shape[1], 8)] for y in range(0, mask.shape[0], 8)]
    )


def test_objects_are_learnable_where_they_are_seen_at_stride_8_in_every_sample():
    rng = np.random.default_rng(0)
    both = set()
    for _ in range(40):
        labels = np.zeros((2, 32, 48), dtype=np.uint8)
        for sample in range(2):
            for number in range(1, 4):
                (y, x), side = rng.integers(0, 24, 2), rng.integers(2, 9)
                labels[sample, y : y + side, x : x + side] = number
        seen = [all((bilinear_at_stride_8(each == i) > 0.5).any() for each in labels) for i in (1, 2, 3)]
        clips = learnable_part(clips_of(torch.from_numpy(labels), 3))
        if clips is None:
            assert not any(seen)
        else:
            new_ids = np.array([0, *(np.cumsum(seen) * seen)])
            assert np.array_equal(clips.labels[:, 0].numpy(), new_ids[labels]) and clips.labels.dtype == torch.uint8
            assert clips.presence.shape[2] == sum(seen)
        both |= set(seen)
    assert both == {True, False}


def test_half_a_pixel_is_not_more_than_half():
    labels = torch.zeros(1, 8, 8, dtype=torch.uint8)
    labels[0, 3, 3:5] = 1  # two of the four central pixels
    assert learnable_part(clips_of(labels, 1)) is None
    labels[0, 4, 3] = 1
    assert torch.equal(learnable_part(clips_of(labels, 1)).labels[:, 0], labels)

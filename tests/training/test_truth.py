"""What predictions are compared with."""

import numpy as np
import torch

from hodor.training.criterion import true_labels
from hodor.training.unroll import keep_objects, learnable_objects, object_masks


def test_masks_of_labels():
    labels = torch.tensor([[[0, 1], [3, 1]], [[2, 2], [0, 3]]], dtype=torch.uint8)
    masks = object_masks(labels, 3)
    assert masks.shape == (2, 3, 2, 2) and masks.dtype == torch.bool
    assert all(torch.equal(masks[:, i - 1], labels == i) for i in (1, 2, 3))


def test_what_could_not_be_known_becomes_background_per_sample():
    labels = torch.tensor([[[0, 1, 2, 3]], [[3, 2, 1, 0]]], dtype=torch.uint8)
    known = torch.tensor([[True, False, True], [False, True, True]])
    assert true_labels(labels, known).tolist() == [[[0, 1, 0, 3]], [[3, 2, 0, 0]]]
    assert true_labels(labels, known).dtype == torch.int64


def bilinear_at_stride_8(mask):
    """The mean of the four central pixels of each block of 8 x 8."""
    return np.array(
        [[mask[y + 3 : y + 5, x + 3 : x + 5].mean() for x in range(0, mask.shape[1], 8)] for y in range(0, mask.shape[0], 8)]
    )


def test_objects_are_learnable_where_they_are_seen_at_stride_8_in_every_sample():
    rng = np.random.default_rng(0)
    both = set()
    for _ in range(40):
        masks = np.zeros((2, 3, 32, 48), dtype=bool)
        for sample in range(2):
            for number in range(3):
                (y, x), side = rng.integers(0, 24, 2), rng.integers(2, 9)
                masks[sample, number, y : y + side, x : x + side] = True
        expected = [all((bilinear_at_stride_8(masks[s, i]) > 0.5).any() for s in range(2)) for i in range(3)]
        assert learnable_objects(torch.from_numpy(masks)).tolist() == expected
        both |= set(expected)
    assert both == {True, False}


def test_half_a_pixel_is_not_more_than_half():
    masks = torch.zeros(1, 1, 8, 8)
    masks[0, 0, 3, 3:5] = 1  # two of the four central pixels
    assert learnable_objects(masks).tolist() == [False]
    masks[0, 0, 4, 3] = 1
    assert learnable_objects(masks).tolist() == [True]


def test_kept_objects_are_renumbered_and_the_others_are_background():
    labels = torch.tensor([[[[0, 1, 2, 3, 4]]]], dtype=torch.uint8)
    kept = keep_objects(labels, torch.tensor([False, True, False, True]))
    assert kept.tolist() == [[[[0, 0, 1, 0, 2]]]] and kept.dtype == torch.uint8

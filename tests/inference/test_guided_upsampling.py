"""Masks that follow the edges of an image: against a slow reference, and on things that are known."""

import cv2
import numpy as np
import pytest
import torch
from support.small import SMALL, small_checkpoint

from hodor import Segmenter
from hodor.inference.guided_upsampling import guided_upsampling
from hodor.inference.logits_to_labels import label_map
from hodor.modelling.soft_masks import resize
from hodor.synthetic import SyntheticClip

RADIUS, NOISE = 2, 4e-4


def slow(masks, image):
    """By a least-squares problem for every window, in float64."""
    count, height, width = masks.shape
    cells = image.reshape(3, height, 4, width, 4).mean((2, 4))
    lines = np.zeros((count, height, width, 4))

    def window(y, x):
        return slice(max(0, y - RADIUS), y + RADIUS + 1), slice(max(0, x - RADIUS), x + RADIUS + 1)

    for index, y, x in np.ndindex(count, height, width):
        colours = cells[(slice(None), *window(y, x))].reshape(3, -1).T
        wanted = masks[index][window(y, x)].ravel()
        mean = colours.mean(0)
        away = colours - mean
        factors = np.linalg.solve(away.T @ away / len(away) + NOISE * np.eye(3), away.T @ (wanted - wanted.mean()) / len(away))
        lines[index, y, x] = *factors, wanted.mean() - factors @ mean
    found = np.zeros((count, *image.shape[1:]))
    for index in range(count):
        smooth = np.stack([[lines[index][window(y, x)].mean((0, 1)) for x in range(width)] for y in range(height)])
        full = cv2.resize(smooth, image.shape[:0:-1], interpolation=cv2.INTER_LINEAR)
        found[index] = (full[..., :3] * image.transpose(1, 2, 0)).sum(2) + full[..., 3]
    return found.clip(0, 1)


@pytest.mark.parametrize("colourless", [False, True])
@pytest.mark.parametrize("size", [(6, 9), (1, 3), (5, 1)])
def test_it_agrees_with_least_squares_in_every_window(size, colourless):
    random = np.random.default_rng(0)
    masks, image = random.random((2, *size)), random.normal(size=(3, 4 * size[0], 4 * size[1]))
    image[:] = image[:1] if colourless else image
    found = guided_upsampling(torch.tensor(masks), torch.tensor(image))
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), slow(masks, image), atol=2e-5)


def disk(height, width, *, colour=True):
    """A disk before another ground, [3, H, W], and where it is, [H, W] bool."""
    y, x = np.mgrid[:height, :width]
    inside = (y - height / 2) ** 2 + (x - width / 2.2) ** 2 < (height / 3.3) ** 2
    image = np.where(inside, np.array([1.0, -0.4, 0.2])[:, None, None], np.array([0.3, 0.5, -0.9])[:, None, None])
    return (image if colour else image.mean(0, keepdims=True).repeat(3, 0)).astype(np.float32), inside


@pytest.mark.parametrize("colour", [True, False])
def test_a_blurred_mask_finds_its_edge_again(colour):
    image, inside = disk(96, 128, colour=colour)
    coarse = cv2.blur(cv2.resize(inside.astype(np.float32), (32, 24), interpolation=cv2.INTER_AREA), (3, 3))
    coarse = torch.tensor(coarse)[None]
    guided = guided_upsampling(coarse, torch.tensor(image))[0].numpy() > 0.5
    plain = resize(coarse[None], (96, 128))[0, 0].numpy() > 0.5
    wrong, wrong_before = np.count_nonzero(guided != inside), np.count_nonzero(plain != inside)
    assert wrong_before > 40 and wrong <= wrong_before / 10


def test_masks_without_an_edge_stay():
    image = torch.randn(3, 20, 28, generator=torch.Generator().manual_seed(0))
    constant = torch.tensor([0.0, 0.3, 1.0])[:, None, None].expand(-1, 5, 7)
    torch.testing.assert_close(guided_upsampling(constant, image), constant[:, :1, :1].expand(-1, 20, 28), rtol=0, atol=1e-6)


def test_many_masks_are_as_each_alone():
    random = torch.Generator().manual_seed(2)
    masks, image = torch.rand(20, 5, 7, generator=random), torch.randn(3, 20, 28, generator=random)
    alone = torch.cat([guided_upsampling(mask[None], image) for mask in masks])
    torch.testing.assert_close(guided_upsampling(masks, image), alone, rtol=0, atol=1e-6)


def logits_and_guide():
    """Logits of two background channels and two objects for a frame of 30x37 in a padded one of 32x64, and that."""
    random = torch.Generator().manual_seed(1)
    return 3 * torch.randn(1, 4, 8, 16, generator=random), torch.randn(1, 3, 32, 64, generator=random)


def decided(logits, guide, given=None, size=(30, 37)):
    return label_map(logits, [3, 7], given or {}, num_background_channels=2, network=(30, 37), size=size, guide=guide)


def probabilities(logits, guide):
    """Of all that is no object, and of the two objects."""
    objects = guided_upsampling(logits[0].softmax(0)[2:, :8, :10], guide[0, :, :32, :40])[:, :30, :37]
    return torch.cat([1 - objects.sum(0, keepdim=True), objects])


def test_the_likeliest_of_objects_and_all_else_wins():
    logits, guide = logits_and_guide()
    each = probabilities(logits, guide)
    found = decided(logits, guide)
    assert torch.equal(found.labels, torch.tensor([0, 3, 7], dtype=torch.uint8)[each.argmax(0)])
    assert set(found.labels.unique().tolist()) == {0, 3, 7}
    inside = each[1][found.labels == 3].mean().item()
    assert found.confidences()[3] == pytest.approx(inside, abs=1e-5)


def test_what_was_padded_counts_for_nothing():
    logits, guide = logits_and_guide()
    others, other_guide = logits.clone(), guide.clone()
    others[..., 10:], other_guide[..., 40:] = 50, -50
    assert torch.equal(decided(logits, guide).labels, decided(others, other_guide).labels)


def test_given_masks_show_as_they_are():
    logits, guide = logits_and_guide()
    mask = torch.zeros(30, 37, dtype=torch.bool)
    mask[4:9, 11:20] = True
    found = decided(logits, guide, {7: mask})
    assert torch.equal(found.labels == 7, mask)
    nothing, other, _ = probabilities(logits, guide)
    assert torch.equal(found.labels == 3, (other > nothing) & ~mask)


def test_only_label_maps_differ_and_not_what_is_remembered():
    clip = list(SyntheticClip(frames=4, height=45, width=70, objects=2, seed=3))
    sizes = {"min_dim": SMALL.input.min_dim, "max_dim": SMALL.input.max_dim, "device": "cpu"}
    model = small_checkpoint().model
    guided, plain = (Segmenter(model, guided_edges=edges, **sizes) for edges in (True, False))
    differing = 0
    for frame, (image, labels) in enumerate(clip):
        both = [segmenter.step(image, labels if frame == 0 else None) for segmenter in (guided, plain)]
        differing += int((both[0] != both[1]).sum())
    assert differing > 0
    theirs = plain.state_dict()["tracker"]["memory"]
    torch.testing.assert_close(guided.state_dict()["tracker"]["memory"], theirs, rtol=0, atol=0)
    plain.load_state_dict(guided.state_dict())

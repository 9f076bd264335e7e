"""The largest of resized maps without resizing them, against its plain twin."""

import pytest
import torch

from hodor.modelling.kernels.largest_of_resized import largest_of_resized, plain_largest
from hodor.modelling.soft_masks import resize


def smooth(count: int, size: tuple[int, int], coarse: tuple[int, int], seed: int = 0) -> torch.Tensor:
    """Probabilities [N, h, w] with large regions, as masks have them; channels of a pixel together."""
    generator = torch.Generator().manual_seed(seed)
    maps = resize(6 * torch.randn(1, count, *coarse, generator=generator), size).softmax(dim=1)
    return maps.contiguous(memory_format=torch.channels_last)[0]


def agree(maps: torch.Tensor, size: tuple[int, int]) -> None:
    values, indices = largest_of_resized(maps, size)
    expected, channels = plain_largest(maps, size)
    assert indices.dtype == torch.int16 and indices.shape == values.shape == size
    torch.testing.assert_close(values, expected, rtol=0, atol=2e-6)
    assert torch.equal(indices, channels)


@pytest.mark.parametrize("size", [(96, 171), (48, 86), (150, 85), (49, 1200), (47, 85), (20, 30), (1, 1)])
@pytest.mark.parametrize("count", [2, 15, 265])
def test_both_find_the_same_at_every_size(size, count):
    agree(smooth(count, (48, 85), (4, 6)), size)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (2, 2)])
def test_maps_of_few_pixels(shape):
    agree(smooth(3, shape, shape), (40, 60))


def test_noise_where_no_two_pixels_agree():
    agree(torch.rand(40, 30, 50, generator=torch.Generator().manual_seed(2)), (61, 99))


def test_a_map_may_win_between_four_pixels_where_others_win():
    maps = torch.cat([0.6 * torch.eye(4).view(4, 2, 2), torch.full((1, 2, 2), 0.4)])
    assert set(largest_of_resized(maps, (2, 2))[1].flatten().tolist()) == {0, 1, 2, 3}
    values, indices = largest_of_resized(maps, (40, 40))
    assert indices[20, 20] == 4 and values[20, 20] == pytest.approx(0.4)
    agree(maps, (40, 40))


def test_a_slice_of_padded_maps_is_taken_as_it_is():
    padded = smooth(12, (64, 96), (5, 7))
    agree(padded[:, :50, :83], (120, 200))


def test_the_first_of_equal_maps_is_taken():
    maps = smooth(3, (20, 30), (3, 4))
    assert set(largest_of_resized(torch.cat([maps, maps]), (50, 70))[1].unique().tolist()) <= {0, 1, 2}

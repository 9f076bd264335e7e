import pytest
import torch

from hodor.modelling.soft_masks import (
    BACKGROUND_GRIDS,
    background_cells,
    background_of_given_masks,
    background_of_predicted_masks,
    object_probabilities,
    resize,
    shrink,
    shrink_keeping_small,
)

CPU = torch.device("cpu")
GRIDS = {1: (1, 1), 2: (1, 2), 4: (2, 2), 9: (3, 3), 12: (3, 4), 16: (4, 4)}


def random_masks(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_the_six_grids():
    assert BACKGROUND_GRIDS == GRIDS


@pytest.mark.parametrize(("height", "width"), [(12, 12), (13, 14), (11, 7), (4, 5), (28, 42)])
@pytest.mark.parametrize("count", GRIDS)
def test_cells_are_of_equal_size_and_the_last_take_the_remainder(count, height, width):
    rows, columns = GRIDS[count]
    cells = background_cells(height, width, count, CPU)
    assert cells.shape == (count, height, width) and cells.dtype == torch.bool
    for index in range(count):
        row, column = divmod(index, columns)
        expected = torch.zeros(height, width, dtype=torch.bool)
        bottom = height if row == rows - 1 else (row + 1) * (height // rows)
        right = width if column == columns - 1 else (column + 1) * (width // columns)
        expected[row * (height // rows) : bottom, column * (width // columns) : right] = True
        assert torch.equal(cells[index], expected)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 3), (1, 9), (3, 2)])
@pytest.mark.parametrize("count", GRIDS)
def test_on_a_map_smaller_than_the_grid_every_pixel_still_has_one_cell(count, height, width):
    cells = background_cells(height, width, count, CPU)
    assert (cells.sum(dim=0) == 1).all()


def test_shrinking_takes_the_mean_of_the_four_central_pixels():
    masks = random_masks(2, 3, 32, 64)
    blocks = masks.view(2, 3, 4, 8, 8, 8)
    expected = blocks[:, :, :, 3:5, :, 3:5].mean(dim=(3, 5))
    torch.testing.assert_close(shrink(masks), expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("size", [(5, 6), (9, 13), (3, 2)])
def test_resizing_interpolates_between_pixel_centres_without_antialiasing(size):
    masks = random_masks(1, 2, 5, 6).double()
    expected = torch.empty(1, 2, *size, dtype=torch.float64)
    for i in range(size[0]):
        for j in range(size[1]):
            y = min(max((i + 0.5) * 5 / size[0] - 0.5, 0), 4)
            x = min(max((j + 0.5) * 6 / size[1] - 0.5, 0), 5)
            expected[..., i, j] = sum(
                masks[..., row, column] * max(1 - abs(y - row), 0) * max(1 - abs(x - column), 0)
                for row in range(5)
                for column in range(6)
            )
    torch.testing.assert_close(resize(masks, size), expected, rtol=1e-12, atol=1e-14)


def test_probabilities_at_stride_8_are_those_brought_to_full_size_and_back():
    logits = 3 * torch.randn(2, 5, 16, 24, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    actual = object_probabilities(logits, 3)
    assert actual.shape == (2, 2, 8, 12)
    probabilities = logits.softmax(dim=1)[:, 3:]
    torch.testing.assert_close(shrink(resize(probabilities, (64, 96))), actual, rtol=0, atol=1e-12)
    square = probabilities[:, :, 0::2, 0::2] + probabilities[:, :, 1::2, 0::2]
    square = (square + probabilities[:, :, 0::2, 1::2] + probabilities[:, :, 1::2, 1::2]) / 4
    torch.testing.assert_close(actual, square, rtol=1e-12, atol=1e-14)


def test_background_of_given_masks_is_built_at_full_size():
    masks = torch.zeros(1, 2, 64, 96)
    masks[0, 0, 10:40, 20:50] = 1
    masks[0, 1, 30:60, 40:80] = 1
    uncovered = 1 - (masks[0, 0] + masks[0, 1]).clamp(max=1)
    actual = background_of_given_masks(masks, 9)
    assert actual.shape == (1, 9, 8, 12)
    for index in range(9):
        row, column = divmod(index, 3)
        cell = torch.zeros(64, 96)
        cell[row * 21 : 64 if row == 2 else (row + 1) * 21, column * 32 : (column + 1) * 32] = 1
        expected = (cell * uncovered).view(8, 8, 12, 8)[:, 3:5, :, 3:5].mean(dim=(1, 3))
        torch.testing.assert_close(actual[0, index], expected, rtol=0, atol=1e-7)
    torch.testing.assert_close(actual.sum(dim=1), shrink(uncovered[None, None])[:, 0], rtol=0, atol=1e-6)
    at_stride_8 = background_of_predicted_masks(shrink(masks), 9)
    assert (actual - at_stride_8).abs().max() > 0.4  # other cell borders: 21 pixels here, 2 * 8 there


def test_background_of_predicted_masks_is_what_they_leave_over_at_stride_8():
    masks = random_masks(2, 3, 7, 8) / 3
    actual = background_of_predicted_masks(masks, 12)
    assert actual.shape == (2, 12, 7, 8)
    cells = background_cells(7, 8, 12, CPU)
    for b in range(2):
        for index in range(12):
            rest = 1 - masks[b, 0] - masks[b, 1] - masks[b, 2]
            torch.testing.assert_close(actual[b, index], torch.where(cells[index], rest, 0.0), rtol=1e-6, atol=1e-6)


def test_without_objects_everything_is_background():
    for build, size in ((background_of_given_masks, (64, 96)), (background_of_predicted_masks, (8, 12))):
        background = build(torch.zeros(1, 0, *size), 4)
        assert torch.equal(background.sum(dim=1), torch.ones(1, 8, 12))


def test_objects_that_would_vanish_keep_their_fullest_block():
    masks = torch.zeros(2, 4, 32, 40)
    masks[0, 0, 0:16, 0:16] = 1  # large
    masks[0, 1, 9:12, 17:20] = 1  # 9 pixels in block (1, 2), none of more than one central
    masks[0, 2, 7, 7] = masks[0, 2, 7, 8] = 1  # a tie between blocks (0, 0) and (0, 1)
    masks[0, 2, 31, 38:40] = 1  # and the most, two pixels, in block (3, 4)
    masks[1, 1, 20:28, 6:8] = 1  # a column through blocks (2, 0) and (3, 0), 4 rows each: a tie
    shrunk, vanished = shrink_keeping_small(masks)
    assert vanished.tolist() == [[False, True, True, True], [True] * 4]
    torch.testing.assert_close(shrunk[0, 0], shrink(masks)[0, 0])
    blocks = {(0, 1): (1, 2), (0, 2): (3, 4), (1, 1): (2, 0), (0, 3): (0, 0), (1, 0): (0, 0)}
    for (b, i), block in blocks.items():
        expected = torch.zeros(4, 5)
        expected[block] = 1
        assert torch.equal(shrunk[b, i], expected)


def test_an_object_that_is_exactly_half_visible_counts_as_vanished():
    masks = torch.zeros(1, 2, 8, 16)
    masks[0, 0, 3, 3:5] = 1  # two of the four central pixels: 0.5, not above
    masks[0, 1, 3:5, 11:13] = 1
    masks[0, 1, 4, 12] = 0  # three: 0.75
    shrunk, vanished = shrink_keeping_small(masks)
    assert vanished.tolist() == [[True, False]]
    assert shrunk[0].tolist() == [[[1, 0]], [[0, 0.75]]]

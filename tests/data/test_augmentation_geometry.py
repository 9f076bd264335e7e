"""Warps, crops and resizes against literal ones: one pixel after the other, in the words of the specification."""

import math

import numpy as np
import pytest
import torch

from hodor.data.geometry import (
    Frame,
    affine_matrix,
    draw_affine,
    draw_perspective,
    enlarge,
    finish,
    flip,
    perspective_matrix,
    warp,
)
from hodor.data.static_samples import area_shape

HEIGHT, WIDTH = 36, 52


def smooth_frame(height=HEIGHT, width=WIDTH):
    """Colours that change slowly, and labels in patches."""
    y, x = np.mgrid[:height, :width]
    image = np.stack([120 + 100 * np.sin(x / 9), 120 + 100 * np.cos(y / 7), 120 + 60 * np.sin((x + y) / 11)], axis=2)
    return Frame(image.round().astype(np.uint8), (y // 8 * 3 + x // 9).astype(np.uint8) % 6)


def sources(matrix, height=HEIGHT, width=WIDTH):
    """For each pixel of the result, the position (x, y) it comes from, `[H, W, 2]`."""
    full = np.vstack([matrix, [0, 0, 1]]) if len(matrix) == 2 else matrix
    y, x = np.mgrid[:height, :width]
    positions = np.linalg.inv(full) @ np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    return (positions[:2] / positions[2]).T.reshape(height, width, 2)


def literal_bilinear(pixels, positions):
    """Bilinear with 0 outside, `pixels` [H, W]."""
    height, width = pixels.shape
    result = np.zeros(positions.shape[:2])
    for index in np.ndindex(result.shape):
        x, y = positions[index]
        left, top = math.floor(x), math.floor(y)
        for row, row_weight in ((top, top + 1 - y), (top + 1, y - top)):
            for column, column_weight in ((left, left + 1 - x), (left + 1, x - left)):
                if 0 <= row < height and 0 <= column < width:
                    result[index] += row_weight * column_weight * pixels[row, column]
    return result


def literal_nearest(labels, positions):
    """The pixel whose centre is nearest, 0 outside; and whether that is clear."""
    height, width = labels.shape
    result = np.zeros(positions.shape[:2], dtype=np.uint8)
    clear = np.ones(positions.shape[:2], dtype=bool)
    for index in np.ndindex(result.shape):
        x, y = positions[index]
        column, row = round(x), round(y)
        clear[index] = max(abs(x - column), abs(y - row)) < 0.48
        if 0 <= row < height and 0 <= column < width:
            result[index] = labels[row, column]
    return result, clear


MATRICES = {
    "rotation": affine_matrix((HEIGHT, WIDTH), rotation=17, shear=0),
    "all": affine_matrix((HEIGHT, WIDTH), rotation=-20, shear=10, shift=(0.25, -0.2)),
    "perspective": perspective_matrix((HEIGHT, WIDTH), np.array([[0.1, 0.2], [0.05, 0.0], [0.3, 0.15], [0.02, 0.12]])),
}


@pytest.mark.parametrize("name", MATRICES)
def test_warps_interpolate_images_and_take_the_nearest_label(name):
    frame, matrix = smooth_frame(), MATRICES[name]
    warped, positions = warp(frame, matrix), sources(matrix)
    for channel in range(3):
        difference = np.abs(warped.image[..., channel] - literal_bilinear(frame.image[..., channel], positions))
        assert difference.max() < 6 and difference.mean() < 0.6  # positions are rounded to 1/32 of a pixel
    assert np.abs(warped.inside - literal_bilinear(np.ones((HEIGHT, WIDTH)), positions)).max() < 0.05
    expected, clear = literal_nearest(frame.labels, positions)
    np.testing.assert_array_equal(warped.labels[clear], expected[clear])


@pytest.mark.parametrize(("rotation", "shear", "shift"), [(0, 0, (0, 0)), (20, 0, (0, 0)), (-13, 7, (0.1, -0.25))])
def test_the_affine_map_turns_about_the_centre_then_shifts(rotation, shear, shift):
    height, width = 48, 80
    matrix = affine_matrix((height, width), rotation=rotation, shear=shear, shift=shift)
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    np.testing.assert_allclose(matrix @ [*centre, 1], centre + np.multiply(shift, (width, height)))
    t, c, s = math.tan(math.radians(shear)), math.cos(math.radians(rotation)), math.sin(math.radians(rotation))
    rows = [[c * (1 - t * t) - s * t, -c * t - s], [s * (1 - t * t) + c * t, -s * t + c]]
    np.testing.assert_allclose(matrix[:, :2], rows)
    assert np.linalg.det(matrix[:, :2]) == pytest.approx(1)


def test_shear_is_mostly_more_rotation():
    rotation_of = [
        math.degrees(math.atan2(m[1, 0], m[0, 0])) for m in (affine_matrix((9, 9), rotation=5, shear=s) for s in (0, 10))
    ]
    assert rotation_of == pytest.approx([5, 15], abs=0.4)


def test_the_perspective_stretches_the_quadrilateral_to_the_frame():
    inwards = np.array([[0.1, 0.2], [0.05, 0.0], [0.3, 0.15], [0.02, 0.12]])
    matrix = perspective_matrix((40, 60), inwards)
    corners = [(6, 8), (57, 0), (42, 34), (1.2, 35.2)]  # x, y where 0 is the frame's edge
    for (x, y), target in zip(corners, [(0, 0), (60, 0), (60, 40), (0, 40)], strict=True):
        image = matrix @ [x - 0.5, y - 0.5, 1]
        np.testing.assert_allclose(image[:2] / image[2] + 0.5, target, atol=1e-4)
    np.testing.assert_allclose(perspective_matrix((40, 60), np.zeros((4, 2))), np.eye(3), atol=1e-6)


def test_perspectives_only_zoom_in_and_show_nothing_from_outside():
    random = np.random.default_rng(0)
    for _ in range(60):
        frame = smooth_frame()
        matrix = draw_perspective((HEIGHT, WIDTH), (0.10, 0.12), random)
        positions = sources(matrix) + 0.5
        assert positions.min() > -1e-3 and (positions <= [WIDTH + 1e-3, HEIGHT + 1e-3]).all()
        assert finish(warp(frame, matrix), (HEIGHT, WIDTH))[1].all()


def test_draws_of_affine_maps_reach_their_ranges_and_no_further():
    random = np.random.default_rng(1)
    matrices = [draw_affine((100, 200), random, rotation=20, shear=0, shift=0.25) for _ in range(2000)]
    angles = [math.degrees(math.atan2(m[1, 0], m[0, 0])) for m in matrices]
    shifts = np.array([m @ [99.5, 49.5, 1] - [99.5, 49.5] for m in matrices])
    assert -20 <= min(angles) < -19.8 and 19.8 < max(angles) <= 20
    assert (np.abs(shifts).max(axis=0) <= [50 + 1e-9, 25 + 1e-9]).all() and (np.abs(shifts).max(axis=0) > [49.5, 24.7]).all()
    assert np.abs(np.corrcoef(shifts.T)[0, 1]) < 0.1
    sheared = [draw_affine((100, 200), random, rotation=0, shear=10)[1, 0] for _ in range(2000)]
    assert max(sheared) <= math.tan(math.radians(10)) and max(sheared) > math.tan(math.radians(9.9))


def test_corners_of_perspectives_move_by_the_absolute_of_a_normal_number():
    random = np.random.default_rng(2)
    ways = []
    for _ in range(1500):
        inverse = np.linalg.inv(draw_perspective((100, 200), (0.10, 0.12), random))
        for corner in [(0, 0), (200, 0), (200, 100), (0, 100)]:
            x, y, z = inverse @ [corner[0] - 0.5, corner[1] - 0.5, 1]
            ways.append([abs(x / z + 0.5 - corner[0]) / 200, abs(y / z + 0.5 - corner[1]) / 100])
    np.testing.assert_allclose(np.mean(ways, axis=0), 0.11 * math.sqrt(2 / math.pi), rtol=0.05)
    np.testing.assert_allclose(np.std(ways, axis=0), 0.11 * math.sqrt(1 - 2 / math.pi), rtol=0.06)
    assert abs(np.corrcoef(np.transpose(ways))[0, 1]) < 0.05


@pytest.mark.parametrize("size", [(36, 52), (17, 30), (70, 101), (35, 52)])
def test_the_final_resize_is_bilinear_without_antialiasing_and_labels_by_pixel_centres(size):
    frame = smooth_frame()
    finished_image, valid, labels = finish(frame, size)
    image = torch.from_numpy(frame.image.transpose(2, 0, 1).astype(np.float32))[None]
    expected = torch.nn.functional.interpolate(image, size=size, mode="bilinear", align_corners=False, antialias=False)[0]
    np.testing.assert_allclose(finished_image, expected.numpy(), atol=0.02)
    rows, columns = (
        [min(int((index + 0.5) * old / new), old - 1) for index in range(new)]
        for new, old in zip(size, frame.labels.shape, strict=True)
    )
    np.testing.assert_array_equal(labels, frame.labels[rows][:, columns])
    assert valid.all() and finished_image.dtype == np.float32


@pytest.mark.parametrize("size", [(36, 52), (19, 29), (60, 95)])
def test_what_comes_from_outside_by_more_than_half_is_not_valid(size):
    frame, matrix = smooth_frame(), MATRICES["all"]
    finished_image, valid, labels = finish(warp(Frame(frame.image, frame.labels % 5 + 1), matrix), size)
    ones = literal_bilinear(np.ones((HEIGHT, WIDTH)), sources(matrix))
    y, x = ((np.arange(new) + 0.5) * old / new - 0.5 for new, old in zip(size, ones.shape, strict=True))
    clamped = np.stack(np.meshgrid(x.clip(0, WIDTH - 1), y.clip(0, HEIGHT - 1)), axis=-1)
    outside = 1 - literal_bilinear(ones, clamped)
    clear = np.abs(outside - 0.5) > 0.05
    np.testing.assert_array_equal(valid[clear], (outside <= 0.5)[clear])
    assert 0.1 < 1 - valid.mean() < 0.7
    assert not labels[~valid].any() and not finished_image[:, ~valid].any()


def test_crops_are_enlarged_bicubically_and_labels_by_pixel_centres():
    frame, window = smooth_frame(), np.s_[5:25, 9:39]
    result = enlarge(frame, window)
    cut = torch.from_numpy(frame.image[5:25, 9:39].transpose(2, 0, 1).astype(np.float32))[None]
    expected = torch.nn.functional.interpolate(cut, size=(HEIGHT, WIDTH), mode="bicubic", align_corners=False)[0]
    assert np.abs(result.image.transpose(2, 0, 1) - expected.numpy()).max() <= 1.5
    rows, columns = ([int((i + 0.5) * old / new) for i in range(new)] for new, old in ((HEIGHT, 20), (WIDTH, 30)))
    np.testing.assert_array_equal(result.labels, frame.labels[5:25, 9:39][rows][:, columns])
    assert result.inside is None


def test_flips_mirror_everything():
    frame = warp(smooth_frame(), MATRICES["all"])
    for part, mirrored in zip(frame, flip(frame), strict=True):
        np.testing.assert_array_equal(mirrored, part[:, ::-1])
    assert flip(smooth_frame()).inside is None


def test_crops_and_flips_keep_knowing_what_comes_from_outside():
    warped = warp(smooth_frame(), MATRICES["all"])
    valid = finish(enlarge(flip(warped), np.s_[:, :]), (HEIGHT, WIDTH))[1]
    np.testing.assert_array_equal(valid, finish(warped, (HEIGHT, WIDTH))[1][:, ::-1])


@pytest.mark.parametrize(
    ("height", "width", "area", "expected"),
    [
        (480, 640, 300000, (474, 632)),
        (640, 480, 300000, (632, 474)),
        (100, 100, 114688, (338, 339)),
        (1, 5000, 1024, (1, 1024)),
    ],
)
def test_sizes_of_an_area(height, width, area, expected):
    assert area_shape((height, width), area) == expected


def test_affine_maps_scale_about_the_centre():
    matrix = affine_matrix((60, 80), rotation=0, shear=0, scale=1.5)
    assert np.allclose(matrix @ [39.5, 29.5, 1], [39.5, 29.5])
    assert np.allclose(matrix[:, :2], 1.5 * np.eye(2))

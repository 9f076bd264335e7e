"""Drawing objects into frames, without a legend."""

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from hodor.errors import HodorError
from hodor.formats.label_maps import davis_palette
from hodor.media.drawing import draw, object_palette

MACHADO = {
    "red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
}


def two_objects(scale: int = 1) -> np.ndarray:
    labels = np.zeros((40, 60), dtype=np.uint8)
    labels[10:30, 20:50] = 1
    labels[15:25, 30:40] = 2
    return labels.repeat(scale, axis=0).repeat(scale, axis=1)


def test_objects_are_tinted_and_outlined_and_the_rest_is_left():
    image = np.full((40, 60, 3), 100, dtype=np.uint8)
    labels = two_objects()
    result = draw(image, labels, palette=davis_palette(), opacity=0.5)
    assert result[12, 24].tolist() == [114, 50, 50] and result[20, 35].tolist() == [50, 114, 50]
    assert (result[:9] == 100).all() and (result[:, 51:] == 100).all()
    assert (image == 100).all()
    assert draw(image, np.zeros_like(labels)).tolist() == image.tolist()


def test_whatever_shows_the_same_is_drawn_the_same_and_anything_else_is_refused_in_one_line():
    image = np.full((40, 60, 3), 100, dtype=np.uint8)
    labels = two_objects()
    expected = draw(image, labels)
    kinds = [torch.from_numpy(labels), labels.astype(np.int64), Image.fromarray(labels), labels.astype(float), labels.tolist()]
    for each in kinds:
        np.testing.assert_array_equal(draw(Image.fromarray(image), each), expected)
    np.testing.assert_array_equal(draw(torch.from_numpy(image), labels > 0), draw(image, (labels > 0).astype(np.uint8)))
    for picture, ids in (
        (image / 255, labels), (image[..., 0], labels), (image, labels[:9]), (image, labels - 0.5), (image, labels * 300.0),
        (image, np.full((40, 60), -1)), ("a.png", labels), (image, image), (torch.from_numpy(image).permute(2, 0, 1), labels),
    ):  # fmt: skip
        with pytest.raises(HodorError, match=r"^draw takes [^\n]*$"):
            draw(picture, ids)


@pytest.mark.parametrize("ground", [0, 60, 128, 255])
@pytest.mark.parametrize("scale", [1, 12])
def test_a_border_has_a_light_and_a_dark_line_on_any_ground(ground, scale):
    image = np.full((40 * scale, 60 * scale, 3), ground, dtype=np.uint8)
    result = draw(image, two_objects(scale)).astype(int)
    column = result[:, 25 * scale].max(axis=1)  # crosses the upper border of object 1
    inside, outside = column[10 * scale], column[10 * scale - 1]
    assert inside > 200 and outside <= ground // 4 + 1
    lines = int((column[: 20 * scale] > 0.25 * ground + 1).argmin())
    assert lines == (0 if ground == 0 else 10 * scale - 1 if scale == 1 else 10 * scale - 2)  # wider in the larger frame


def test_lines_at_the_edge_and_no_lines():
    image = np.full((40, 60, 3), 100, dtype=np.uint8)
    whole = np.full((40, 60), 255, dtype=np.uint8)
    expected = np.round(0.55 * 100 + 0.45 * object_palette()[255].astype(float))
    assert np.abs(draw(image, whole) - expected).max() <= 1
    assert np.abs(draw(image, two_objects(), outline=False)[10, 20] - np.round(55 + 0.45 * object_palette()[1])).max() <= 1


def nearest(colours: np.ndarray, lacking: str | None) -> float:
    """Distance in CIELAB of the two of the colours [N, 3] that are most alike, as those see them who lack some cones."""
    linear = ((colours / 255 + 0.055) / 1.055) ** 2.4
    seen = np.clip(linear @ np.array(MACHADO[lacking]).T, 0, 1) if lacking else linear
    lab = cv2.cvtColor(seen.astype(np.float32)[None], cv2.COLOR_LRGB2LAB)[0]
    return float((np.linalg.norm(lab[:, None] - lab[None], axis=2) + 1000 * np.eye(len(lab))).min())


@pytest.mark.parametrize(("lacking", "of_8", "of_20"), [(None, 35, 18), ("red", 18, 8), ("green", 18, 8)])
def test_the_first_colours_are_far_apart_for_everyone(lacking, of_8, of_20):
    for count, least in ((8, of_8), (20, of_20)):
        assert nearest(object_palette()[1 : count + 1].astype(float), lacking) >= least
        assert nearest(davis_palette()[1 : count + 1].astype(float), lacking) < least


def test_all_colours_are_bright_and_none_comes_twice():
    colours = object_palette()
    assert colours.shape == (256, 3) and not colours[0].any() and len(np.unique(colours, axis=0)) == 256
    assert (cv2.cvtColor(colours[None], cv2.COLOR_RGB2LAB)[0, 1:, 0] / 2.55 >= 54).all()

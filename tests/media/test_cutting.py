"""Objects cut out of photographs by a box or a click: how well, always the same, and what is no box."""

import math

import cv2
import numpy as np
import pytest

from hodor.errors import HodorError
from hodor.media.boxes import bounding_box
from hodor.media.cutting import mask_of_box, mask_of_click
from hodor.synthetic.photograph_clip import PhotographClip

CLIP = PhotographClip(frames=8, height=200)
FRAME, labels = CLIP.frame(0)
COFFEE, CAT, SHUTTLE = (labels == thing for thing in CLIP.names)


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


def corners(mask: np.ndarray) -> tuple[int, int, int, int]:
    x, y, width, height = bounding_box(mask)
    return x, y, x + width, y + height


def innermost(mask: np.ndarray) -> tuple[int, int]:
    distance = cv2.distanceTransform(np.pad(mask.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    return np.unravel_index(distance.argmax(), mask.shape)[::-1]


@pytest.mark.parametrize(("thing", "least"), [(COFFEE, 0.93), (CAT, 0.93), (SHUTTLE, 0.85)], ids=["coffee", "cat", "shuttle"])
def test_boxes_around_photographs(thing: np.ndarray, least: float) -> None:
    x0, y0, x1, y1 = corners(thing)
    for box in ((x0, y0, x1, y1), (x0 - 3, y0 - 2, x1 + 2, y1 + 4)):
        mask = mask_of_box(FRAME, box)
        assert mask.dtype == bool and mask.shape == labels.shape and overlap(mask, thing) > least


def test_a_mask_stays_in_its_box_and_is_always_the_same() -> None:
    box = (30, 20, 200, 150)
    mask = mask_of_box(FRAME, box)
    cv2.setRNGSeed(77)
    assert np.array_equal(mask, mask_of_box(FRAME.copy(), box))
    mask[20:150, 30:200] = False
    assert not mask.any()


@pytest.mark.parametrize("scale", [0.2, 3])
def test_size_hardly_matters(scale: float) -> None:
    frame = cv2.resize(FRAME, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    truth = cv2.resize(CAT.astype(np.uint8), frame.shape[1::-1], interpolation=cv2.INTER_NEAREST) > 0
    assert overlap(mask_of_box(frame, corners(truth)), truth) > 0.85


def test_boxes_partly_outside_are_cut_off() -> None:
    inside = mask_of_box(FRAME, (0, 0, 120, 90))
    assert np.array_equal(inside, mask_of_box(FRAME, (-40, -7.5, 120, 90)))
    assert mask_of_box(FRAME, (-50, -50, 5000, 5000)).any()
    assert np.array_equal(mask_of_box(FRAME, (-50, -50, math.inf, 90)), mask_of_box(FRAME, (0, 0, 356, 90)))


@pytest.mark.parametrize(
    ("box", "reason"),
    [
        ((400, 10, 500, 60), "box 400,10,500,60: lies outside the frame, which is 356x200"),
        ((-20, 10, 0, 60), "box -20,10,0,60: lies outside the frame"),
        ((50, 10, 50, 60), "box 50,10,50,60: is empty"),
        ((50, 60, 90, 10), "box 50,60,90,10: is empty"),
        ((math.nan, 10, 90, 60), "box nan,10,90,60: is empty"),
        ((math.inf, 10, math.inf, 60), "box inf,10,inf,60: is empty"),
        ((50, 10, 53, 60), "box 50,10,53,60: 3x50 pixels of it are in the frame, fewer than 4 a side"),
        ((-30, 10, 2, 60), "2x50 pixels of it are in the frame"),
    ],
)
def test_what_is_no_box(box: tuple[float, float, float, float], reason: str) -> None:
    with pytest.raises(HodorError) as error:
        mask_of_box(FRAME, box)
    assert reason in str(error.value) and "\n" not in str(error.value)


def test_where_nothing_stands_out_the_ellipse_is_taken(caplog: pytest.LogCaptureFixture) -> None:
    mask = mask_of_box(np.zeros((50, 60, 3), np.uint8), (5, 8, 45, 38))
    ellipse = np.zeros((500, 600), np.uint8)
    cv2.ellipse(ellipse, (250, 230), (200, 150), 0, 0, 360, 1, -1)
    assert overlap(mask, cv2.resize(ellipse, (60, 50), interpolation=cv2.INTER_AREA) > 0) > 0.9
    assert [record.getMessage() for record in caplog.records] == [
        "box 5,8,45,38: nothing in it stands out from its surroundings; the ellipse in it is taken"
    ]


@pytest.mark.parametrize("size", [(4, 4), (4, 300), (9, 5)])
def test_tiny_images(size: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    assert mask_of_box(image, (0, 0, 4, 4)).any()
    assert mask_of_click(image, [(1, 2)])[2, 1]


@pytest.mark.parametrize("top", range(100, 104))
@pytest.mark.parametrize("height", [4, 8])
def test_boxes_that_are_thinner_than_a_pixel_when_the_image_is_small(height: int, top: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (200, 4000, 3), dtype=np.uint8)
    mask = mask_of_box(image, (100, top, 3500, top + height))
    assert mask.any() and not mask[:top].any() and not mask[top + height :].any()
    assert mask_of_box(image[:height], (0, 0, 4000, height)).any()


def test_clicks_that_leave_no_surroundings() -> None:
    everywhere = [(x, y) for y in range(20) for x in range(30)]
    assert mask_of_click(np.zeros((20, 30, 3), np.uint8), everywhere).all()
    assert mask_of_click(np.zeros((1, 1, 3), np.uint8), [(0, 0)]).all()


@pytest.mark.parametrize(("thing", "least"), [(COFFEE, 0.9), (CAT, 0.85), (SHUTTLE, 0.85)], ids=["coffee", "cat", "shuttle"])
def test_clicks_on_photographs(thing: np.ndarray, least: float) -> None:
    x, y = innermost(thing)
    mask = mask_of_click(FRAME, [(x, y)])
    assert mask.dtype == bool and mask[y, x] and overlap(mask, thing) > least
    assert np.array_equal(mask, mask_of_click(FRAME.copy(), [(x, y)]))
    parts, _ = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    holes, _ = cv2.connectedComponents(np.pad(~mask, 1, constant_values=True).astype(np.uint8), connectivity=4)
    assert parts == holes == 2


def test_clicks_on_several_points_and_beside_the_object() -> None:
    (x, y), (x2, y2) = innermost(CAT), innermost(SHUTTLE)
    both = mask_of_click(FRAME, [(x, y), (x2, y2)])
    assert both[y, x] and both[y2, x2]
    alone = mask_of_click(FRAME, [(x, y)], not_points=[(x2, y2)])
    assert alone[y, x] and not alone[y2, x2]


def test_what_is_no_click() -> None:
    for point in ((-1, 5), (5, 200), (356, 5)):
        with pytest.raises(HodorError, match=r"click .*: lies outside the frame, which is 356x200"):
            mask_of_click(FRAME, [point])
        with pytest.raises(HodorError, match="lies outside the frame"):
            mask_of_click(FRAME, [(5, 5)], not_points=[point])
    with pytest.raises(HodorError, match="no point"):
        mask_of_click(FRAME, [])

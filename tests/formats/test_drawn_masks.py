"""Masks as people save them: the same labels from every form, and what can't be read for certain is refused with a remedy."""

import io
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw

from hodor.errors import HodorError
from hodor.formats.colour_ids import ColourIds
from hodor.formats.drawn_masks import read_drawn_mask
from hodor.formats.label_maps import davis_palette, read_label_map, write_label_map, youtube_vos_palette

RED, LIME, SKY = (255, 0, 0), (0, 255, 0), (10, 120, 250)


def random_labels(seed: int, ids: int = 6, largest: int = 254) -> np.ndarray:
    """Hard-edged ellipses, rectangles, thin lines and specks of any size, one over the other; never empty."""
    random = np.random.default_rng(seed)
    labels = np.zeros((random.integers(30, 90), random.integers(30, 90)), np.uint8)
    for object_id in random.choice(np.arange(1, largest + 1), ids, replace=False).tolist():
        (x, y), (x2, y2), (a, b) = (tuple(random.integers(0, labels.shape[1], 2).tolist()) for _ in range(3))
        kind = random.integers(4)
        if kind == 0:
            cv2.ellipse(labels, (x, y), (a // 3, b // 3), int(random.integers(180)), 0, 360, object_id, -1)
        elif kind == 1:
            cv2.rectangle(labels, (x, y), (x2, y2), object_id, -1)
        elif kind == 2:
            cv2.line(labels, (x, y), (x2, y2), object_id, int(random.integers(1, 3)))
        else:
            cv2.circle(labels, (x, y), int(random.integers(3)), object_id, -1)
    labels[:4, :4] = 1
    return labels


def in_colours(labels: np.ndarray, *colours: tuple[int, int, int]) -> np.ndarray:
    """Ids 0, 1, ... as black and these colours, `[H, W, 3]` uint8."""
    return np.array([(0, 0, 0), *colours], np.uint8)[labels]


def saved(path: Path, pixels: np.ndarray, **options: object) -> Path:
    Image.fromarray(pixels).save(path, **options)
    return path


@pytest.mark.parametrize("kind", ["L", "1", "P", "RGB"])
def test_black_on_white_is_said_and_can_be_turned(tmp_path: Path, kind: str) -> None:
    black = np.zeros((40, 60), bool)
    black[10:30, 20:50] = True
    for name, white in (("usual.png", black), ("turned.png", ~black)):
        Image.fromarray(white.astype(np.uint8) * 255).convert(kind).save(tmp_path / name)
        drawn = read_drawn_mask(tmp_path / name)
        np.testing.assert_array_equal(drawn.labels == 1, white)
        assert ("--colours black=1 white=0" in drawn.found) == (name == "turned.png")
    turned = read_drawn_mask(tmp_path / "turned.png", colours=ColourIds.parse(["black=1", "white=0"]))
    np.testing.assert_array_equal(turned.labels == 1, black)


@pytest.mark.parametrize("seed", range(40))
def test_every_form_of_ids_gives_the_same_labels(tmp_path: Path, seed: int) -> None:
    labels = random_labels(seed)
    forms = {"grey.png": labels, "grey.bmp": labels, "grey_alpha.png": np.dstack([labels, np.full_like(labels, 255)])}
    forms["davis.png"] = davis_palette()[labels]
    forms["davis.tif"] = davis_palette()[labels]
    forms["youtube.png"] = youtube_vos_palette()[labels]
    forms["cleared.png"] = np.dstack([davis_palette()[labels], (labels > 0) * np.uint8(255)])
    paths = [saved(tmp_path / name, pixels) for name, pixels in forms.items()]
    write_label_map(tmp_path / "palette.png", labels, youtube_vos_palette())
    for path in [*paths, tmp_path / "palette.png"]:
        drawn = read_drawn_mask(path, size=labels.shape)
        assert drawn.labels.dtype == np.uint8 and np.array_equal(drawn.labels, labels), path.name


@pytest.mark.parametrize(
    "name", ["white", "white in colour", "one", "bit", "palette of two", "white with alpha", "black silhouette"]
)
def test_one_object_in_every_form(tmp_path: Path, name: str) -> None:
    inside = random_labels(3) > 0
    white = inside * np.uint8(255)
    pixels = {
        "white": white,
        "white in colour": np.dstack([white] * 3),
        "one": inside.astype(np.uint8),
        "bit": inside,
        "white with alpha": np.dstack([white] * 4),
        "black silhouette": np.dstack([white * 0] * 3 + [white]),
    }
    path = tmp_path / "mask.png"
    if name == "palette of two":
        picture = Image.fromarray(inside.astype(np.uint8)).convert("P")
        picture.putpalette([0, 0, 0, 255, 255, 255])
        picture.save(path, bits=1)
    else:
        saved(path, pixels[name])
    drawn = read_drawn_mask(path)
    assert np.array_equal(drawn.labels, inside) and drawn.found.startswith("object 1: from ")


def test_what_was_found_is_said(tmp_path: Path) -> None:
    labels = np.kron(np.array([[0, 1, 2], [0, 0, 255]], np.uint8), np.ones((6, 6), np.uint8))
    ids = read_drawn_mask(saved(tmp_path / "a.png", labels))
    assert ids.found == "objects 1, 2: from grey values, 255 taken as unsure" and set(np.unique(ids.labels)) == {0, 1, 2}
    colours = in_colours(labels % 255, LIME, RED)
    colours[6:] = 0
    assert read_drawn_mask(saved(tmp_path / "b.png", colours)).found == "objects 1 (#00ff00), 2 (red): from colours"
    many = np.kron(np.arange(1, 31, dtype=np.uint8).reshape(5, 6), np.ones((4, 4), np.uint8))
    assert read_drawn_mask(saved(tmp_path / "c.png", many)).found == "30 objects, 1..30: from grey values"


def test_photographs_cut_out_on_transparency(tmp_path: Path) -> None:
    alpha = cv2.GaussianBlur((random_labels(5) > 0) * np.uint8(255), (0, 0), 1.5)
    photograph = np.random.default_rng(0).integers(0, 256, (*alpha.shape, 3), dtype=np.uint8)
    drawn = read_drawn_mask(saved(tmp_path / "cat.png", np.dstack([photograph, alpha])))
    assert np.array_equal(drawn.labels, alpha > 127) and drawn.found == "object 1: from what is not transparent"


def test_soft_transparency_of_flat_colours_is_cut_at_one_half(tmp_path: Path) -> None:
    labels = np.zeros((40, 60), np.uint8)
    labels[5:20, 5:25], labels[15:35, 30:55] = 1, 2
    alpha = cv2.GaussianBlur((labels > 0) * np.uint8(255), (0, 0), 1.2)
    spread = cv2.dilate(labels, np.ones((7, 7), np.uint8))
    drawn = read_drawn_mask(saved(tmp_path / "layer.png", np.dstack([in_colours(spread, LIME, RED), alpha])))
    assert np.array_equal(drawn.labels, np.where(alpha > 127, spread, 0))


def test_a_transparent_index_is_background(tmp_path: Path) -> None:
    picture = Image.fromarray(np.kron(np.array([[0, 1], [1, 2]], np.uint8), np.ones((5, 5), np.uint8))).convert("P")
    picture.putpalette([*RED, 9, 9, 9, *LIME])
    picture.save(tmp_path / "a.png", transparency=1)
    labels = read_drawn_mask(tmp_path / "a.png").labels
    assert (labels[:5, 5:] == 0).all() and (labels[5:, :5] == 0).all()
    assert {labels[0, 0], labels[9, 9]} == {1, 2}


@pytest.mark.parametrize("suffix", ["png", "gif"])
def test_a_palette_in_the_order_of_areas_is_not_taken_for_ids(tmp_path: Path, suffix: str) -> None:
    inside = np.kron(np.array([[0, 1], [1, 1]], np.uint8), np.ones((5, 5), np.uint8))
    picture = Image.fromarray(1 - inside).convert("P")
    picture.putpalette([255, 255, 255, 0, 0, 0])
    path = tmp_path / f"a.{suffix}"
    picture.save(path, optimize=False)
    with pytest.raises(HodorError, match=r"black has the index 1 in its palette, .* --colours black=0 white=1") as error:
        read_drawn_mask(path)
    assert "\n" not in str(error.value)
    assert np.array_equal(read_drawn_mask(path, colours=ColourIds.parse(["black=0", "white=1"])).labels, inside)
    picture.convert("RGB").save(tmp_path / "b.png")
    assert np.array_equal(read_drawn_mask(tmp_path / "b.png").labels, inside)


def test_a_colour_means_one_object_in_all_masks(tmp_path: Path) -> None:
    colours = ColourIds()
    small, large = np.s_[2:8, 2:8], np.s_[10:30, 10:30]
    first, second = np.zeros((2, 40, 40, 3), np.uint8)
    first[small], first[large] = RED, LIME
    second[small], second[large] = SKY, RED
    labels = read_drawn_mask(saved(tmp_path / "a.png", first), colours=colours).labels
    assert (labels[small] == 1).all() and (labels[large] == 2).all()
    labels = read_drawn_mask(saved(tmp_path / "b.png", second), colours=colours).labels
    assert (labels[small] == 3).all() and (labels[large] == 1).all()


def test_white_beside_colours_of_other_masks_is_an_object_of_its_own(tmp_path: Path) -> None:
    inside = np.zeros((20, 30), np.uint8)
    inside[5:15, 5:20] = 1
    colours = ColourIds()
    for name, colour in (("a", (255, 0, 0)), ("b", (255, 255, 255))):
        Image.fromarray((inside[..., None] * np.array(colour)).astype(np.uint8)).save(tmp_path / f"{name}.png")
    found = [read_drawn_mask(tmp_path / f"{name}.png", colours=colours).labels.max() for name in ("a", "b", "a")]
    assert found == [1, 2, 1]


def test_white_stays_the_object_that_it_was(tmp_path: Path) -> None:
    colours = ColourIds()
    first = np.zeros((20, 20, 3), np.uint8)
    first[2:9, 2:9] = 255
    second = first.copy()
    second[12:18, 12:18] = RED
    assert (read_drawn_mask(saved(tmp_path / "a.png", first), colours=colours).labels[2:9, 2:9] == 1).all()
    labels = read_drawn_mask(saved(tmp_path / "b.png", second), colours=colours).labels
    assert (labels[2:9, 2:9] == 1).all() and (labels[12:18, 12:18] == 2).all()
    assert (read_drawn_mask(saved(tmp_path / "c.png", first), colours=colours).labels[2:9, 2:9] == 1).all()


def test_equal_areas_count_from_the_top(tmp_path: Path) -> None:
    pixels = in_colours(np.kron(np.array([[0, 2], [1, 0]], np.uint8), np.ones((6, 6), np.uint8)), SKY, RED)
    labels = read_drawn_mask(saved(tmp_path / "a.png", pixels)).labels
    assert labels[0, 6] == 1 and labels[6, 0] == 2


@pytest.mark.parametrize("form", ["colour", "palette"])
def test_the_user_says_which_colour_is_which_object(tmp_path: Path, form: str) -> None:
    labels = np.kron(np.array([[0, 1, 2, 3]], np.uint8), np.ones((6, 6), np.uint8))
    picture = Image.fromarray(in_colours(labels, RED, LIME, (255, 255, 255)))
    (picture.quantize(4) if form == "palette" else picture).save(tmp_path / "a.png")
    drawn = read_drawn_mask(tmp_path / "a.png", colours=ColourIds.parse(["#00ff00=7", "red=12", "white=0"]))
    assert np.array_equal(drawn.labels, np.array([0, 12, 7, 0], np.uint8)[labels])
    assert drawn.found == "objects 7 (#00ff00), 12 (red): from colours"
    with pytest.raises(HodorError, match=r"a\.png: #00ff00 is none of the --colours \(red, white\); add #00ff00=ID"):
        read_drawn_mask(tmp_path / "a.png", colours=ColourIds.parse(["red=1", "white=0"]))


def test_black_may_be_an_object_when_the_user_says_so(tmp_path: Path) -> None:
    inside = random_labels(8) > 0
    path = saved(tmp_path / "inverted.png", ~inside * np.uint8(255))
    assert np.array_equal(read_drawn_mask(path, colours=ColourIds.parse(["black=1", "white=0"])).labels, inside)


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        (["red"], "--colours red: must be COLOUR=ID"),
        (["red=x"], "must be COLOUR=ID"),
        (["red=255"], "up to 254"),
        (["reddish=1"], "'reddish' is no colour"),
        (["red=1", "#ff0000=2"], "red is named twice"),
        (["red=0"], "no colour has an object's id"),
    ],
)
def test_wrong_colours_are_explained(texts: list[str], reason: str) -> None:
    with pytest.raises(HodorError) as error:
        ColourIds.parse(texts)
    assert reason in str(error.value) and "\n" not in str(error.value)


def pillow_ellipse(radius: int) -> np.ndarray:
    """Opacity `[H, W]` in 0..1, drawn four times as large."""
    side = 4 * (2 * radius + 10)
    picture = Image.new("L", (side, side))
    ImageDraw.Draw(picture).ellipse((18, 20, 20 + 8 * radius, 18 + 6 * radius), fill=255)
    return np.asarray(picture.resize((side // 4, side // 4), Image.Resampling.BOX)) / 255


def opencv_ellipse(radius: int) -> np.ndarray:
    picture = np.zeros((2 * radius + 10,) * 2, np.uint8)
    cv2.ellipse(picture, (radius + 5,) * 2, (radius, 2 * radius // 3), 25, 0, 360, 255, -1, cv2.LINE_AA)
    return picture / 255


def blurred_rectangle(radius: int) -> np.ndarray:
    picture = np.zeros((2 * radius + 20, 3 * radius + 20))
    picture[8:-8, 9:-7] = 1
    return cv2.GaussianBlur(picture, (0, 0), 1.2)


def half_covered_rectangle(radius: int) -> np.ndarray:
    picture = np.zeros((2 * radius + 10, 3 * radius + 10))
    picture[3:-3, 3:-3], picture[4:-4, 4:-4] = 0.5, 1
    return picture


SOFT = [pillow_ellipse, opencv_ellipse, blurred_rectangle]


@pytest.mark.parametrize("radius", [3, 5, 11, 30, 90])
@pytest.mark.parametrize("shape", SOFT)
def test_soft_edges_are_refused(tmp_path: Path, shape: Callable[[int], np.ndarray], radius: int) -> None:
    opacity = shape(radius)[..., None]
    over_sky = opacity * RED + (1 - opacity) * SKY
    for index, pixels in enumerate(
        (opacity[..., 0] * 255, opacity[..., 0] * 17, opacity * 255 * np.ones(3), opacity * RED, over_sky)
    ):
        path = saved(tmp_path / f"{index}.png", np.round(pixels).astype(np.uint8))
        with pytest.raises(HodorError, match=r"\.png: the mask has soft edges.*hard brush.*PNG.*--threshold 128") as error:
            read_drawn_mask(path)
        assert "\n" not in str(error.value)


def test_one_value_between_black_and_white_is_soft_too(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", np.round(half_covered_rectangle(8) * 255).astype(np.uint8))
    with pytest.raises(HodorError, match="soft edges: 1 of its 3 values, such as 128"):
        read_drawn_mask(path)


@pytest.mark.parametrize("quality", [95, 75])
@pytest.mark.parametrize("colour", [(255, 255, 255), RED, (0, 128, 0)])
def test_jpegs_are_refused_under_any_name(tmp_path: Path, colour: tuple[int, int, int], quality: int) -> None:
    pixels = in_colours((random_labels(11) > 0).astype(np.uint8), colour)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "JPEG", quality=quality)
    (tmp_path / "a.jpg").write_bytes(content.getvalue())
    with pytest.raises(HodorError, match=r"a\.jpg: JPEG blurs .*PNG.*--threshold"):
        read_drawn_mask(tmp_path / "a.jpg")
    Image.open(content).save(tmp_path / "b.png")
    with pytest.raises(HodorError, match="soft edges"):
        read_drawn_mask(tmp_path / "b.png")
    labels = read_drawn_mask(tmp_path / "a.jpg", threshold=100).labels
    assert (labels == (pixels.max(axis=2) > 0)).mean() > 0.98


@pytest.mark.parametrize("gap", [0, 1])
@pytest.mark.parametrize("side", [2, 3, 5])
def test_crowds_of_small_objects_are_no_soft_edges(tmp_path: Path, side: int, gap: int) -> None:
    cell = np.zeros((side + gap,) * 2, np.uint8)
    cell[:side, :side] = 1
    labels = np.pad(np.kron(np.arange(1, 145, dtype=np.uint8).reshape(12, 12), cell), 3)
    for path in (saved(tmp_path / "a.png", labels), saved(tmp_path / "b.png", davis_palette()[labels])):
        assert np.array_equal(read_drawn_mask(path).labels, labels)


def test_thin_objects_between_others_are_no_soft_edges(tmp_path: Path) -> None:
    labels = np.zeros((30, 50), np.uint8)
    labels[10:], labels[10], labels[11], labels[12] = 9, 2, 4, 6
    cv2.line(labels, (5, 12), (40, 29), 7, 1)
    labels[:10, 20:22], labels[:10, 22:30] = 3, 5
    assert np.array_equal(read_drawn_mask(saved(tmp_path / "a.png", labels)).labels, labels)


@pytest.mark.parametrize("shape", [*SOFT, half_covered_rectangle])
def test_a_threshold_reads_soft_masks_as_one_object(tmp_path: Path, shape: Callable[[int], np.ndarray]) -> None:
    soft = np.round(shape(12) * 255).astype(np.uint8)
    transparent = np.dstack([np.full_like(soft, 255)] * 3 + [soft])
    for path in (saved(tmp_path / "a.png", soft), saved(tmp_path / "b.png", transparent)):
        drawn = read_drawn_mask(path, threshold=128)
        assert np.array_equal(drawn.labels, soft >= 128) and drawn.found == "object 1: from values of 128 or more"
    with pytest.raises(HodorError, match="--threshold 0: must be from 1 to 255"):
        read_drawn_mask(tmp_path / "a.png", threshold=0)


def test_what_is_no_mask_of_a_frame(tmp_path: Path) -> None:
    labels = random_labels(2)
    height, width = labels.shape
    path = saved(tmp_path / "a.png", labels)
    with pytest.raises(HodorError, match=rf"a\.png: the mask is {width}x{height}, its frame 7x{height}; .*nearest"):
        read_drawn_mask(path, size=(height, 7))
    for name, pixels in {
        "black": labels * 0,
        "clear": np.zeros((9, 9, 4), np.uint8),
        "unsure": davis_palette()[labels | 255],
    }.items():
        with pytest.raises(HodorError, match=rf"{name}\.png: the mask is empty"):
            read_drawn_mask(saved(tmp_path / f"{name}.png", pixels))
    with pytest.raises(HodorError, match=r"deep\.png: 16 bits"):
        read_drawn_mask(saved(tmp_path / "deep.png", labels.astype(np.uint16) * 257))
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(HodorError, match=r"text\.png: .*not an image"):
        read_drawn_mask(tmp_path / "text.png")
    with pytest.raises(HodorError, match=r"none\.png: no such file"):
        read_drawn_mask(tmp_path / "none.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    with pytest.raises(HodorError, match=r"turned\.png: .*EXIF"):
        read_drawn_mask(saved(tmp_path / "turned.png", labels, exif=exif))


def test_more_colours_than_ids(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    with pytest.raises(HodorError, match=r"a\.png: .*colours"):
        read_drawn_mask(saved(tmp_path / "a.png", noise))


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_label_maps(tmp_path: Path, seed: int) -> None:
    path = saved(tmp_path / "a.png", youtube_vos_palette()[random_labels(seed, largest=10)])
    assert np.array_equal(read_drawn_mask(path).labels, read_label_map(path))

"""What users hand over: everything that means the same gives the same masks, everything else is one clear line."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from support.small import SMALL, small_checkpoint

from hodor import HodorError, Segmenter
from hodor.formats.drawn_masks import read_drawn_mask, refuse_blurring_format
from hodor.synthetic import SyntheticClip

HEIGHT, WIDTH = 45, 70


@pytest.fixture(scope="module")
def model():
    return small_checkpoint().model


@pytest.fixture(scope="module")
def clip():
    return list(SyntheticClip(frames=3, height=HEIGHT, width=WIDTH, objects=2, seed=3))


def segmenter_of(model, **options):
    return Segmenter(model, min_dim=SMALL.input.min_dim, max_dim=SMALL.input.max_dim, device="cpu", **options)


def box(top, left, bottom, right):
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[top:bottom, left:right] = True
    return mask


FIRST, SECOND = box(3, 5, 20, 41), box(24, 30, 44, 69)


def labels_of(model, frames, masks, **options):
    segmenter = segmenter_of(model, **options)
    return np.stack([segmenter.step(frame, None if t else masks).numpy() for t, frame in enumerate(frames)])


FRAMES = {
    "floats in 0..255": lambda image: image.astype(np.float32),
    "half precision": lambda image: torch.from_numpy(image).permute(2, 0, 1).half(),
    "PIL": Image.fromarray,
    "PIL with transparency": lambda image: Image.fromarray(image).convert("RGBA"),
    "turned channels of OpenCV": lambda image: np.ascontiguousarray(image[..., ::-1])[..., ::-1],
    "read-only": lambda image: np.frombuffer(image.tobytes(), dtype=np.uint8).reshape(image.shape),
}


@pytest.mark.parametrize("kind", FRAMES)
@pytest.mark.parametrize("look_ahead", [1, 2])
def test_kinds_of_frames_mean_the_same(model, clip, kind, look_ahead):
    frames = [image for image, _ in clip]
    expected = labels_of(model, frames, {1: FIRST})
    followed = segmenter_of(model, look_ahead=look_ahead).follow(
        (FRAMES[kind](frame), None if t else {1: FIRST}) for t, frame in enumerate(frames)
    )
    agreement = [(ours.numpy() == theirs).mean() for ours, theirs in zip(followed, expected, strict=True)]
    assert min(agreement) == 1 if look_ahead == 1 else min(agreement) >= 0.999


def test_a_palette_image_counts_with_its_colours(model, clip):
    palette = Image.fromarray(clip[0][0]).quantize(16)
    expected = labels_of(model, [np.array(palette.convert("RGB"))] * 2, {1: FIRST})
    assert (labels_of(model, [palette] * 2, {1: FIRST}) == expected).all()


BAD_FRAMES = [
    (lambda image: image.astype(np.uint16) * 257, r"not uint16; make it uint8 \(16 bits: divide by 257"),
    (lambda image: torch.from_numpy(image).permute(2, 0, 1).to(torch.int16), "not int16; make it uint8"),
    (lambda image: image.astype(np.int64), "not int64; make it uint8"),
    (lambda image: image > 100, "not bool; make it uint8"),
    (lambda image: image / 255, r"values are 0.*\.\.1, not 0\.\.255; multiply by 255"),
    (lambda image: torch.from_numpy(image).permute(2, 0, 1) / 255, "multiply by 255"),
    (lambda image: (image - 120.0) / 60, r"values are -.* instead of 0\.\.255; undo the normalisation"),
    (lambda image: image * 257.0, "undo the normalisation, or clip"),
    (lambda image: Image.fromarray(image).convert("F"), "mode F is not supported"),
    (lambda image: "frame.png", "a frame must be an array or a tensor of numbers, or a PIL image, not str"),
    (lambda image: image.astype(object), "a frame must be an array or a tensor of numbers, or a PIL image, not object"),
]


@pytest.mark.parametrize(("change", "message"), BAD_FRAMES)
@pytest.mark.parametrize("look_ahead", [1, 2])
def test_frames_that_would_give_wrong_masks_are_refused_in_one_line(model, clip, change, message, look_ahead):
    image = np.clip(clip[0][0], 1, 255)
    image[0, 0] = 255
    label_maps = segmenter_of(model, look_ahead=look_ahead).follow([(image, {1: FIRST}), (change(image), None)])
    next(label_maps)
    with pytest.raises(HodorError, match=message) as caught:
        next(label_maps)
    assert "\n" not in str(caught.value)


def test_black_and_dark_frames_of_floats(model, clip):
    bright, black = clip[0][0].astype(np.float32), np.zeros((HEIGHT, WIDTH, 3), dtype=np.float32)
    dark = black + 0.5
    segmenter = segmenter_of(model)
    segmenter.step(black, {1: FIRST})
    with pytest.raises(HodorError, match="make a nearly black frame uint8"):
        segmenter.step(dark)
    segmenter.step(bright)
    segmenter.step(dark)
    continued = segmenter_of(model)
    continued.load_state_dict(segmenter.state_dict())
    continued.step(dark)
    segmenter.reset()
    with pytest.raises(HodorError, match="multiply by 255"):
        segmenter.step(dark)


MASKS = {
    "uint8": lambda mask: mask.astype(np.uint8),
    "0 and 255": lambda mask: mask.astype(np.uint8) * 255,
    "int64": lambda mask: mask.astype(np.int64),
    "uint16": lambda mask: mask.astype(np.uint16) * 300,
    "tensor of uint16": lambda mask: torch.from_numpy(mask).to(torch.uint16),
    "another byte order": lambda mask: mask.astype(">u2"),
    "floats": lambda mask: mask.astype(np.float64),
    "floats of 0 and 255": lambda mask: mask * np.float32(255),
    "probabilities": lambda mask: np.where(mask, 0.9, 0.1),
    "half precision": lambda mask: torch.where(torch.from_numpy(mask), 0.7, 0.3).half(),
    "bool tensor": torch.from_numpy,
    "PIL black and white": Image.fromarray,
    "PIL grey": lambda mask: Image.fromarray(mask.astype(np.uint8) * 255),
    "PIL palette": lambda mask: Image.fromarray(mask.astype(np.uint8)).convert("P"),
    "turned": lambda mask: np.ascontiguousarray(mask[::-1])[::-1],
    "lists": lambda mask: mask.tolist(),
}


@pytest.mark.parametrize("kind", MASKS)
def test_kinds_of_masks_mean_the_same(model, clip, kind):
    labels = segmenter_of(model).step(clip[0][0], {7: MASKS[kind](FIRST), np.int64(2): MASKS[kind](SECOND)})
    assert (labels.numpy() == np.where(FIRST, 7, np.where(SECOND, 2, 0))).all()


def test_a_palette_png_is_a_label_map(model, clip):
    labels = np.where(FIRST, 7, np.where(SECOND, 2, 0)).astype(np.uint8)
    picture = Image.fromarray(labels)
    picture.putpalette(bytes(range(256)) * 3)
    assert picture.mode == "P"
    assert (segmenter_of(model).step(clip[0][0], picture).numpy() == labels).all()


@pytest.mark.parametrize("kind", [np.uint8, np.int32, np.float32, np.uint16])
def test_255_in_a_label_map_is_unsure_unless_there_is_nothing_else(model, clip, kind):
    both = np.where(FIRST, 7, np.where(SECOND, 255, 0)).astype(kind)
    segmenter = segmenter_of(model)
    assert (segmenter.step(clip[0][0], both).numpy() == np.where(FIRST, 7, 0)).all()
    assert segmenter.object_ids == [7]
    alone = (FIRST * 255).astype(kind)
    assert (segmenter_of(model).step(clip[0][0], alone).numpy() == FIRST).all()
    assert (segmenter_of(model).step(clip[0][0], {255: FIRST}).numpy() == np.where(FIRST, 255, 0)).all()


BAD_MASKS = [
    ({"dog": FIRST}, r"object ids are whole numbers from 1 to 255, not 'dog'; number the objects: \{1: mask\}"),
    ({1.5: FIRST}, "not 1.5; number the objects"),
    ({3: np.where(FIRST, 0.4, 0.1)}, "object 3: its mask is empty: no probability is above 0.5"),
    ({3: np.where(FIRST, 4.0, -4.0)}, "object 3: its mask holds NaN or values below 0; give probabilities"),
    ({3: np.where(FIRST, 1, np.nan)}, "object 3: its mask holds NaN"),
    ({3: "dog.png"}, "object 3: its mask must be an array or a tensor of numbers, or a PIL image, not str"),
    ({3: Image.new("RGB", (WIDTH, HEIGHT))}, f"object 3: its mask is {HEIGHT} x {WIDTH} x 3, but the frame is"),
    (np.where(FIRST, 0.9, 0.1), r"whole numbers; give probabilities as \{object id: mask\}"),
    (np.where(FIRST, 1, np.nan), "whole numbers"),
    (np.where(FIRST, -1, 0), "object ids are 1..255, not -1"),
    (np.stack([FIRST, SECOND]), rf"a label map must be \[H, W\] of object ids, not \[2, {HEIGHT}, {WIDTH}\]"),
    ([[1, 2], [3]], "a label map must be an array or a tensor of numbers, or a PIL image, not list"),
    ("dog.png", "a label map must be an array or a tensor of numbers"),
]


def read_again(picture, name, tmp_path, **options):
    picture.save(tmp_path / name, **options)
    return Image.open(tmp_path / name)


@pytest.mark.parametrize("name", ["soft.png", "soft.jpg", "black.png", "lossy.webp"])
def test_pictures_whose_values_are_no_ids_are_refused_as_files_are(model, clip, tmp_path, name):
    white = Image.fromarray(FIRST.astype(np.uint8) * 255)
    if name == "soft.png":
        white = white.filter(ImageFilter.GaussianBlur(1))
    elif name == "black.png":
        white = Image.fromarray(FIRST.astype(np.uint8)).convert("P")
        white.putpalette([255, 0, 0] + [0] * 765)
    picture = read_again(white, name, tmp_path)
    segmenter = segmenter_of(model)
    with pytest.raises(HodorError, match=r"^the label map: (JPEG|lossy WebP|black|the mask has soft edges)") as caught:
        segmenter.step(clip[0][0], picture)
    assert "\n" not in str(caught.value) and segmenter.object_ids == []
    if name == "soft.png":
        with pytest.raises(HodorError, match="soft edges"):
            segmenter.step(clip[0][0], np.asarray(picture))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.webp", {"lossless": True}),
        ("a.webp", {"lossless": True, "xmp": b"<x>VP8 is lossy</x>"}),
        ("a.gif", {}),
        ("a.bmp", {}),
        ("a.tif", {}),
    ],
)
def test_files_of_exact_kinds_are_masks(model, clip, tmp_path, name, options):
    picture = read_again(Image.fromarray(FIRST.astype(np.uint8) * 255), name, tmp_path, **options)
    refuse_blurring_format(picture, name)
    assert (read_drawn_mask(tmp_path / name).labels == FIRST).all()
    if picture.mode in {"L", "P"}:  # WebP comes as RGB, which is no label map
        assert (segmenter_of(model).step(clip[0][0], picture.convert("L")).numpy() == FIRST).all()


@pytest.mark.parametrize(("given", "message"), BAD_MASKS)
def test_masks_that_mean_nothing_are_refused_in_one_line(model, clip, given, message):
    segmenter = segmenter_of(model)
    with pytest.raises(HodorError, match=message) as caught:
        segmenter.step(clip[0][0], given)
    assert "\n" not in str(caught.value)
    assert segmenter.object_ids == []


@pytest.mark.parametrize("look_ahead", [1, 3])
def test_following_frames_without_masks_is_refused(model, clip, look_ahead):
    for video in ([image for image, _ in clip], [image[:2] for image, _ in clip], [Image.fromarray(clip[0][0])]):
        with pytest.raises(
            HodorError, match=r"follow takes pairs \(frame, masks\), masks being None where none are given, not "
        ):
            next(segmenter_of(model, look_ahead=look_ahead).follow(video))


def test_one_frame_of_another_type_ahead_changes_nothing(model, clip):
    frames = [clip[0][0], clip[1][0].astype(np.float32), Image.fromarray(clip[2][0])]
    given = [(frame, None if t else {1: FIRST}) for t, frame in enumerate(frames)]
    followed = [labels.numpy() for labels in segmenter_of(model, look_ahead=3).follow(given)]
    assert (np.stack(followed) == labels_of(model, [image for image, _ in clip], {1: FIRST})).all()

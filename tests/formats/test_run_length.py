import numpy as np
import pytest
from pycocotools import mask as coco

from hodor.formats import run_length


def masks() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    shapes = [(1, 1), (1, 7), (7, 1), (2, 2), (3, 500), (500, 3), (37, 41), (480, 854)]
    degenerate = [np.full(shape, value) for shape in shapes for value in (False, True)]
    noise = [random.random(random.integers(1, 60, 2)) < random.random() for _ in range(300)]
    blocks = [np.kron(random.random((6, 5)) < 0.5, np.ones((17, 23), bool)) for _ in range(20)]
    corners = []
    for row in (0, -1):
        for column in (0, -1):
            mask = np.zeros((9, 13), bool)
            mask[row, column] = True
            corners += [mask, ~mask]
    return degenerate + noise + blocks + corners


def reference(mask: np.ndarray) -> str:
    return coco.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode("ascii")


def test_encode_writes_the_same_text_as_pycocotools() -> None:
    for mask in masks():
        assert run_length.encode(mask) == reference(mask)


def test_decode_reads_what_pycocotools_writes() -> None:
    for mask in masks():
        decoded = run_length.decode(reference(mask), *mask.shape)
        assert decoded.dtype == bool and decoded.flags["C_CONTIGUOUS"]
        assert np.array_equal(decoded, mask)


def test_area_counts_the_pixels() -> None:
    for mask in masks():
        assert run_length.area(reference(mask)) == mask.sum()


def test_encode_takes_any_number_type() -> None:
    mask = np.zeros((5, 6), np.uint8)
    mask[1:3, 2:5] = 255
    expected = reference(mask > 0)
    for kind in (bool, np.uint8, np.int64, np.float32):
        assert run_length.encode((mask > 0).astype(kind) * (1 if kind is bool else 7)) == expected
    assert run_length.encode(np.asfortranarray(mask)) == expected


def test_a_code_of_another_size_is_refused() -> None:
    mask = np.zeros((10, 12), bool)
    mask[2:5, 3:9] = True
    text = run_length.encode(mask)
    for height, width in ((10, 11), (11, 12), (0, 0), (1, 1)):
        with pytest.raises(ValueError, match="120 pixels"):
            run_length.decode(text, height, width)


@pytest.mark.parametrize("text", ["", " ", "P", "ü", "\ud800", "o" * 100, "0\n", "1 2", "\x00", "p0", "OOOOOOOOO" * 5])
def test_malformed_codes_are_value_errors(text: str) -> None:
    with pytest.raises(ValueError):
        run_length.decode(text, 10, 12)


def test_a_negative_run_is_refused_by_decode_and_area() -> None:
    text = "5O1"  # runs of 5, -1, 1
    with pytest.raises(ValueError, match="negative"):
        run_length.decode(text, 1, 5)
    with pytest.raises(ValueError, match="negative"):
        run_length.area(text)


def test_random_text_never_raises_anything_else() -> None:
    random = np.random.default_rng(1)
    valid = run_length.encode(random.random((20, 30)) < 0.3)
    refused = 0
    for number in range(6000):
        characters = list(valid) if number % 2 else [chr(c) for c in random.integers(0, 200, random.integers(0, 40))]
        for _ in range(random.integers(1, 4)):
            if characters:
                characters[random.integers(len(characters))] = chr(random.integers(40, 120))
        if number % 3 == 0:
            del characters[random.integers(len(characters) + 1) :]
        text = "".join(characters)
        try:
            mask = run_length.decode(text, 20, 30)
        except ValueError:
            refused += 1
        else:
            assert mask.shape == (20, 30) and mask.sum() == run_length.area(text)
    assert refused > 5000

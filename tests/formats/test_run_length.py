import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as coco

from hodor.errors import HodorError
from hodor.evaluation.masks import read_sequences
from hodor.formats import run_length
from hodor.formats.inference_json import InferenceSequence
from hodor.formats.training_json import read_training_json


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


def test_a_negative_run_is_refused() -> None:
    text = "5O1"  # runs of 5, -1, 1
    with pytest.raises(ValueError, match="negative"):
        run_length.decode(text, 1, 5)


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
            assert mask.shape == (20, 30)
    assert refused > 5000


def number_to_text(value: int) -> str:
    """One number of a run-length string."""
    characters = []
    while True:
        group = value & 0x1F
        value >>= 5
        more = value != (-1 if group & 0x10 else 0)
        characters.append(chr(48 + (group | (0x20 if more else 0))))
        if not more:
            return "".join(characters)


def written(*counts: int) -> str:
    """A run-length string of any counts, also of ones that no mask has."""
    stored = [count - counts[i - 2] if i > 2 else count for i, count in enumerate(counts)]
    return "".join(number_to_text(value) for value in stored)


def summing_to(total: int, pairs: int = 2**14) -> str:
    """A short string of growing runs, so many pixels together."""
    step, rest = divmod(total, pairs * (pairs - 1))
    return written(rest, *[(i // 2) * step for i in range(2 * pairs)])


def test_counts_that_are_written_as_they_are_can_be_read() -> None:
    assert run_length.decode(written(5, 3, 4, 8), 4, 5).sum() == 11


HOSTILE = {
    "wraps to the size": summing_to(2**64 + 4096),
    "wraps to the size and has empty runs": summing_to(2**64 + 4096) + "0" * 1000,
    "wraps twice to the size": summing_to(2**65 + 4096),
    "wraps to a negative sum": summing_to(2**63 + 4096),
    "grows until it wraps": written(1, 1, 1) + "oooooooo?"[1:] * 2**16,
    "one long run": written(2**38),
    "one long run among others": written(0, 2**38, 4096),
    "as long as a number can be": "ooooooo?",
    "longer than a number can be": "oooooooooooo?",
    "negative": written(4097, -1),
    "negative behind a long run": written(2**38, 4096, -(2**38)),
    "negative differences": "O" * 4096,
    "a character below the alphabet": "/" + written(4096),
    "a character behind the alphabet": written(4096) + "p",
    "characters of two bytes": "é" * 40,
    "half a character": "\ud800",
    "a NUL": written(4096) + "\0",
    "empty runs without end": "0" * 100_000,
    "truncated": summing_to(4096, 8)[:-1] + "o",
    "one pixel too many": written(4097),
    "nothing": "",
}


PROGRAM = """
import json, sys
from hodor.formats import run_length
for kind, text in json.load(sys.stdin).items():
    try:
        print(f"{kind}: read {run_length.decode(text, 64, 64)}", flush=True)
    except ValueError as error:
        print(f"{kind}: refused: {error}", flush=True)
"""


def test_hostile_strings_are_complaints_and_no_crash() -> None:
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, input=json.dumps(HOSTILE), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"crashed behind {done.stdout}"
    lines = done.stdout.splitlines()
    assert len(lines) == len(HOSTILE) and max(map(len, lines)) < 160
    assert all(line.startswith(f"{kind}: refused: ") for kind, line in zip(HOSTILE, lines, strict=True))


@pytest.mark.parametrize("kind", ["wraps to the size", "one long run", "negative"])
def test_no_reader_of_masks_decodes_hostile_strings(tmp_path: Path, kind: str) -> None:
    text = HOSTILE[kind]
    sequence = InferenceSequence("a", ("a/0.png",), {0: {1: text}})
    with pytest.raises(HodorError, match="object 1: the mask doesn't fit"):
        sequence.masks(0, 64, 64)
    path = tmp_path / "set.json"
    for image in ({"segmentations": [text]}, {"segmentations": [text], "areas": [9], "bboxes": [[0, 0, 3, 3]]}):
        path.write_text(json.dumps({"images": [{"image_path": "a.png", "height": 64, "width": 64, **image}]}))
        with pytest.raises(HodorError, match="the mask doesn't fit"):
            read_training_json(path, tmp_path, "images").masks.decode(0, 64, 64, "here")
    video = {"id": "a", "height": 64, "width": 64, "image_paths": ["a/0.png"], "tracks": [{"1": {"seg": text}}]}
    path.write_text(json.dumps({"sequences": [video]}))
    with pytest.raises(HodorError, match="the mask doesn't fit"):
        read_training_json(path, tmp_path, "sequences")
    with pytest.raises(HodorError, match="object 1, key 'seg'"):
        read_sequences(path)["a"].read("0")

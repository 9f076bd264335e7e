"""Files of objects: they come back as they were, and whatever is no such file is refused in one line."""

import json
import struct

import numpy as np
import pytest
import safetensors.numpy

from hodor.errors import HodorError
from hodor.formats.object_files import MAX_VIEWS, DescribedObject, is_one_line, read_object, write_object


def described(views=2, name="mug", network="abc", width=8):
    generator = np.random.default_rng(views)
    objects = generator.normal(size=(views, width)).astype(np.float32)
    return DescribedObject(name, network, objects, generator.normal(size=(views, 9, width)).astype(np.float32))


def complaint(path):
    with pytest.raises(HodorError) as caught:
        read_object(path)
    message = str(caught.value)
    assert path.name in message and "\n" not in message
    return message


def test_an_object_comes_back_as_it_was(tmp_path):
    written = described()
    write_object(tmp_path / "mug.hodor", written)
    read = read_object(tmp_path / "mug.hodor")
    assert (read.name, read.network) == ("mug", "abc")
    np.testing.assert_array_equal(read.objects, written.objects)
    np.testing.assert_array_equal(read.backgrounds, written.backgrounds)


def test_views_are_kept_side_by_side():
    first, second = described(2), described(3)
    both = first.with_views_of(second)
    np.testing.assert_array_equal(both.objects, np.concatenate([first.objects, second.objects]))
    assert both.backgrounds.shape == (5, 9, 8)
    with pytest.raises(HodorError, match="another network"):
        first.with_views_of(described(network="other"))
    with pytest.raises(HodorError, match=f"more than {MAX_VIEWS} views"):
        first.with_views_of(described(MAX_VIEWS - 1))


@pytest.mark.parametrize("name", ["", " ", "two\nlines", "\x1b[31mred", "x" * 201])
def test_names_are_one_line(tmp_path, name):
    with pytest.raises(HodorError, match="must be one line"):
        write_object(tmp_path / "mug.hodor", described(name=name))
    assert not list(tmp_path.iterdir())


def test_the_ending_says_what_it_is(tmp_path):
    with pytest.raises(HodorError, match=r"mug\.txt: the name must end in \.hodor"):
        write_object(tmp_path / "mug.txt", described())


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_truncated_files(tmp_path, share):
    path = tmp_path / "mug.hodor"
    write_object(path, described())
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    assert "broken" in complaint(path)


def test_every_flipped_byte_of_the_header_is_an_error_or_another_name(tmp_path):
    path = tmp_path / "mug.hodor"
    write_object(path, described())
    content = path.read_bytes()
    for position in range(8 + struct.unpack("<Q", content[:8])[0]):
        path.write_bytes(content[:position] + bytes([content[position] ^ 0x10]) + content[position + 1 :])
        try:
            read = read_object(path)
        except HodorError as error:
            assert "\n" not in str(error)
        else:
            assert read.objects.shape == (2, 8) and is_one_line(read.name)


def hostile(path, tensors=None, **header):
    good = described()
    tensors = {"objects": good.objects, "backgrounds": good.backgrounds} | (tensors or {})
    content = {"format": "hodor object 1", "name": "mug", "network": "abc"} | header
    path.write_bytes(safetensors.numpy.save(tensors, content))
    return path


@pytest.mark.parametrize(
    "tensors",
    [
        {"objects": np.zeros((3, 8), np.float32)},
        {"objects": np.zeros((2, 7), np.float32)},
        {"objects": np.zeros((2, 8), np.float64)},
        {"objects": np.full((2, 8), np.nan, np.float32)},
        {"backgrounds": np.full((2, 9, 8), np.inf, np.float32)},
        {"backgrounds": np.zeros((2, 9, 8), np.int8)},
        {"objects": np.zeros((0, 8), np.float32), "backgrounds": np.zeros((0, 9, 8), np.float32)},
        {"objects": np.zeros((100, 8), np.float32), "backgrounds": np.zeros((100, 9, 8), np.float32)},
        {"surplus": np.zeros(3, np.float32)},
    ],
)
def test_tensors_that_no_description_has(tmp_path, tensors):
    assert "broken; describe the object anew" in complaint(hostile(tmp_path / "mug.hodor", tensors))


def test_other_files(tmp_path):
    assert "no such file; make it with hodor describe" in complaint(tmp_path / "none.hodor")
    (tmp_path / "folder.hodor").mkdir()
    complaint(tmp_path / "folder.hodor")
    assert "another version" in complaint(hostile(tmp_path / "new.hodor", format="hodor object 2"))
    assert "must be one line" in complaint(hostile(tmp_path / "name.hodor", name="a\x1b[2Jb"))
    (tmp_path / "text.hodor").write_text(json.dumps({"objects": []}))
    assert "broken" in complaint(tmp_path / "text.hodor")
    header = json.dumps({"a": {"dtype": "F8_E4M3", "shape": [1], "data_offsets": [0, 1]}}).encode()
    (tmp_path / "eight_bits.hodor").write_bytes(struct.pack("<Q", len(header)) + header + b"0")
    assert "broken, or no object" in complaint(tmp_path / "eight_bits.hodor")
    with (tmp_path / "large.hodor").open("wb") as file:
        file.truncate(2**25)
    assert "too large" in complaint(tmp_path / "large.hodor")

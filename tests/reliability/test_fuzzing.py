"""Every reader takes damaged inputs, or refuses them in one line: benchmarks/fuzzing.py in short, with seeded inputs."""

import logging
import random

import fuzzing
import pytest

from hodor.errors import HodorError

COUNTS = {"videos": 15, "requests": 30, "palette_images": 40, "yaml": 40}
FINDINGS = {
    "run_length_masks": [b"", b"\xff", b"0" * 100_000, b"o" * 9, b"_o_o_o_o", "ø".encode(), b"PPP0", b"\x00"],
    "inference_json": [
        b"", b"[" * 100_000, b'{"sequences": ' + b'{"a":' * 20_000, b'{"sequences": [1e400]}', b'\xef\xbb\xbf{"sequences": []}',
        b'{"sequences": [{"id": "\\ud800", "image_paths": ["a.jpg"], "segmentations": {}}]}',
        b'{"sequences": [{"id": "../a", "image_paths": ["a.jpg"], "segmentations": {}}]}',
        b'{"sequences": [{"id": "a", "image_paths": ["/etc/passwd"], "segmentations": {}}]}',
        b'{"sequences": [{"id": "a", "image_paths": ["a.jpg"], "segmentations": {"' + b"9" * 5000 + b'": {}}}]}',
    ],
    "training_json": [
        b'{"images": [{"image_path": "a\\u0000", "height": 1, "width": 1, "segmentations": []}]}',
        b'{"images": [{"image_path": "a", "height": 1e308, "width": 1, "segmentations": []}]}',
        b'{"images": [{"image_path": "a", "height": ' + b"9" * 5000 + b', "width": 1, "segmentations": ["0"]}]}',
    ],
    "yaml": [
        *(b"&a [*a]", b"a: &a [*a]\nMODEL: *a", b"MODEL: {WIDTH: 1e400}", b"BASE: input.yaml"),
        b"!!python/object/apply:os.system ['true']",
    ],
    "checkpoints": [b"PK\x05\x06" + bytes(18), b"\x80\x02cos\nsystem\n(S'true'\ntR.", bytes(7) + b"\xff{}"],
    "archives": [b"PK\x05\x06" + bytes(18), b"PK\x03\x04" * 30],
}  # fmt: skip
"""Inputs that were, or might have been, taken in another way than that."""


@pytest.fixture(scope="module")
def readers(tmp_path_factory):
    made = {}

    def reader(name):
        if name not in made:
            made[name] = dict(fuzzing.readers(tmp_path_factory.mktemp(name)))[name]()
        return made[name]

    return reader


@pytest.mark.parametrize("name", [name for name, _ in fuzzing.readers(fuzzing.Path())])
def test_damaged_inputs_are_read_or_refused_in_one_line(name, readers):
    reader = readers(name)
    for example in reader.examples:
        assert fuzzing.finding(reader, example) is None
    assert logging.root.manager.disable == logging.NOTSET, "what is silenced stays so for tests that follow"

    for number in range(COUNTS.get(name, 100)):
        content = fuzzing.damaged(reader.examples, random.Random(f"{name} {number}"))
        assert fuzzing.finding(reader, content) is None, content


@pytest.mark.parametrize(("name", "content"), [(name, each) for name, inputs in FINDINGS.items() for each in inputs])
def test_what_was_found(name, content, readers):
    reader = readers(name)
    assert fuzzing.finding(reader, content) is None
    with pytest.raises(HodorError):
        reader.read(content)


def test_findings_are_noticed():
    def broken(content):
        raise IndexError("out of range")

    assert fuzzing.finding(fuzzing.Reader([b"a"], broken), b"a") == "IndexError: out of range"
    assert len(fuzzing.fuzz(fuzzing.Reader([b"a"], broken), 3, random.Random(0))) == 3

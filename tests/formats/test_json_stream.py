"""Reading large JSON files entry by entry."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from hodor.errors import HodorError
from hodor.formats.json_files import read_entry, walk

CHUNK_SIZES = (1, 2, 3, 7, 64, 1 << 20)


def draw_text(numbers: random.Random) -> str:
    alphabet = ["a", '"', "\\", "/", "\n", "\t", "\x00", "é", "日", "😀", "\ud800", "]", "}", ",", ":", "{", "[", " "]
    return "".join(numbers.choice(alphabet) for _ in range(numbers.randrange(12)))


def draw_value(numbers: random.Random, depth: int = 0) -> Any:
    kind = numbers.randrange(10 if depth < 3 else 7)
    if kind < 3:
        return draw_text(numbers)
    if kind < 6:
        options = [0, -1, 123456, 2**70, 0.1, -1.5e-300, 1e22, 3.0, float("inf"), -float("inf")]
        return numbers.choice(options)
    if kind == 6:
        return numbers.choice([None, True, False])
    size = numbers.randrange(4)
    if kind == 7:
        return {draw_text(numbers): draw_value(numbers, depth + 1) for _ in range(size)}
    return [draw_value(numbers, depth + 1) for _ in range(size)]


def write(path: Path, content: Any, numbers: random.Random) -> None:
    """Writes JSON with or without escapes and white space."""
    text = json.dumps(
        content,
        ensure_ascii=numbers.random() < 0.5 or "\\ud800" in json.dumps(content),
        indent=numbers.choice([None, 0, 3]),
        separators=numbers.choice([(",", ":"), (" , ", "\t:\r\n")]),
    )
    path.write_bytes(numbers.choice([b"", b"\xef\xbb\xbf", b" \n"]) + text.encode() + numbers.choice([b"", b"\n \n"]))


@pytest.mark.parametrize("chunk_size", CHUNK_SIZES)
def test_the_same_values_as_the_library_at_every_boundary(tmp_path, chunk_size) -> None:
    numbers = random.Random(chunk_size)
    path = tmp_path / "file.json"
    for _ in range(60):
        content = {draw_text(numbers): draw_value(numbers) for _ in range(5)}
        write(path, content, numbers)
        expected = [
            (key, position, item)
            for key, value in json.loads(path.read_bytes().decode("utf-8-sig")).items()
            for position, item in (enumerate(value) if isinstance(value, list) else [(None, value)])
        ]
        entries = list(walk(path, chunk_size))
        assert [(entry.key, entry.position, entry.value) for entry in entries] == expected
        with path.open("rb") as file:
            for entry in entries:
                assert read_entry(file, entry.start, entry.end) == entry.value


@pytest.mark.parametrize("chunk_size", CHUNK_SIZES)
@pytest.mark.parametrize(
    "text", ["12345", "-0.25", "1e+5", "1E-7", "true", "null", "-Infinity", '"\\ud83d\\ude00"', "[]", "{}", '""']
)
def test_values_cut_anywhere(tmp_path, text, chunk_size) -> None:
    path = tmp_path / "file.json"
    path.write_text(f'{{"a": [{text},{text}], "b":{text}, "c": {text}}}')
    expected = json.loads(text)
    values = [entry.value for entry in walk(path, chunk_size) if entry.key == "a"]
    assert values == [expected, expected]
    assert [entry.value for entry in walk(path, chunk_size) if entry.key == "c"] == ([] if expected == [] else [expected])


@pytest.mark.parametrize("chunk_size", [1, 5, 1 << 20])
def test_a_file_cut_off_anywhere_is_an_error(tmp_path, chunk_size) -> None:
    whole = json.dumps({"info": {"é": 1}, "images": [{"id": 12, "name": 'a"\\é'}], "annotations": [1.5, "x", None]}).encode()
    path = tmp_path / "file.json"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(HodorError, match=r"not valid JSON at byte \d+"):
            list(walk(path, chunk_size))


@pytest.mark.parametrize("chunk_size", [1, 5, 1 << 20])
@pytest.mark.parametrize(
    ("text", "byte"),
    [
        (b"[1]", 0),
        (b"", 0),
        (b'{"a": [1, 2,]}', 12),
        (b'{"a": [1 2]}', 9),
        (b'{"a": 1,}', 8),
        (b'{"a" 1}', 5),
        (b"{1: 2}", 1),
        (b'{"a": 1} x', 9),
        (b'{"a": [{"b": nul}]}', 13),
        (b'{"a": ["\xff"]}', 8),
        (b'{"a": "\n"}', 7),
        (b'{"a": 1, "a": 2}', 9),
    ],
)
def test_errors_name_their_place(tmp_path, text, byte, chunk_size) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(text)
    with pytest.raises(HodorError, match=rf"file\.json: not valid JSON at byte {byte} \("):
        list(walk(path, chunk_size))


def test_a_broken_entry_is_found_without_reading_the_rest(tmp_path) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(b'{"a": [1, x' + b" " * (1 << 16) + b"\xff")
    with pytest.raises(HodorError, match="at byte 10 "):
        list(walk(path, 64))


def test_deep_nesting_and_endless_numbers_are_errors(tmp_path) -> None:
    path = tmp_path / "file.json"
    path.write_text('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}")
    with pytest.raises(HodorError, match="not valid JSON"):
        list(walk(path))
    path.write_text('{"a": ' + "1" * 10_000 + "}")
    with pytest.raises(HodorError, match="not valid JSON"):
        list(walk(path))
    with pytest.raises(HodorError, match="no such file"):
        list(walk(tmp_path / "nothing.json"))

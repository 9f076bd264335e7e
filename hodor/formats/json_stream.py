"""Large JSON in little memory: the entries of the lists in a JSON object one at a time, with their places in the file."""

import codecs
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, NoReturn

from hodor.errors import HodorError

CHUNK_SIZE = 1 << 20
_WHITESPACE = re.compile(r"[ \t\n\r]*")
_LONGEST_LITERAL = 16  # '-Infinity', '\\ud83d\\ude00': an error farther than this from the end of what was read is no cut
_DECODER = json.JSONDecoder()


class Entry(NamedTuple):
    """A piece of the object that a file holds.

    Attributes:
        key: the key it stands under.
        position: where it stands in that key's list; None = the key's value is no list, and this is the value.
        start: the offset of its first byte in the file.
        end: the offset behind its last byte.
        value: what it says.
    """

    key: str
    position: int | None
    start: int
    end: int
    value: Any


def walk(path: Path, chunk_size: int = CHUNK_SIZE) -> Iterator[Entry]:
    """Iterates over the JSON object in a file: over each entry of the values that are lists, over the other values as a whole.

    Never more than `chunk_size` bytes, or twice the longest entry, are in memory. Empty lists give nothing.

    Raises:
        HodorError: the file is missing, is no JSON object in UTF-8, is cut off, or has a key twice; the byte is named.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise HodorError(f"{path}: no such file") from None
    with file:
        scanner = _Scanner(file, path, chunk_size)
        scanner.expect("{", "the file must hold a JSON object")
        more = scanner.peek() != "}"
        if not more:
            scanner.expect("}")
        seen: set[str] = set()
        while more:
            start, _, key = scanner.value()
            if not isinstance(key, str) or key in seen:
                scanner.fail(f"{key!r} stands twice" if isinstance(key, str) else "a key must be a string", start)
            seen.add(key)
            scanner.expect(":")
            yield from _entries(scanner, key)
            more = scanner.expect(",}") == ","
        if scanner.peek():
            scanner.fail("there is something behind its end", scanner.offset())


def read_entry(file: BinaryIO, start: int, end: int) -> Any:
    """Reads again what `walk` found between two offsets of a file."""
    file.seek(start)
    return json.loads(file.read(end - start))


def _entries(scanner: "_Scanner", key: str) -> Iterator[Entry]:
    if scanner.peek() != "[":
        yield Entry(key, None, *scanner.value())
        return
    scanner.expect("[")
    if scanner.peek() == "]":
        scanner.expect("]")
        return
    position = 0
    while True:
        yield Entry(key, position, *scanner.value())
        if scanner.expect(",]") == "]":
            return
        position += 1


class _Scanner:
    """A file read as Latin-1: every character is one byte, so that positions are offsets. JSON's own signs are ASCII."""

    def __init__(self, file: BinaryIO, path: Path, chunk_size: int) -> None:
        self._file = file
        self._path = path
        self._chunk_size = chunk_size
        self._buffer = ""
        self._position = 0
        self._before = 0  # bytes of the file in front of the buffer
        if file.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8:
            self._before = len(codecs.BOM_UTF8)
        file.seek(self._before)

    def offset(self) -> int:
        """Where in the file the scanner stands."""
        return self._before + self._position

    def peek(self) -> str:
        """The next character that is no white space; "" at the end of the file."""
        while True:
            match = _WHITESPACE.match(self._buffer, self._position)
            self._position = match.end() if match else self._position
            if self._position < len(self._buffer):
                return self._buffer[self._position]
            if not self._read_more():
                return ""

    def expect(self, characters: str, complaint: str = "") -> str:
        """Takes the next character, which must be one of `characters`."""
        found = self.peek()
        if not found or found not in characters:
            wanted = " or ".join(repr(character) for character in characters)
            self.fail(complaint or f"expected {wanted}, found {repr(found) if found else 'the end'}", self.offset())
        self._position += 1
        return found

    def value(self) -> tuple[int, int, Any]:
        """Takes one value; returns (start, end, value)."""
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._buffer, self._position)
            except json.JSONDecodeError as error:
                if not self._may_be_cut(error) or not self._read_more():
                    self.fail(error.msg, self._before + error.pos)
                continue
            except (ValueError, RecursionError) as error:
                self.fail(str(error), self.offset())
            if len(self._buffer) - end >= _LONGEST_LITERAL or not self._read_more():  # else 12 may be the start of 123
                break
        text = self._buffer[self._position : end]
        start = self.offset()
        self._position = end
        return start, self.offset(), value if text.isascii() else self._decode(text, start)

    def fail(self, reason: str, offset: int) -> NoReturn:
        raise HodorError(f"{self._path}: not valid JSON at byte {offset} ({reason}); get the file again")

    def _decode(self, text: str, start: int) -> Any:
        try:
            return json.loads(text.encode("latin-1").decode("utf-8"))
        except UnicodeDecodeError as error:
            self.fail(f"not UTF-8: {error.reason}", start + error.start)

    def _may_be_cut(self, error: json.JSONDecodeError) -> bool:
        return error.msg.startswith("Unterminated string") or error.pos >= len(self._buffer) - _LONGEST_LITERAL

    def _read_more(self) -> bool:
        """Drops what was taken and reads on, at least as much as is left; False and no change at the end of the file."""
        rest = self._buffer[self._position :]
        data = self._file.read(max(self._chunk_size, len(rest)))
        if not data:
            return False
        self._before += self._position
        self._position = 0
        self._buffer = rest + data.decode("latin-1")
        return True

"""JSON from files: values that know where they stand, for messages; and the entries of large files one at a time."""

import codecs
import itertools
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
_MAX_DIGITS = 9
_LARGEST = 1e15
_LARGEST_WHOLE = 1_000_000


class JsonValue:
    """A piece of JSON and its place, such as "train.json: image 'a.jpg', key 'areas'"."""

    def __init__(self, content: Any, where: str) -> None:
        self.content = content
        self.where = where

    def has(self, key: str) -> bool:
        """Whether an object has a key."""
        return key in self._expect(dict, "an object")

    def get(self, key: str) -> "JsonValue":
        """The value of an object's key."""
        content = self._expect(dict, f"an object with the key {key!r}")
        if key not in content:
            raise HodorError(f"{self.where}: key {key!r} is missing")
        separator = ", key " if ": " in self.where else ": key "
        return JsonValue(content[key], f"{self.where}{separator}{key!r}")

    def optional(self, key: str) -> "JsonValue | None":
        """The value of an object's key; None where it is missing or null."""
        return self.get(key) if self.has(key) and self.content[key] is not None else None

    def items(self) -> list["JsonValue"]:
        """The values in a list."""
        return [JsonValue(item, f"{self.where}[{i}]") for i, item in enumerate(self._expect(list, "a list"))]

    def entries(self) -> dict[str, "JsonValue"]:
        """The values of an object by their keys."""
        return {key: JsonValue(item, f"{self.where}[{key!r}]") for key, item in self._expect(dict, "an object").items()}

    def numbered(self, low: int, high: int, what: str) -> dict[int, "JsonValue"]:
        """An object's entries by the integers that its keys spell, checked against their range."""
        entries: dict[int, JsonValue] = {}
        for key, item in self.entries().items():
            if not (key.isascii() and key.isdigit() and len(key) <= _MAX_DIGITS and low <= int(key) <= high):
                raise HodorError(f"{self.where}: {key[:_MAX_DIGITS]!r} is not {what} ({low}..{high})")
            if int(key) in entries:
                raise HodorError(f"{self.where}: {key!r} spells {what} that stands in it twice")
            entries[int(key)] = item
        return entries

    def text(self) -> str:
        """A string."""
        return self._expect(str, "a string")

    def texts(self) -> list[str]:
        """A list of strings."""
        for index, item in enumerate(self._expect(list, "a list")):
            if not isinstance(item, str):
                JsonValue(item, f"{self.where}[{index}]").text()
        return self.content

    def number(self, minimum: float = 0) -> float:
        """A number that is neither smaller than `minimum` nor beyond all sizes."""
        number = self.content
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise HodorError(f"{self.where}: expected a number, found {type(number).__name__}")
        if not minimum <= number <= _LARGEST:  # nor NaN; an integer may be too large to be made a float
            raise HodorError(f"{self.where}: expected a number of at least {minimum:g}, found {str(number)[:20]}")
        return number

    def whole_number(self) -> int:
        """A whole number, 1..1 000 000."""
        number = self.number()
        if not 1 <= number <= _LARGEST_WHOLE or number != int(number):
            raise HodorError(f"{self.where}: expected a whole number, 1..{_LARGEST_WHOLE}, found {number}")
        return int(number)

    def box(self) -> list[float]:
        """Four numbers, [x, y, width, height]."""
        numbers = [side.number(minimum=-_LARGEST) for side in self.items()]
        if len(numbers) != 4:
            raise HodorError(f"{self.where}: expected [x, y, width, height], found {len(numbers)} numbers")
        return numbers

    def _expect(self, kind: type, name: str) -> Any:
        if not isinstance(self.content, kind):
            raise HodorError(f"{self.where}: expected {name}, found {type(self.content).__name__}")
        return self.content


def read_json(
    path: Path, *, missing: str = "make it with hodor convert --help", broken: str = "convert the data set again"
) -> JsonValue:
    """Reads a JSON file, by default a data set's.

    Raises:
        HodorError: the file is missing or no JSON; `missing` and `broken` say what to do then.
    """
    try:
        return JsonValue(json.loads(path.read_bytes()), str(path))
    except FileNotFoundError:
        raise HodorError(f"{path}: no such file; {missing}") from None
    except (ValueError, RecursionError) as error:
        raise HodorError(f"{path}: not valid JSON ({error}); {broken}") from None


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
        seen: set[str] = set()
        for _ in scanner.members("{}", "the file must hold a JSON object"):
            start, _, key = scanner.value()
            if not isinstance(key, str) or key in seen:
                scanner.fail(f"{key!r} stands twice" if isinstance(key, str) else "a key must be a string", start)
            seen.add(key)
            scanner.expect(":")
            if scanner.peek() == "[":
                for position in scanner.members("[]"):
                    yield Entry(key, position, *scanner.value())
            else:
                yield Entry(key, None, *scanner.value())
        if scanner.peek():
            scanner.fail("there is something behind its end", scanner.offset())


def read_entry(file: BinaryIO, start: int, end: int) -> Any:
    """Reads again what `walk` found between two offsets of a file."""
    file.seek(start)
    return json.loads(file.read(end - start))


class _Scanner:
    """A file read as Latin-1: every character is one byte, so that positions are offsets. JSON's own signs are ASCII."""

    def __init__(self, file: BinaryIO, path: Path, chunk_size: int) -> None:
        self._file = file
        self._path = path
        self._chunk_size = chunk_size
        self._buffer = ""
        self._position = 0
        mark = codecs.BOM_UTF8
        self._before = len(mark) if file.read(len(mark)) == mark else 0  # bytes of the file in front of the buffer
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

    def members(self, brackets: str, complaint: str = "") -> Iterator[int]:
        """Takes an object or a list, save its members: each is to be taken when its number is given."""
        self.expect(brackets[0], complaint)
        if self.peek() == brackets[1]:
            self.expect(brackets[1])
            return
        for number in itertools.count():
            yield number
            if self.expect(f",{brackets[1]}") == brackets[1]:
                return

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

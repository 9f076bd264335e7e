"""JSON from files: values that know where they stand, for messages; and the entries of large files one at a time."""

import codecs
import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, NoReturn

from hodor.errors import HodorError

_WINDOW = 1 << 12
_LONGEST_LITERAL = 16  # '-Infinity', '\\ud83d\\ude00': an error farther than this from the end of what was read is no cut
_DECODER = json.JSONDecoder()
_LARGEST = 1e15
_LARGEST_WHOLE = 1_000_000


@dataclass
class JsonValue:
    """A piece of JSON and its place, such as "train.json: image 'a.jpg', key 'areas'".

    Whatever is asked for and isn't there is a `HodorError` that says where, and what there is instead.
    """

    content: Any
    where: str

    @classmethod
    def record(cls, content: Any, path: Path, what: str, index: int, key: str = "id") -> "tuple[str, JsonValue]":
        """The name of a record in a file and the record, which messages call `what`, such as sequence 'bear'."""
        name = cls(content, f"{path}: {what} number {index + 1}").get(key).text()
        return name, cls(content, f"{path}: {what} {name!r}")

    def get(self, key: str) -> "JsonValue":
        """The value of an object's key."""
        content = self._expect(dict, f"an object with the key {key!r}")
        if key not in content:
            raise HodorError(f"{self.where}: key {key!r} is missing")
        separator = ", key " if ": " in self.where else ": key "
        return JsonValue(content[key], f"{self.where}{separator}{key!r}")

    def optional(self, key: str) -> "JsonValue | None":
        """The value of an object's key; None where it is missing or null."""
        return None if self._expect(dict, "an object").get(key) is None else self.get(key)

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
            if not (re.fullmatch("[0-9]{1,9}", key) and low <= int(key) <= high):
                raise HodorError(f"{self.where}: {key[:9]!r} is not {what} ({low}..{high})")
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
        """A number from `minimum` on that is not beyond all sizes."""
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
    """A piece of the object that a file holds, from byte `start` to before byte `end`."""

    key: str  # that it stands under
    position: int | None  # where it stands in that key's list; None = the key's value is no list, and this is the value
    start: int
    end: int
    value: Any  # what it says


def walk(path: Path, window: int = _WINDOW) -> Iterator[Entry]:
    """Iterates over the JSON object in a file: over each entry of the values that are lists, over the other values as a whole.

    Never more than 64 KB, or twice the longest entry, are in memory. Empty lists give nothing.

    Raises:
        HodorError: the file is missing, is no JSON object in UTF-8, is cut off, or has a key twice; the byte is named.
    """
    try:
        file = path.open("rb", buffering=1 << 16)
    except FileNotFoundError:
        raise HodorError(f"{path}: no such file") from None
    with file:
        scanner = _Scanner(file, path, window)
        seen: set[str] = set()
        if scanner.peek() != "{":
            scanner.fail("the file must hold a JSON object", scanner.position)
        for _ in scanner.members("{}"):
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
            scanner.fail("there is something behind its end", scanner.position)


def read_entry(file: BinaryIO, start: int, end: int) -> Any:
    """Reads again what `walk` found between two offsets of a file."""
    file.seek(start)
    return json.loads(file.read(end - start))


class _Scanner:
    """A file read as Latin-1: every character is one byte, so that positions are offsets. JSON's own signs are ASCII."""

    def __init__(self, file: BinaryIO, path: Path, window: int) -> None:
        self._file = file
        self._path = path
        self._window = window
        self._last = 0  # the length of the value before, which the next one may have as well
        self.position = len(codecs.BOM_UTF8) if file.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8 else 0

    def peek(self) -> str:
        """The next character that is no white space, where the scanner stands then; "" at the end of the file."""
        while True:
            text = self._ahead(_LONGEST_LITERAL)
            rest = text.lstrip(" \t\n\r")
            self.position += len(text) - len(rest)
            if rest or not text:
                return rest[:1]

    def expect(self, characters: str) -> str:
        """Takes the next character, which must be one of `characters`."""
        found = self.peek()
        if not found or found not in characters:
            wanted = " or ".join(repr(character) for character in characters)
            self.fail(f"expected {wanted}, found {repr(found) if found else 'the end'}", self.position)
        self.position += 1
        return found

    def members(self, brackets: str) -> Iterator[int]:
        """Takes an object or a list, save its members: each is to be taken when its number is given."""
        self.expect(brackets[0])
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
        start, window = self.position, max(self._window, 2 * self._last)
        while True:
            text = self._ahead(window)
            may_be_cut = len(text) == window
            try:
                value, length = _DECODER.raw_decode(text)
                may_be_cut &= length > len(text) - _LONGEST_LITERAL  # 12 may be the start of 123
            except json.JSONDecodeError as error:
                may_be_cut &= error.msg.startswith("Unterminated string") or error.pos >= len(text) - _LONGEST_LITERAL
                if not may_be_cut:
                    self.fail(error.msg, start + error.pos)
            except (ValueError, RecursionError) as error:
                self.fail(str(error), start)
            if not may_be_cut:
                break
            window *= 2
        self.position, self._last = start + length, length
        if not text.isascii():
            try:
                value = json.loads(text[:length].encode("latin-1").decode("utf-8"))
            except UnicodeDecodeError as error:
                self.fail(f"not UTF-8: {error.reason}", start + error.start)
        return start, self.position, value

    def fail(self, reason: str, offset: int) -> NoReturn:
        raise HodorError(f"{self._path}: not valid JSON at byte {offset} ({reason}); get the file again")

    def _ahead(self, count: int) -> str:
        """The next characters, which stay to be taken; fewer at the end of the file."""
        self._file.seek(self.position)
        return self._file.read(count).decode("latin-1")

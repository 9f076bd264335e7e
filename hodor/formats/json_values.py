"""JSON that knows where it stands, so that a wrong value is reported with its file and its place."""

import json
from pathlib import Path
from typing import Any

from hodor.errors import HodorError

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
        content = self._expect(dict, "an object")
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
    """Reads a JSON file.

    Args:
        path: the file; by default a data set's.
        missing: the way out where there is no such file, for messages.
        broken: the way out where it is no JSON.

    Raises:
        HodorError: the file is missing or no JSON.
    """
    try:
        return JsonValue(json.loads(path.read_bytes()), str(path))
    except FileNotFoundError:
        raise HodorError(f"{path}: no such file; {missing}") from None
    except (ValueError, RecursionError) as error:
        raise HodorError(f"{path}: not valid JSON ({error}); {broken}") from None

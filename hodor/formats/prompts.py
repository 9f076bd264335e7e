"""Objects that are pointed at on a command line: a box around one, or a click on it."""

import re
from typing import Literal, NamedTuple

from hodor.errors import HodorError
from hodor.formats.colour_ids import MAX_OBJECT_ID

_NUMBER = r"\s*-?[0-9]{1,6}(?:\.[0-9]*)?\s*"
_PROMPT = re.compile(
    rf"(?:\s*(?P<id>[0-9]{{1,4}})\s*=)?(?P<numbers>{_NUMBER}(?:,{_NUMBER})*)(?:@\s*(?P<frame>[0-9]{{1,9}})\s*)?"
)


class Prompt(NamedTuple):
    """What a user points at.

    Attributes:
        kind: "box" or "click".
        object_id: 1..254; None = the next free one.
        numbers: in pixels of the frame, from its upper left corner: (x0, y0, x1, y1) or (x, y).
        frame: its index, from 0; None = the first one.
    """

    kind: Literal["box", "click"]
    object_id: int | None
    numbers: tuple[float, ...]
    frame: int | None


def parse_box(text: str) -> Prompt:
    """Reads [ID=]X0,Y0,X1,Y1[@FRAME], as in 120,80,300,260 or 2=120,80,300,260@40.

    Raises:
        HodorError: it isn't such a text, or the corners are in the wrong order.
    """
    prompt = _parsed("box", text, 4, "[ID=]X0,Y0,X1,Y1[@FRAME], as in 120,80,300,260 or 2=120,80,300,260@40")
    left, top, right, bottom = prompt.numbers
    if right <= left or bottom <= top:
        raise HodorError(f"--box {text}: the box is empty; first the upper left corner, then the lower right one, in pixels")
    return prompt


def parse_click(text: str) -> Prompt:
    """Reads [ID=]X,Y[@FRAME], as in 320,200 or 2=320,200@12.

    Raises:
        HodorError: it isn't such a text.
    """
    return _parsed("click", text, 2, "[ID=]X,Y[@FRAME], as in 320,200 or 2=320,200@12")


def _parsed(kind: Literal["box", "click"], text: str, count: int, form: str) -> Prompt:
    match = _PROMPT.fullmatch(text)
    numbers = tuple(float(number) for number in match["numbers"].split(",")) if match else ()
    if match is None or len(numbers) != count:
        raise HodorError(f"--{kind} {text}: must be {form}")
    object_id = None if match["id"] is None else int(match["id"])
    if object_id is not None and not 1 <= object_id <= MAX_OBJECT_ID:
        raise HodorError(f"--{kind} {text}: the object's id {object_id} must be from 1 to {MAX_OBJECT_ID}")
    return Prompt(kind, object_id, numbers, None if match["frame"] is None else int(match["frame"]))

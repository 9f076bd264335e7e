"""Objects that are pointed at on a command line: a box around one, or a click on it."""

import re
from typing import Literal, NamedTuple

from hodor.errors import HodorError
from hodor.formats.colour_ids import MAX_OBJECT_ID

_NUMBER = r"\s*-?[0-9]{1,6}(?:\.[0-9]*)?\s*"
_PROMPT = re.compile(
    rf"(?:\s*(?P<id>[0-9]{{1,4}})\s*=)?(?P<numbers>{_NUMBER}(?:,{_NUMBER})*)(?:@\s*(?P<frame>[0-9]{{1,9}})\s*)?"
)

_FORMS = {
    "box": (4, "[ID=]X0,Y0,X1,Y1[@FRAME], as in 120,80,300,260 or 2=120,80,300,260@40"),
    "click": (2, "[ID=]X,Y[@FRAME], as in 320,200 or 2=320,200@12"),
}


class Prompt(NamedTuple):
    """What a user points at."""

    kind: Literal["box", "click"]
    object_id: int | None  # 1..254; None = the next free one
    numbers: tuple[float, ...]  # in pixels of the frame, from its upper left corner: (x0, y0, x1, y1) or (x, y)
    frame: int | None  # its index, from 0; None = the first one


def parse_prompt(kind: Literal["box", "click"], text: str) -> Prompt:
    """Reads [ID=]X0,Y0,X1,Y1[@FRAME], as in 120,80,300,260 or 2=120,80,300,260@40, or for a click [ID=]X,Y[@FRAME].

    Raises:
        HodorError: it isn't such a text, or the corners of a box are in the wrong order.
    """
    count, form = _FORMS[kind]
    match = _PROMPT.fullmatch(text)
    numbers = tuple(float(number) for number in match["numbers"].split(",")) if match else ()
    if match is None or len(numbers) != count:
        raise HodorError(f"--{kind} {text}: must be {form}")
    if kind == "box" and (numbers[2] <= numbers[0] or numbers[3] <= numbers[1]):
        raise HodorError(f"--box {text}: the box is empty; first the upper left corner, then the lower right one, in pixels")
    object_id, frame = (None if match[group] is None else int(match[group]) for group in ("id", "frame"))
    if object_id is not None and not 1 <= object_id <= MAX_OBJECT_ID:
        raise HodorError(f"--{kind} {text}: the object's id {object_id} must be from 1 to {MAX_OBJECT_ID}")
    return Prompt(kind, object_id, numbers, frame)

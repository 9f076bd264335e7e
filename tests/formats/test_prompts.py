"""Boxes and clicks as texts of a command line."""

import pytest

from hodor.errors import HodorError
from hodor.formats.prompts import Prompt, parse_prompt


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        ("120,80,300,260", Prompt("box", None, (120, 80, 300, 260), None)),
        ("2=120,80,300,260@40", Prompt("box", 2, (120, 80, 300, 260), 40)),
        ("-5, 0.5, 30, 41.25@7", Prompt("box", None, (-5, 0.5, 30, 41.25), 7)),
    ],
)
def test_boxes(text: str, prompt: Prompt) -> None:
    assert parse_prompt("box", text) == prompt


@pytest.mark.parametrize(
    ("text", "prompt"),
    [("320,200@12", Prompt("click", None, (320, 200), 12)), ("254=0,0", Prompt("click", 254, (0, 0), None))],
)
def test_clicks(text: str, prompt: Prompt) -> None:
    assert parse_prompt("click", text) == prompt


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "must be [ID=]X0,Y0,X1,Y1[@FRAME], as in"),
        ("1,2,3", "must be [ID=]X0"),
        ("1,2,3,4,5", "must be [ID=]X0"),
        ("1;2;3;4", "must be [ID=]X0"),
        ("a=1,2,3,4", "must be [ID=]X0"),
        ("1,2,3,4@", "must be [ID=]X0"),
        ("1,2,3,4@-1", "must be [ID=]X0"),
        ("nan,2,3,4", "must be [ID=]X0"),
        ("0=1,2,3,4", "id 0 must be from 1 to 254"),
        ("255=1,2,3,4", "id 255 must be from 1 to 254"),
        ("30,2,3,40", "the box is empty; first the upper left corner"),
        ("3,2,30,2", "the box is empty"),
    ],
)
def test_what_is_no_box(text: str, reason: str) -> None:
    with pytest.raises(HodorError) as error:
        parse_prompt("box", text)
    assert str(error.value).startswith(f"--box {text}: ") and reason in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["1", "1,2,3,4", "1,2@x", "300=1,2"])
def test_what_is_no_click(text: str) -> None:
    with pytest.raises(HodorError, match=f"--click {text}: "):
        parse_prompt("click", text)

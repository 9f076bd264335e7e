"""What every program shares: messages in one line that a terminal may see."""

import subprocess
import sys

import pytest

from hodor.program import ArgumentParser, complain, one_line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain  text\n in\ttwo lines ", "plain text in two lines"),
        ("Bär, 熊, \U0001f43b", "Bär, 熊, \U0001f43b"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("bell \x07 delete \x7f, \x9b1m", "bell \\x07 delete \\x7f, \\x9b1m"),
        ("b\udce4r", "b\\udce4r"),
        ("right to left \u202egpj.exe", "right to left \\u202egpj.exe"),
    ],
)
def test_messages_are_one_printable_line(text: str, shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert one_line(text) == shown
    assert complain(text) == 1
    assert capsys.readouterr().err == f"error: {shown}\n"
    with pytest.raises(SystemExit):
        ArgumentParser(prog="hodor test").parse_args([f"--{text}"])
    assert shown.rsplit(maxsplit=1)[-1] in capsys.readouterr().err


def test_log_lines_are_printable_too() -> None:
    code = "import logging; from hodor.program import run; run(lambda _: logging.warning('a \\x1b[31m b') or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "warning: a \\x1b[31m b\n"


SHORT = """
import resource
from hodor.program import run
def main(_):
    import cv2, numpy
    image = numpy.zeros((16, 16), numpy.uint8)
    resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))
    {}
run(main)
"""


@pytest.mark.parametrize(
    "asks", ["numpy.zeros(2**40)", "bytearray(2**40)", "cv2.resize(image, (60000, 60000))", "import torch"]
)
def test_a_lack_of_memory_is_one_line(asks: str) -> None:
    done = subprocess.run([sys.executable, "-c", SHORT.format(asks)], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.startswith("error: not enough memory (") and done.stderr.count("\n") == 1

"""The page with the results: well-formed, without other files, with the right pictures."""

import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from evaluation_samples import FRAMES
from PIL import Image

from hodor.errors import HodorError
from hodor.evaluation.main import main


class Page(HTMLParser):
    """Collects what a test wants to know of a page, and insists that every element is closed."""

    VOID = frozenset({"meta", "img"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def test_html_report_stands_alone(data: Path) -> None:
    (data / "truth" / "two").rename(data / "truth" / "a<b>&c")
    (data / "results" / "two").rename(data / "results" / "a<b>&c")
    frames = data / "images" / "a<b>&c"
    frames.mkdir(parents=True)
    (data / "images" / "bear").mkdir()
    for index in range(FRAMES):
        for name in ("bear", "a<b>&c"):
            Image.new("RGB", (200, 200), (240, 240, 0)).save(data / "images" / name / f"{index:05d}.jpg")
    arguments = [str(data / "results"), "--ground_truth", str(data / "truth"), "--num_workers", "1"]
    assert main([*arguments, "--images", str(data / "images")]) == 0
    text = (data / "results_evaluation" / "report.html").read_text()
    page = Page(text)
    assert len(page.all("section")) == len(page.all("svg")) == 2
    assert len(page.all("polyline")) == 2 * 3  # J and F of three objects
    images = page.all("img")
    assert [image["alt"] for image in images[:4]] == [
        *("Best frame, truth", "Best frame, prediction", "Worst frame, truth", "Worst frame, prediction")
    ]
    assert len(images) == 4 + 2  # in `bear` all frames are alike
    assert all(str(image["src"]).startswith("data:image/jpeg;base64,") for image in images)
    assert not re.search(r"(src|href)=\"(?!data:|#)", text)
    assert "Best frame: 00001" in text
    assert "Worst frame: 00004" in text
    assert "a&lt;b&gt;&amp;c" in text

    picture = data / "picture.jpg"
    picture.write_bytes(base64.b64decode(str(images[0]["src"]).split(",")[1]))
    pixels = np.array(Image.open(picture)).astype(int)
    assert abs(pixels[5, 5] - (240, 240, 0)).max() < 20  # the frame
    assert abs(pixels[30, 50] - ((240 + 59) / 2, (240 + 130) / 2, 246 / 2)).max() < 20  # object 1 over it

    (frames / "00004.jpg").unlink()
    with pytest.raises(HodorError, match=r"00004.jpg: no such image"):
        main([*arguments, "--images", str(data / "images")])

"""From the start of the page to the first object that is followed into the next frame, by mouse alone: clicks and seconds.

    python benchmarks/first_object.py [--install]

Counted are the process of `hodor app` on a clip of photographs, a headless Chromium, a box around one object, and the run;
not how long a person looks and aims. Every press of the mouse counts as a click. --install also measures
`pip install ".[app]"` into a fresh environment, nothing being cached; downloading and unpacking torch is nearly all of it.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from hodor.program import ArgumentParser, run

PROJECT = Path(__file__).parent.parent
PATIENCE = 600_000  # milliseconds
MARGIN = 4  # pixels around the object


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; see `--help`."""
    parser = ArgumentParser(description="Counts clicks and seconds from the start of the page to the first followed object.")
    parser.add_argument("--install", action="store_true", help="also measure the installation, about 6 GB")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        if options.install:
            print(f"pip install '.[app]', nothing cached: {installed(Path(folder)):.0f} s")
        clicks, seconds = first_object(Path(folder))
    print(f"from the page's start to the first followed object: {clicks} clicks, {seconds:.1f} s")
    return 0


def installed(folder: Path) -> float:
    """Seconds that the installation into a fresh environment takes."""
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    begin = time.monotonic()
    command = [folder / "venv/bin/pip", "install", "--quiet", "--no-cache-dir", ".[app]"]
    subprocess.run(command, cwd=PROJECT, check=True)
    return time.monotonic() - begin


def first_object(folder: Path) -> tuple[int, float]:
    """Presses of the mouse, and seconds, from the start of `hodor app` until an object is found in the next frame."""
    subprocess.run([sys.executable, "-m", "hodor", "synthetic", folder / "clip", "--photographs"], check=True, cwd=PROJECT)
    (frames,) = (folder / "clip/JPEGImages/480p").iterdir()
    labels = np.asarray(Image.open(next((folder / "clip/Annotations/480p").glob("*/00000.png"))))
    rows, columns = np.nonzero(labels == np.bincount(labels[labels > 0]).argmax())
    corners = [(columns.min() - MARGIN, rows.min() - MARGIN), (columns.max() + MARGIN, rows.max() + MARGIN)]
    begin = time.monotonic()
    command = [sys.executable, "-u", "-m", "hodor", "app", frames, "--no-browser", "--folder", folder / "sessions"]
    with subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True, cwd=PROJECT) as server:
        try:
            assert server.stdout is not None
            address = re.search(r"http://\S+", server.stdout.readline())
            assert address is not None
            with sync_playwright() as playwright:
                chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
                browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
                page = browser.new_page(viewport={"width": 1440, "height": 900})
                page.set_default_timeout(PATIENCE)
                page.goto(address[0])
                clicks = follow_one(page, corners, labels.shape)
                seconds = time.monotonic() - begin
                browser.close()
        finally:
            server.terminate()
    return clicks, seconds


def follow_one(page: Page, corners: list[tuple[int, int]], size: tuple[int, int]) -> int:
    """Cuts an object out by a box and follows it, by mouse alone. Returns how often the mouse was pressed."""
    page.wait_for_function("() => document.querySelector('#saved').textContent === 'Saved'")
    page.click("[data-tool=box]")
    canvas = page.locator("#canvas").bounding_box()
    assert canvas is not None
    height, width = size
    scale = min(canvas["width"] / width, canvas["height"] / height)
    left = canvas["x"] + (canvas["width"] - width * scale) / 2
    top = canvas["y"] + (canvas["height"] - height * scale) / 2
    (x0, y0), (x1, y1) = [(left + x * scale, top + y * scale) for x, y in corners]
    page.mouse.move(x0, y0)
    page.mouse.down()
    page.mouse.move(x1, y1, steps=3)
    page.mouse.up()
    page.click("#run:not([disabled])")
    page.wait_for_function("() => parseInt(document.querySelector('#progress-text').textContent.match(/ (\\d+) of/)?.[1]) >= 2")
    return 3  # the tool, the box, and the button


if __name__ == "__main__":
    run(main)

"""Draws docs/pictures/app_*.png: the page in a headless Chromium, with the shipped weights and the clip of photographs.

python scripts/draw_app.py
"""

import io
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from hodor.errors import HodorError
from hodor.formats.label_maps import davis_palette, write_label_map
from hodor.media.videos import write_video
from hodor.program import ArgumentParser, run
from hodor.synthetic import PhotographClip

PICTURES = Path(__file__).parent.parent / "docs" / "pictures"
NAMES = ("Cup", "Cat", "Shuttle")
PATIENCE = 120_000  # milliseconds


def main(arguments: Sequence[str] | None = None) -> int:
    """Draws all pictures."""
    parser = ArgumentParser(description="Draws the page with the clip of photographs.")
    parser.add_argument("--folder", type=Path, default=PICTURES, help="where to (default: docs/pictures)")
    options = parser.parse_args(arguments)
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise HodorError("there is no Chromium here; install it: apt-get install chromium")
    clip = list(PhotographClip(32, 360))
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        write_video(folder / "launch_site.mp4", (image for image, _ in clip))
        write_label_map(folder / "first.png", np.where(clip[0][1] == len(NAMES), 0, clip[0][1]), davis_palette())
        write_label_map(folder / "all.png", clip[0][1], davis_palette())
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        with served(folder / "launch_site.mp4", folder / "sessions") as address:
            draw(browser, address, folder, options.folder)
        browser.close()
    return 0


@contextmanager
def served(video: Path, sessions: Path) -> Iterator[str]:
    """The address of a video's session in a server of its own process."""
    command = [sys.executable, "-u", "-m", "hodor", "app", "--no-browser", "--folder", str(sessions), str(video)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    found = re.search(r"http://127\.0\.0\.1:\d+/#\S+", process.stdout.readline())
    assert found is not None
    yield found[0]
    process.terminate()
    process.wait()


def draw(browser: Browser, address: str, folder: Path, pictures: Path) -> None:
    """Paints with two of three objects done; what was followed; the same on a small screen."""
    page = opened(browser, address, 1100, 688)
    host, _, session = address.partition("#")
    objects = f"{host}api/sessions/{session}/objects"
    page.request.patch(f"{objects}/1", data={"name": NAMES[0]})
    for name in NAMES[1:]:
        page.request.post(objects, data={"name": name})
    page.reload()
    page.wait_for_selector("#editor:not([hidden])")
    given(page, folder / "first.png")
    taken(page, pictures / "app_painting.png")
    given(page, folder / "all.png")
    page.click("#run")
    page.wait_for_function("() => document.querySelector('#run-note').textContent.startsWith('Done')", timeout=PATIENCE)
    page.locator("#scrub").fill("24")
    page.wait_for_function("() => document.querySelector('#where').textContent.startsWith('24 /')")
    page.wait_for_timeout(500)  # the frame is drawn a moment later
    taken(page, pictures / "app_following.png")
    page.close()
    small = opened(browser, address, 390, 780)
    small.wait_for_timeout(1000)
    taken(small, pictures / "app_small_screen.png")


def opened(browser: Browser, address: str, width: int, height: int) -> Page:
    """The session in a dark page of a size."""
    page = browser.new_context(viewport={"width": width, "height": height}, color_scheme="dark").new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    page.wait_for_selector("#editor:not([hidden])")
    return page


def taken(page: Page, path: Path) -> None:
    """A picture of the whole page, in 256 colours."""
    picture = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB")
    picture.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


def given(page: Page, mask: Path) -> None:
    """Gives a mask from a file, and waits until it is kept."""
    page.set_input_files("#drawn", mask)
    page.wait_for_timeout(1500)
    page.wait_for_function("() => document.querySelector('#saved').textContent === 'Saved'")


if __name__ == "__main__":
    run(main)

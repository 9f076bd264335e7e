"""The whole way in a real browser: open, paint, follow, scrub, correct, go on, reload, take away."""

import os
import re
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from app_page import FRAMES, HEIGHT, WIDTH

from hodor.formats.label_maps import davis_palette, read_label_map, write_label_map
from hodor.tracking import program as track

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None and "CI" not in os.environ, reason="there is no Chromium on this machine")
FAKE_CAMERA = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
PATIENCE = 120_000  # milliseconds


@pytest.fixture
def address(tmp_path, checkpoint):
    """Where a server of its own process answers."""
    folder, command = tmp_path / "sessions", [sys.executable, "-u", "-m", "hodor", "app", "--no-browser"]
    process = subprocess.Popen(
        [*command, "--folder", folder, "--checkpoint", checkpoint], stdout=subprocess.PIPE, text=True, cwd=tmp_path
    )
    line = process.stdout.readline()
    yield re.search(r"http://127\.0\.0\.1:\d+/", line)[0]
    process.terminate()
    process.wait()


@pytest.fixture
def browser():
    from playwright.sync_api import sync_playwright  # noqa: PLC0415

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", *FAKE_CAMERA])
        yield opened
        opened.close()


def stroke(page, start, end):
    """Paints from one point of the frame to another, both in its pixels."""
    box = page.locator("#canvas").bounding_box()
    scale = min(box["width"] / WIDTH, box["height"] / HEIGHT)
    left = box["x"] + (box["width"] - WIDTH * scale) / 2
    top = box["y"] + (box["height"] - HEIGHT * scale) / 2
    page.mouse.move(left + start[0] * scale, top + start[1] * scale)
    page.mouse.down()
    page.mouse.move(left + end[0] * scale, top + end[1] * scale, steps=4)
    page.mouse.up()


def middle(labels, object_id):
    rows, columns = np.nonzero(labels == object_id)
    return float(np.median(columns)), float(np.median(rows))


def go_to(page, index):
    page.locator("#scrub").fill(str(index))
    page.wait_for_function("index => document.querySelector('#where').textContent.startsWith(`${index} /`)", arg=index)


def follow(page):
    page.click("#run")
    page.wait_for_function("() => document.querySelector('#run-note').textContent.startsWith('Done')", timeout=PATIENCE)


def opened(browser, address, video):
    page = browser.new_context(viewport={"width": 1200, "height": 800}).new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    page.set_input_files("#file", video)
    page.wait_for_selector("#editor:not([hidden])")
    page.wait_for_function(f"() => document.querySelector('#where').textContent.startsWith('0 / {FRAMES - 1}')")
    picture_shown(page)
    saved(page)
    return page


def picture_shown(page):
    """Waits for the picture of the first frame, on which tools work: until then the canvas is transparent."""
    middle_is_opaque = """() => { const canvas = document.querySelector('#canvas'), { width, height } = canvas;
        return width && canvas.getContext('2d').getImageData(width >> 1, height >> 1, 1, 1).data[3] > 0 }"""
    page.wait_for_function(middle_is_opaque, polling=50)


def saved(page):
    page.wait_for_function("() => document.querySelector('#saved').textContent === 'Saved'")


def asked(page, held):
    """The first request that was held back, once it has come."""
    for _ in range(PATIENCE // 50):
        if held:
            return held[0]
        page.wait_for_timeout(50)
    pytest.fail("the page hasn't asked for it")


def test_a_stroke_is_kept_when_another_frame_comes_before_its_end(browser, address, video, tmp_path):
    page = opened(browser, address, video)
    box = page.locator("#canvas").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.keyboard.press("ArrowRight")
    page.mouse.up()
    saved(page)
    (painted,) = (tmp_path / "sessions").glob("*/page/painted/*")
    assert painted.name == "0.png"
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("() => !document.querySelector('#undo').disabled")
    page.keyboard.press("z")
    saved(page)
    assert not painted.exists()


def test_what_shows_an_object_that_another_tab_has_removed_does_not_stay_unsaved(browser, address, video, tmp_path):
    page = opened(browser, address, video)
    stroke(page, (20, 60), (40, 60))
    saved(page)
    page.keyboard.press("z")
    saved(page)
    session = page.url.partition("#")[2]
    page.request.delete(f"{address}api/sessions/{session}/objects/1")
    page.keyboard.press("Control+y")
    page.wait_for_function("() => document.querySelector('#message').textContent.includes('another tab')")
    page.wait_for_function("() => document.querySelector('#saved').textContent === 'Saved'")
    assert page.locator("#objects li").count() == 0
    assert not list((tmp_path / "sessions").glob("*/page/painted/*"))


def test_a_mask_file_is_not_taken_for_another_frame_that_came_meanwhile(browser, address, video, clip, tmp_path):
    page = opened(browser, address, video)
    write_label_map(tmp_path / "mask.png", clip[0][1], davis_palette())
    held = []
    page.route("**/drawn/*", lambda route: held.append(route))  # noqa: PLW0108 (a method can't be wrapped)
    page.set_input_files("#drawn", tmp_path / "mask.png")
    go_to(page, 3)
    asked(page, held).continue_()
    page.wait_for_function("() => document.querySelector('#message').textContent.includes('mask.png belongs to frame 0')")
    saved(page)
    assert not list((tmp_path / "sessions").glob("*/page/painted/*"))


def test_a_stroke_that_is_painted_while_a_box_is_cut_out_stays(browser, address, video, tmp_path):
    page = opened(browser, address, video)
    held = []
    page.route("**/cut", lambda route: held.append(route))  # noqa: PLW0108 (a method can't be wrapped)
    page.keyboard.press("x")
    stroke(page, (50, 10), (110, 60))
    page.keyboard.press("b")
    stroke(page, (10, 66), (30, 66))
    saved(page)
    (painted,) = (tmp_path / "sessions").glob("*/page/painted/*")
    stroked = read_label_map(painted) > 0
    assert stroked.any()
    asked(page, held).fulfill(
        status=200, body=bytes(np.arange(HEIGHT * WIDTH, dtype=np.int64).reshape(HEIGHT, WIDTH) < 10 * WIDTH)
    )
    expected = stroked.copy()
    expected[:10] = True
    painted_until(page, tmp_path, lambda labels: np.array_equal(labels > 0, expected))


def test_later_clicks_on_an_object_take_the_place_of_earlier_ones(browser, address, video, tmp_path):
    page = opened(browser, address, video)
    rows = iter([20, 10])
    page.route(
        "**/cut",
        lambda route: route.fulfill(status=200, body=bytes([1]) * WIDTH * (n := next(rows)) + bytes(WIDTH * (HEIGHT - n))),
    )
    page.keyboard.press("c")
    for point, count in (((60, 5), 20), ((70, 5), 10)):
        stroke(page, point, point)
        painted_until(page, tmp_path, lambda labels, count=count: (labels > 0).sum() == count * WIDTH)


def painted_until(page, folder, holds):
    """Waits until what is painted and saved is as wanted."""
    found = None
    for _ in range(PATIENCE // 100):
        if paths := list((folder / "sessions").glob("*/page/painted/*.png")):
            found = read_label_map(paths[0])
            if holds(found):
                return
        page.wait_for_timeout(100)
    pytest.fail(f"painted are {None if found is None else np.count_nonzero(found)} pixels")


def test_a_page_that_was_left_before_it_came_does_not_come(browser, address, video):
    page = opened(browser, address, video)
    session = page.url.partition("#")[2]
    page.goto(f"{address}#")
    page.wait_for_selector("#start:not([hidden])")
    held = []
    page.route(f"**/api/sessions/{session}", lambda route: held.append(route))  # noqa: PLW0108
    page.evaluate("id => (location.hash = id)", session)
    page.wait_for_function("() => document.querySelector('#start').hidden")
    page.evaluate("() => (location.hash = '')")
    page.wait_for_selector("#start:not([hidden])")
    asked(page, held).continue_()
    page.wait_for_timeout(500)
    assert page.locator("#editor").is_hidden() and page.locator("#start").is_visible()


def test_what_a_terminal_finds_meanwhile_is_shown(browser, address, video, clip, checkpoint, tmp_path):
    page = opened(browser, address, video)
    x, y = middle(clip[0][1], 1)
    stroke(page, (x - 6, y), (x + 6, y))
    saved(page)
    follow(page)
    go_to(page, FRAMES - 1)
    session = page.url.partition("#")[2]
    source = page.request.get(f"{address}api/sessions/{session}").json()["source"]
    write_label_map(tmp_path / "first.png", (clip[0][1] == 2).astype(np.uint8) * 2, davis_palette())
    told = ["--masks", tmp_path / "first.png", "--checkpoint", checkpoint, "--min_dim", 64, "--overwrite", "--format"]
    assert track.main([str(each) for each in (source, "--out", tmp_path / "sessions" / session, *told)]) == 0
    page.wait_for_selector("#objects li[data-id='2']")
    page.wait_for_function("() => document.querySelector('#run-note').textContent.startsWith('Done')")


def test_the_whole_way_by_mouse_gives_what_hodor_track_gives(browser, address, video, clip, checkpoint, tmp_path):
    page = browser.new_context(accept_downloads=True, viewport={"width": 1200, "height": 800}).new_page()
    page.set_default_timeout(PATIENCE)
    problems, elsewhere = [], []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: message.type == "error" and problems.append(message.text))
    page.on("request", lambda request: request.url.startswith((address, "blob:", "data:")) or elsewhere.append(request.url))
    page.goto(address)
    page.set_input_files("#file", video)
    page.wait_for_selector("#editor:not([hidden])")
    page.wait_for_function(f"() => document.querySelector('#where').textContent.startsWith('0 / {FRAMES - 1}')")
    picture_shown(page)
    page.wait_for_function("() => document.querySelector('#saved').textContent === 'Saved'")

    x, y = middle(clip[0][1], 1)
    stroke(page, (x - 6, y), (x + 6, y))
    page.click("#add")
    page.wait_for_selector("#objects li.is-selected[data-id='2']")
    x, y = middle(clip[0][1], 2)
    stroke(page, (x, y - 5), (x, y + 5))
    stroke(page, (2, 2), (9, 2))
    page.locator("#canvas").focus()
    page.keyboard.press("z")
    page.wait_for_function("() => document.querySelector('#saved').textContent === 'Saved'")
    follow(page)

    go_to(page, 7)
    page.wait_for_function("() => document.querySelector('#objects .sure').textContent.includes('%')")
    page.click("#take")
    stroke(page, (20, 60), (40, 60))
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("() => document.querySelector('#run-note').textContent.includes('have changed')")
    follow(page)

    page.reload()
    page.wait_for_function("() => document.querySelector('#run-note').textContent.startsWith('Done')")
    assert page.locator("#objects li").count() == 2
    with page.expect_download() as downloading:
        page.click("#take-masks")
    with zipfile.ZipFile(downloading.value.path()) as archive:
        taken = {name: archive.read(name) for name in archive.namelist()}
    with page.expect_download() as downloading:
        page.click("#take-video")
    assert downloading.value.suggested_filename.endswith("overlay.mp4")
    assert not problems and not elsewhere

    (session,) = (each for each in (tmp_path / "sessions").iterdir() if each.is_dir())
    given = sorted((session / "page/painted").iterdir(), key=lambda path: int(path.stem))
    assert [path.stem for path in given] == ["0", "7"]
    assert set(np.unique(read_label_map(given[0]))) == {0, 1, 2} and not read_label_map(given[0])[2, 5]
    assert read_label_map(given[1])[60, 30] == 2
    masks = ["--masks", *(f"{path.stem}={path}" for path in given)]
    arguments = [
        next((session / "page").glob("video*")),
        *masks,
        "--checkpoint",
        checkpoint,
        "--format",
        "-o",
        tmp_path / "out",
    ]
    assert track.main([str(argument) for argument in arguments]) == 0
    assert taken == {f"masks/{path.name}": path.read_bytes() for path in (tmp_path / "out/masks").iterdir()}
    assert len(taken) == FRAMES


LIVE = "() => /Live · frame ([3-9]|[1-9][0-9]+) · [0-9.]+ frames/.test(document.querySelector('#progress-text').textContent)"


def test_what_a_camera_shows_is_followed_live_and_kept(browser, address, tmp_path):
    page = browser.new_context(viewport={"width": 390, "height": 780}, has_touch=True).new_page()
    page.set_default_timeout(PATIENCE)
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(address)
    page.click("#camera")
    page.click("#picture")
    page.wait_for_selector("#editor:not([hidden])")
    page.wait_for_function("() => document.querySelector('#where').textContent.startsWith('0 / 0')")
    picture_shown(page)
    saved(page)
    box = page.locator("#canvas").bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_function("() => !document.querySelector('#run').disabled")
    assert page.locator("#run").text_content() == "Follow live"
    page.click("#run")
    page.wait_for_function(LIVE)
    page.click("#cancel")
    page.wait_for_function("() => document.querySelector('#run-note').textContent.startsWith('Done')")
    assert not problems
    (folder,) = (tmp_path / "sessions").glob("camera-*")
    shown = sorted(path.stem for path in (folder / "page/frames").iterdir())
    assert shown == sorted(path.stem for path in (folder / "masks").iterdir()) and len(shown) > 3
    assert page.locator("#objects .sure").first.text_content().endswith("%")

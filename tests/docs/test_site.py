"""The site of docs/, built as its readers build it: without warnings, with every public name in its search, and by itself."""

import ast
import functools
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from html.parser import HTMLParser

import pytest
from reader import ROOT

import hodor

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
LOADING = {"script": "src", "img": "src", "source": "src", "iframe": "src", "object": "data", "embed": "src"}
pytestmark = pytest.mark.xdist_group("site")  # one process builds it, for all of these


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    finished = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert finished.returncode == 0 and "WARNING" not in finished.stderr, finished.stderr
    return folder


@pytest.fixture(scope="module")
def entries(site):
    """(place, title) of everything that the search finds."""
    found = json.loads((site / "search" / "search_index.json").read_text())["docs"]
    return {(entry["location"], re.sub(r"<.*?>.*?</.*?>", "", entry["title"]).strip()) for entry in found}


def test_links_out_of_docs_lead_to_the_same_thing_in_the_site(site):
    start = (site / "index.html").read_text()
    assert 'href="contributing/"' in start and 'href="../CONTRIBUTING.md"' not in start
    assert 'href="../configuration/"' in (site / "ablations" / "index.html").read_text()
    assert 'href="../architecture/"' in (site / "contributing" / "index.html").read_text()
    assert 'href="../model_card/"' in (site / "changelog" / "index.html").read_text()


class Loaded(HTMLParser):
    """What a page loads by itself, as opposed to what it links to."""

    def __init__(self):
        super().__init__()
        self.addresses = []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if tag in LOADING and values.get(LOADING[tag]):
            self.addresses.append(values[LOADING[tag]])
        if tag == "link" and values.get("rel") not in ("canonical", "next", "prev"):
            self.addresses.append(values["href"])


def test_pages_and_styles_load_nothing_from_elsewhere(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 30
    for page in pages:
        loaded = Loaded()
        loaded.feed(page.read_text())
        assert loaded.addresses and not [each for each in loaded.addresses if re.match(r"(\w+:)?//", each)], page
    for style in site.rglob("*.css"):
        assert not re.search(r"(url\(|@import)\s*[\"']?(\w+:)?//", style.read_text()), style


def test_the_search_finds_every_name_of_the_package(entries):
    for name in hodor.__all__:
        assert (f"api/#hodor.{name}", name) in entries, name


def documented_names():
    """(room, module, name) of everything with a docstring in the public modules."""
    for path in sorted((ROOT / "hodor").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if not any(part.startswith("_") for part in parts):
            room = parts[1] if len(parts) > 2 else "ground"
            for node in ast.parse(path.read_text()).body:
                is_public = isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_")
                if is_public and ast.get_docstring(node):
                    yield room, ".".join(parts), node.name


def test_the_search_finds_every_documented_name_of_the_modules(entries):
    names = list(documented_names())
    assert len(names) > 300
    missing = [f"{module}.{name}" for room, module, name in names if (f"api/{room}/#{module}.{name}", name) not in entries]
    assert not missing


@pytest.fixture
def address(site):
    """Where the built site is served."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            """Says nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=site))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@pytest.mark.skipif(CHROMIUM is None and "CI" not in os.environ, reason="there is no Chromium on this machine")
def test_a_browser_asks_no_other_host_and_searches(address):
    from playwright.sync_api import expect, sync_playwright  # noqa: PLC0415

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.set_default_timeout(120_000)
        asked, failed = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("response", lambda response: failed.append(response.url) if response.status >= 400 else None)
        for place in ("", "troubleshooting/", "app/", "api/inference/"):
            page.goto(address + place, wait_until="networkidle")
        page.keyboard.press("/")  # opens the search, which listens to keys once its index is there
        expect(page.locator(".md-search-result__meta")).to_have_text("Type to start searching", timeout=120_000)
        page.locator("[data-md-component=search-query]").press_sequentially("SoftMaskedAttention")
        found = page.locator(".md-search-result__link[href*='api/'][href*='SoftMaskedAttention']")
        expect(found.first).to_be_visible(timeout=120_000)
        browser.close()
    assert len(asked) > 10 and all(url.startswith((address, "data:", "blob:")) for url in asked), asked
    assert not failed

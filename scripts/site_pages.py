"""Hooks of the site of docs/ (see mkdocs.yml): pages that are made, and links that lead out of docs/.

Made are the API, a page for each room of the package, and those files of the repository that are worth reading there.
"""

import ast
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "hodor"
BORROWED = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "configs/default.yaml": "configuration.md",
}
"""Files of the repository and the pages that they are in the site."""
GROUND = "ground"
_LINK = re.compile(r"(?P<text>\[[^][]*\])\((?P<target>[^()\s]+)\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Puts the API behind the pages of the navigation that mkdocs.yml names."""
    api: list[Any] = ["api/index.md", *({room: f"api/{room}.md"} for room in rooms())]
    config.nav = [*(config.nav or []), {"API": api}]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that are made."""
    pages = {page: _borrowed(ROOT / path) for path, page in BORROWED.items()}
    pages["api/index.md"] = _api_index()
    pages |= {f"api/{room}.md": _api_page(room, modules) for room, modules in rooms().items()}
    for uri, content in pages.items():
        files.append(File.generated(config, uri, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links that lead somewhere on GitHub lead to the same thing in the site, or, where the site lacks it, become its name."""
    uri = page.file.src_uri
    source = next((path for path, borrowed in BORROWED.items() if borrowed == uri), f"docs/{uri}")
    return _LINK.sub(lambda link: _led(link, source, uri), markdown)


def rooms() -> dict[str, list[str]]:
    """The public modules of the package by room, in alphabetical order; modules beside the rooms are the ground's."""
    found = dict[str, list[str]]()
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if any(part.startswith("_") for part in parts if part != "__init__") or parts == ("hodor", "__init__"):
            continue
        room = parts[1] if len(parts) > 2 else GROUND
        found.setdefault(room, []).append(".".join(part for part in parts if part != "__init__"))
    return {room: sorted(modules) for room, modules in sorted(found.items())}


def _led(link: re.Match[str], source: str, uri: str) -> str:
    target, sign, anchor = link["target"].partition("#")
    if not target or re.match(r"\w+:", target):
        return link[0]
    path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
    page = BORROWED.get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else None)
    if page is None:
        return f"{link['text'][1:-1]} (`{path}`)" if path not in link["text"] else f"`{path}`"
    return f"{link['text']}({posixpath.relpath(page, posixpath.dirname(uri) or '.')}{sign}{anchor})"


def _borrowed(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return text
    return f"---\nhide: [toc]\n---\n\n# Every key of a configuration\n\n`{path.relative_to(ROOT)}`:\n\n```yaml\n{text}```\n"


def _api_index() -> str:
    return """# The package `hodor`

What most programs need is in the package itself. The other pages of this chapter hold the modules, room by room;
[the house on one page](../architecture.md) says what the rooms are.

::: hodor
    options:
      show_root_toc_entry: false
      show_root_heading: false
      members_order: alphabetical
      filters: ["!^_(?!_version__$)"]
      show_if_no_docstring: true
"""


def _api_page(room: str, modules: list[str]) -> str:
    title = "The ground: what every room may use" if room == GROUND else f"`hodor.{room}`"
    blocks = []
    for name in modules:
        path = ROOT.joinpath(*name.split("."))
        options = "\n    options:\n      members: false" if path.is_dir() else ""
        module = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))):
            blocks.append(f"::: {name}{options}\n")
    return "\n".join([f"# {title}\n", *blocks])

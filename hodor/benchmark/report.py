"""The report: what was measured before on the same machine, and everything as Markdown."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from hodor.errors import HodorError


def begun(path: Path, machine: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """A report without sections, or the one in the file, which must be of the same machine and settings.

    Raises:
        HodorError: the file is something else.
    """
    report: dict[str, Any] = {"machine": machine, "settings": settings, "sections": {}}
    try:
        report = json.loads(path.read_text()) if path.exists() else report
        theirs = {**report["machine"], **report["settings"]}
        tables(report)
    except (ValueError, KeyError, TypeError, jinja2.TemplateError):
        raise HodorError(f"{path}: not a report of this program; choose another --output") from None
    for key, own in {**machine, **settings}.items():
        if theirs.get(key) != own:
            raise HodorError(f"{path}: measured with {key} {theirs.get(key)!r}, not {own!r}; choose another --output")
    return report


def tables(report: Mapping[str, Any]) -> str:
    """The report as Markdown: ratios first, then a table for each section, with the commands that made them."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["time"] = _time
    return environment.get_template("report.md.jinja").render(report)


def _time(took: Mapping[str, float] | float) -> str:
    """Three digits: 1.63 s, 45.2 ms; of several rounds the median, in brackets the best."""
    if isinstance(took, Mapping):
        return f"{_time(took['median'])} ({_time(took['minimum'])})"
    return f"{took:.3g} s" if took >= 0.9995 else f"{1000 * took:.3g} ms"

"""The results in files and on the terminal: a table, CSV, JSON, and a page that needs no other file."""

import csv
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from hodor.evaluation.measures import Score, mean_score
from hodor.evaluation.sequences import PALETTE, ScoredSequence
from hodor.evaluation.summary import Summary
from hodor.files import written_aside

_SCORE_COLUMNS = ("J&F-Mean", "J-Mean", "J-Recall", "J-Decay", "F-Mean", "F-Recall", "F-Decay")
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")  # what spreadsheets would compute


def write_report(folder: Path, summary: Summary, sequences: Sequence[ScoredSequence], title: str, subtitle: str) -> None:
    """Writes global.csv, per_object.csv, per_frame.csv, scores.json and report.html, each complete or absent.

    The title says what was evaluated, the subtitle how.
    """
    page = as_html(summary, sequences, title, subtitle)
    totals = [(name, *_numbers(score, 6, "")) for name, score in {"all": summary.score, **summary.kinds}.items()]
    objects, frames = [], []
    for each in summary.objects:
        name, category = _escaped(each.sequence), summary.categories.get((each.sequence, each.object_id), "")
        objects.append((name, each.object_id, _escaped(category), len(each.frames), *_numbers(each.score, 6, "")))
        for frame, region, contour in zip(each.frames, each.region, each.contour, strict=True):
            frames.append((name, each.object_id, _escaped(frame), f"{region:.6f}", f"{contour:.6f}"))
    _write_csv(folder / "global.csv", ("Objects", *_SCORE_COLUMNS), totals)
    _write_csv(folder / "per_object.csv", ("Sequence", "Object", "Category", "Frames", *_SCORE_COLUMNS), objects)
    _write_csv(folder / "per_frame.csv", ("Sequence", "Object", "Frame", "J", "F"), frames)
    write_json(folder / "scores.json", summary)
    _write_text(folder / "report.html", page)


def as_text(summary: Summary) -> str:
    """A table for the terminal: one line per object, the totals last."""
    rows = [(each.sequence, str(each.object_id), str(len(each.frames)), *_numbers(each.score)) for each in summary.objects]
    frames = sum(len(each.frames) for each in summary.objects)
    totals = [("all", str(len(rows)), str(frames), *_numbers(summary.score))]
    totals += [(name, "", "", *_numbers(score)) for name, score in summary.kinds.items()]
    header = ("Sequence", "Object", "Frames", *_SCORE_COLUMNS)
    widths = [max(map(len, column)) for column in zip(header, *rows, *totals, strict=True)]
    rule = tuple("-" * width for width in widths)
    lines = []
    for name, *cells in (header, rule, *rows, rule, *totals):
        right = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
        lines.append("  ".join((name.ljust(widths[0]), *right)).rstrip())
    if summary.generalised is not None:
        lines.append(f"G {summary.generalised:.3f} (mean of J and F of seen and unseen categories)")
    return "\n".join(lines)


def as_json(summary: Summary) -> dict[str, Any]:
    """The results as they stand in a JSON file, 0..1, None where no frame was scored.

    `{"J&F", "J": {"mean", "recall", "decay"}, "F": {...}, "objects": [{"sequence", "object", "J", "F"}]}`, and with seen and
    unseen categories `"G"` and `"seen"`, `"unseen"`: `{"J&F", "J", "F"}`.
    """
    content: dict[str, Any] = {"J&F": _number(summary.score.overall), **_measures(summary.score)}
    if summary.generalised is not None:
        content["G"] = _number(summary.generalised)
        content |= {name: {"J&F": _number(score.overall), **_measures(score)} for name, score in summary.kinds.items()}
    content["objects"] = [
        {"sequence": each.sequence, "object": each.object_id, **_measures(each.score)} for each in summary.objects
    ]
    return content


def write_json(path: Path, summary: Summary) -> None:
    """Writes `as_json`; complete or absent."""
    _write_text(path, json.dumps(as_json(summary), indent=2, allow_nan=False) + "\n")


def as_html(summary: Summary, sequences: Sequence[ScoredSequence], title: str, subtitle: str) -> str:
    """A page with the totals, and per sequence curves, best and worst frame; see `write_report`."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"score": _text, "colour": lambda object_id: "#" + PALETTE[object_id].tobytes().hex()}
    boxes = {"G": summary.generalised} if summary.kinds else {}
    boxes |= {"J&F": summary.score.overall, "J": summary.score.region.mean, "F": summary.score.contour.mean}
    for name, score in summary.kinds.items():
        boxes |= {f"J {name}": score.region.mean, f"F {name}": score.contour.mean}
    sections = [(each, mean_score([scores.score for scores in each.objects])) for each in sequences]
    rows = [(each.sequence, len(each.objects), _values(mean)) for each, mean in sections]
    return environment.get_template("report.html.jinja").render(
        title=title,
        subtitle=subtitle,
        boxes=boxes,
        columns=("Sequence", "Objects", *_SCORE_COLUMNS),
        rows=[*rows, ("mean over objects", len(summary.objects), _values(summary.score))],
        sections=sections,
        categories=summary.categories,
        places=lambda frames: {frame: index for index, frame in enumerate(frames)},
        ticks=lambda count: sorted({round(index) for index in np.linspace(0, count - 1, 8)}),
    )


def _values(score: Score) -> tuple[float, ...]:
    """The numbers of `_SCORE_COLUMNS`; NaN where no frame was scored."""
    return (score.overall, *score.region, *score.contour)


def _numbers(score: Score, digits: int = 3, missing: str = "-") -> list[str]:
    return [_text(value, digits, missing) for value in _values(score)]


def _text(value: float, digits: int = 3, missing: str = "-") -> str:
    return missing if math.isnan(value) else f"{value:.{digits}f}"


def _measures(score: Score) -> dict[str, Any]:
    measures = {"J": score.region, "F": score.contour}
    return {name: {key: _number(value) for key, value in each._asdict().items()} for name, each in measures.items()}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _escaped(name: str) -> str:
    """A name from a file as a cell that no spreadsheet takes for a formula."""
    return f"'{name}" if name.startswith(_FORMULA_STARTS) else name


def _write_text(path: Path, text: str) -> None:
    with written_aside(path) as aside:
        aside.write_text(text, encoding="utf-8", errors="backslashreplace")


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with written_aside(path) as aside, aside.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        csv.writer(file).writerows([header, *rows])

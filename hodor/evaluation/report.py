"""The results in files and on the terminal: a table, CSV, JSON, and a page that needs no other file."""

import csv
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from hodor.evaluation.protocols import ObjectScores
from hodor.evaluation.sequences import ScoredSequence, object_colour
from hodor.evaluation.summary import ObjectSummary, Score, Summary, mean_score
from hodor.files import written_aside

_SCORE_COLUMNS = ("J&F-Mean", "J-Mean", "J-Recall", "J-Decay", "F-Mean", "F-Recall", "F-Decay")
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")  # what spreadsheets would compute
_WIDTH, _HEIGHT = 1120, 210  # of the curves, in the units of their drawing
_LEFT, _RIGHT, _TOP, _BOTTOM = 36, 8, 10, 26
_TICKS = 8


def write_report(folder: Path, summary: Summary, sequences: Sequence[ScoredSequence], title: str, subtitle: str) -> None:
    """Writes global.csv, per_object.csv, per_frame.csv, scores.json and report.html, each complete or absent.

    Args:
        folder: where to.
        summary: all numbers.
        sequences: the sequences in the order of `summary.objects`.
        title: what was evaluated.
        subtitle: how it was evaluated.
    """
    page = as_html(summary, sequences, title, subtitle)
    totals = [("all", summary.score), *_kinds(summary)]
    _write_csv(folder / "global.csv", ("Objects", *_SCORE_COLUMNS), ((name, *_numbers(score, 6, "")) for name, score in totals))
    _write_csv(
        folder / "per_object.csv",
        ("Sequence", "Object", "Category", "Frames", *_SCORE_COLUMNS),
        (
            (
                *(_escaped(each.scores.sequence), each.scores.object_id, _escaped(each.category or "")),
                *(len(each.scores.frames), *_numbers(each.score, 6, "")),
            )
            for each in summary.objects
        ),
    )
    _write_csv(
        folder / "per_frame.csv",
        ("Sequence", "Object", "Frame", "J", "F"),
        (
            (_escaped(scores.sequence), scores.object_id, _escaped(frame), f"{region:.6f}", f"{contour:.6f}")
            for scores in (each.scores for each in summary.objects)
            for frame, region, contour in zip(scores.frames, scores.region, scores.contour, strict=True)
        ),
    )
    write_json(folder / "scores.json", summary)
    _write_text(folder / "report.html", page)


def as_text(summary: Summary) -> str:
    """A table for the terminal: one line per object, the totals last."""
    rows = [
        (each.scores.sequence, str(each.scores.object_id), str(len(each.scores.frames)), *_numbers(each.score))
        for each in summary.objects
    ]
    totals = [("all", str(len(rows)), str(sum(len(each.scores.frames) for each in summary.objects)), *_numbers(summary.score))]
    totals += [(name, "", "", *_numbers(score)) for name, score in _kinds(summary)]
    header = ("Sequence", "Object", "Frames", *_SCORE_COLUMNS)
    widths = [max(map(len, column)) for column in zip(header, *rows, *totals, strict=True)]
    rule = tuple("-" * width for width in widths)
    lines = [
        "  ".join(cell.rjust(width) if index else cell.ljust(width) for index, (cell, width) in enumerate(cells)).rstrip()
        for cells in (zip(row, widths, strict=True) for row in (header, rule, *rows, rule, *totals))
    ]
    if summary.generalised is not None:
        lines.append(f"G {summary.generalised:.3f} (mean of J and F of seen and unseen categories)")
    return "\n".join(lines)


def as_json(summary: Summary) -> dict[str, Any]:
    """The results as they stand in a JSON file, 0..1, None where no frame was scored.

    `{"J&F", "J": {"mean", "recall", "decay"}, "F": {...}, "objects": [{"sequence", "object", "J", "F"}]}`, and with seen and
    unseen categories `"G"` and `"seen"`, `"unseen"`: `{"J&F", "J", "F"}`.
    """
    content: dict[str, Any] = {"J&F": _number(summary.score.overall), **_measures_json(summary.score)}
    if summary.generalised is not None:
        content["G"] = _number(summary.generalised)
        content |= {name: {"J&F": _number(score.overall), **_measures_json(score)} for name, score in _kinds(summary)}
    content["objects"] = [
        {"sequence": each.scores.sequence, "object": each.scores.object_id, **_measures_json(each.score)}
        for each in summary.objects
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
    environment.filters["score"] = _text
    boxes = [("J&F", summary.score.overall), ("J", summary.score.region.mean), ("F", summary.score.contour.mean)]
    if summary.generalised is not None:
        boxes.insert(0, ("G", summary.generalised))
    for name, score in _kinds(summary):
        boxes += [(f"J {name}", score.region.mean), (f"F {name}", score.contour.mean)]
    of_sequence: dict[str, list[ObjectSummary]] = {each.sequence: [] for each in sequences}
    for each in summary.objects:
        of_sequence[each.scores.sequence].append(each)
    rows = [(name, len(objects), _score_values(mean_score(objects))) for name, objects in of_sequence.items()]
    return environment.get_template("report.html.jinja").render(
        title=title,
        subtitle=subtitle,
        boxes=boxes,
        columns=("Sequence", "Objects", *_SCORE_COLUMNS),
        rows=[*rows, ("mean over objects", len(summary.objects), _score_values(summary.score))],
        sections=[(each, mean_score(of_sequence[each.sequence]), of_sequence[each.sequence]) for each in sequences],
        colour=lambda object_id: "#{:02x}{:02x}{:02x}".format(*object_colour(object_id)),
        grid=_grid,
        curves=_curves,
        size=(_WIDTH, _HEIGHT),
    )


def _grid(frames: Sequence[str]) -> dict[str, list[tuple[Any, ...]]]:
    """What stands behind the curves: `lines` (x1, x2, y, value) and `names` of frames (x, y, anchor, name)."""
    indices = sorted({round(index) for index in np.linspace(0, len(frames) - 1, _TICKS)})
    anchors = {0: "start", len(frames) - 1: "end"}
    return {
        "lines": [(_LEFT, _WIDTH - _RIGHT, _y(value), f"{value:g}") for value in (0, 0.25, 0.5, 0.75, 1)],
        "names": [(_x(i, len(frames)), _HEIGHT - 6, anchors.get(i, "middle"), frames[i]) for i in indices],
    }


def _curves(frames: Sequence[str], scores: ObjectScores) -> list[tuple[str, str, list[tuple[float, float]]]]:
    """J (solid) and F (dashed) of an object over its sequence's scored frames: name, style, and points (x, y)."""
    position = {frame: _x(index, len(frames)) for index, frame in enumerate(frames)}
    return [
        (name, style, [(position[frame], _y(float(value))) for frame, value in zip(scores.frames, values, strict=True)])
        for name, style, values in (("J", "solid", scores.region), ("F", "dashed", scores.contour))
    ]


def _x(index: int, count: int) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * index / max(count - 1, 1)


def _y(value: float) -> float:
    return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - value)


def _kinds(summary: Summary) -> list[tuple[str, Score]]:
    """The scores of seen and of unseen categories, where there are both."""
    return [(name, score) for name, score in (("seen", summary.seen), ("unseen", summary.unseen)) if score is not None]


def _score_values(score: Score) -> tuple[float, ...]:
    """The numbers of `_SCORE_COLUMNS`; NaN where no frame was scored."""
    region, contour = score.region, score.contour
    return score.overall, region.mean, region.recall, region.decay, contour.mean, contour.recall, contour.decay


def _text(value: float, digits: int = 3, missing: str = "-") -> str:
    return missing if math.isnan(value) else f"{value:.{digits}f}"


def _numbers(score: Score, digits: int = 3, missing: str = "-") -> list[str]:
    return [_text(value, digits, missing) for value in _score_values(score)]


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _measures_json(score: Score) -> dict[str, Any]:
    measures = {"J": score.region, "F": score.contour}
    return {name: {key: _number(value) for key, value in vars(each).items()} for name, each in measures.items()}


def _escaped(name: str) -> str:
    """A name from a file as a cell that no spreadsheet takes for a formula."""
    return f"'{name}" if name.startswith(_FORMULA_STARTS) else name


def _write_text(path: Path, text: str) -> None:
    with written_aside(path) as aside:
        aside.write_text(text, encoding="utf-8", errors="backslashreplace")


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with written_aside(path) as aside, aside.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)

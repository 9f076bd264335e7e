"""The results as a table, as CSV and as JSON."""

import csv
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from hodor.evaluation.measures import Statistics
from hodor.evaluation.summary import Score, Summary
from hodor.files import written_aside

SCORE_COLUMNS = ("J&F-Mean", "J-Mean", "J-Recall", "J-Decay", "F-Mean", "F-Recall", "F-Decay")


def score_values(score: Score) -> tuple[float, ...]:
    """The numbers of `SCORE_COLUMNS`; NaN where no frame was scored."""
    region, contour = score.region, score.contour
    return score.overall, region.mean, region.recall, region.decay, contour.mean, contour.recall, contour.decay


def as_text(summary: Summary) -> str:
    """A table for the terminal: one line per object, the totals last."""
    rows = [
        (each.scores.sequence, str(each.scores.object_id), str(len(each.scores.frames)), *_rounded(each.score))
        for each in summary.objects
    ]
    totals = [("all", str(len(rows)), str(sum(len(each.scores.frames) for each in summary.objects)), *_rounded(summary.score))]
    for name, score in (("seen", summary.seen), ("unseen", summary.unseen)):
        if score is not None:
            totals.append((name, "", "", *_rounded(score)))
    header = ("Sequence", "Object", "Frames", *SCORE_COLUMNS)
    widths = [max(map(len, column)) for column in zip(header, *rows, *totals, strict=True)]
    rule = "  ".join("-" * width for width in widths)
    lines = [_line(header, widths), rule, *(_line(row, widths) for row in rows), rule, *(_line(row, widths) for row in totals)]
    if summary.generalised is not None:
        lines.append(f"G {summary.generalised:.3f} (mean of J and F of seen and unseen categories)")
    return "\n".join(lines)


def as_json(summary: Summary) -> dict[str, Any]:
    """The results as they stand in a JSON file, 0..1, None where no frame was scored.

    `{"J&F", "J": {"mean", "recall", "decay"}, "F": {...}, "objects": [{"sequence", "object", "J", "F"}]}`, and with seen and
    unseen categories `"G"` and `"seen"`, `"unseen"`: `{"J&F", "J", "F"}`.
    """
    content = _score_json(summary.score)
    if summary.seen is not None and summary.unseen is not None:
        content["G"] = _number(summary.generalised)
        content["seen"], content["unseen"] = _score_json(summary.seen), _score_json(summary.unseen)
    content["objects"] = [
        {
            "sequence": each.scores.sequence,
            "object": each.scores.object_id,
            "J": _statistics_json(each.score.region),
            "F": _statistics_json(each.score.contour),
        }
        for each in summary.objects
    ]
    return content


def write_json(path: Path, summary: Summary) -> None:
    """Writes `as_json`; complete or absent."""
    write_text(path, json.dumps(as_json(summary), indent=2, allow_nan=False) + "\n")


def write_global_csv(path: Path, summary: Summary) -> None:
    """Writes the totals: one row for all objects, with categories one more for seen and for unseen ones."""
    rows = [("all", summary.score), ("seen", summary.seen), ("unseen", summary.unseen)]
    header = ("Objects", *SCORE_COLUMNS)
    _write_csv(path, header, ((name, *_exact(score)) for name, score in rows if score is not None))


def write_per_object_csv(path: Path, summary: Summary) -> None:
    """Writes one row per object."""
    header = ("Sequence", "Object", "Category", "Frames", *SCORE_COLUMNS)
    rows = (
        (each.scores.sequence, each.scores.object_id, each.category or "", len(each.scores.frames), *_exact(each.score))
        for each in summary.objects
    )
    _write_csv(path, header, rows)


def write_per_frame_csv(path: Path, summary: Summary) -> None:
    """Writes one row per object and scored frame."""
    rows = (
        (scores.sequence, scores.object_id, frame, f"{region:.6f}", f"{contour:.6f}")
        for scores in (each.scores for each in summary.objects)
        for frame, region, contour in zip(scores.frames, scores.region, scores.contour, strict=True)
    )
    _write_csv(path, ("Sequence", "Object", "Frame", "J", "F"), rows)


def write_text(path: Path, text: str) -> None:
    """Writes a text file; complete or absent."""
    with written_aside(path) as aside:
        aside.write_text(text, encoding="utf-8")


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with written_aside(path) as aside, aside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (
        cell.ljust(width) if index == 0 else cell.rjust(width)
        for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join([first, *others]).rstrip()


def _rounded(score: Score) -> list[str]:
    return ["-" if math.isnan(value) else f"{value:.3f}" for value in score_values(score)]


def _exact(score: Score) -> list[str]:
    return ["" if math.isnan(value) else f"{value:.6f}" for value in score_values(score)]


def _number(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value


def _statistics_json(statistics: Statistics) -> dict[str, float | None]:
    return {"mean": _number(statistics.mean), "recall": _number(statistics.recall), "decay": _number(statistics.decay)}


def _score_json(score: Score) -> dict[str, Any]:
    return {"J&F": _number(score.overall), "J": _statistics_json(score.region), "F": _statistics_json(score.contour)}

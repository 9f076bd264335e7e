"""The results as one page without any other file: totals, and per sequence curves, best and worst frame."""

import math
from collections.abc import Sequence
from html import escape

from hodor.evaluation.report import SCORE_COLUMNS, score_values
from hodor.evaluation.score_plot import score_plot
from hodor.evaluation.sequences import FramePictures, SequenceResult
from hodor.evaluation.summary import ObjectSummary, Score, Summary, mean_score
from hodor.evaluation.thumbnails import object_colour

_STYLE = """
:root { color-scheme: light dark;
  --ground: #fff; --panel: #f5f6f8; --ink: #1b1f24; --faint: #667080; --line: #d9dde3; --bar: #3b82f6; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #15181c; --panel: #1e2228; --ink: #e6e9ed; --faint: #98a2b0; --line: #373d46; --bar: #5b9bff; }
}
body { margin: 0 auto; padding: 2rem 1.5rem 4rem; max-width: 76rem; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .2rem; } h2 { font-size: 1.15rem; margin: 0; } h1, h2 { overflow-wrap: anywhere; }
p { margin: .2rem 0; } .faint { color: var(--faint); } a { color: inherit; }
.totals { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1.2rem 0; }
.total { background: var(--panel); border-radius: .6rem; padding: .6rem 1rem; min-width: 6rem; }
.total b { display: block; font-size: 1.7rem; line-height: 1.2; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .6rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { color: var(--faint); font-weight: 600; } th:first-child, td:first-child { text-align: left; }
td.bar { background: linear-gradient(90deg, color-mix(in srgb, var(--bar) 28%, transparent) var(--share), transparent 0); }
section { background: var(--panel); border-radius: .8rem; padding: 1rem 1.2rem; margin-top: 1.2rem; }
.head, .legend, .frames { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; align-items: baseline; }
.head { justify-content: space-between; } .legend { margin: .4rem 0; font-size: .85rem; }
.frames { gap: 1rem; align-items: start; }
.swatch { display: inline-block; width: .8em; height: .8em; border-radius: .2em; margin-right: .35em; }
.plot { width: 100%; min-width: 44rem; height: auto; display: block; }
.plot polyline, .plot circle { fill: none; stroke-width: 1.8; }
.plot .dashed { stroke-dasharray: 5 4; } .plot circle.dashed { stroke-dasharray: 3 2; }
.grid line { stroke: var(--line); } .grid text { fill: var(--faint); font-size: 12px; }
.frame { flex: 1 1 22rem; } .pictures { display: flex; gap: .5rem; } figure { margin: .3rem 0 0; flex: 1 1 0; min-width: 0; }
img { width: 100%; height: auto; border-radius: .35rem; display: block; } figcaption { font-size: .8rem; color: var(--faint); }
"""


def as_html(summary: Summary, results: Sequence[SequenceResult], title: str, subtitle: str) -> str:
    """The page as text.

    Args:
        summary: all numbers.
        results: the sequences in the order of `summary.objects`.
        title, subtitle: what was evaluated, and how.
    """
    of_sequence: dict[str, list[ObjectSummary]] = {result.sequence: [] for result in results}
    for each in summary.objects:
        of_sequence[each.scores.sequence].append(each)
    sections = "".join(_section(number, result, of_sequence[result.sequence]) for number, result in enumerate(results))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>"
        f'<h1>{escape(title)}</h1><p class="faint">{escape(subtitle)}</p>'
        f"{_totals(summary)}{_table(summary, of_sequence)}{sections}</body></html>\n"
    )


def _totals(summary: Summary) -> str:
    values = [("J&F", summary.score.overall), ("J", summary.score.region.mean), ("F", summary.score.contour.mean)]
    if summary.generalised is not None:
        values.insert(0, ("G", summary.generalised))
    for name, score in (("seen", summary.seen), ("unseen", summary.unseen)):
        if score is not None:
            values += [(f"J {name}", score.region.mean), (f"F {name}", score.contour.mean)]
    boxes = (
        f'<div class="total"><span class="faint">{escape(name)}</span><b>{_text(value)}</b></div>' for name, value in values
    )
    return f'<div class="totals">{"".join(boxes)}</div>'


def _table(summary: Summary, of_sequence: dict[str, list[ObjectSummary]]) -> str:
    heads = "".join(f"<th>{escape(name)}</th>" for name in ("Sequence", "Objects", *SCORE_COLUMNS))
    rows = [
        _row(f'<a href="#s{number}">{escape(sequence)}</a>', len(objects), mean_score(objects))
        for number, (sequence, objects) in enumerate(of_sequence.items())
    ]
    rows.append(_row("<b>mean over objects</b>", len(summary.objects), summary.score))
    return f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def _row(name: str, count: int, score: Score) -> str:
    overall, *others = score_values(score)
    share = 0.0 if math.isnan(overall) else 100 * overall
    cells = "".join(f"<td>{_text(value)}</td>" for value in others)
    return f'<tr><td>{name}</td><td>{count}</td><td class="bar" style="--share:{share:.1f}%">{_text(overall)}</td>{cells}</tr>'


def _section(number: int, result: SequenceResult, objects: Sequence[ObjectSummary]) -> str:
    score = mean_score(objects)
    head = (
        f'<div class="head"><h2>{escape(result.sequence)}</h2><span>J&amp;F <b>{_text(score.overall)}</b> &nbsp; '
        f"J {_text(score.region.mean)} &nbsp; F {_text(score.contour.mean)}</span></div>"
    )
    if not result.frames:
        return f'<section id="s{number}">{head}<p class="faint">No frame of this sequence counts.</p></section>'
    legend = "".join(_legend_entry(each) for each in objects) + '<span class="faint">J solid, F dashed</span>'
    pictures = _frame("Best frame", result.best) + _frame("Worst frame", result.worst)
    return (
        f'<section id="s{number}">{head}<div class="legend">{legend}</div>'
        f'<div class="scroll">{score_plot(result.frames, result.objects)}</div><div class="frames">{pictures}</div></section>'
    )


def _legend_entry(each: ObjectSummary) -> str:
    colour = "#{:02x}{:02x}{:02x}".format(*object_colour(each.scores.object_id))
    category = f" ({escape(each.category)})" if each.category else ""
    return (
        f'<span><i class="swatch" style="background:{colour}"></i>object {each.scores.object_id}{category}: '
        f"J {_text(each.score.region.mean)}, F {_text(each.score.contour.mean)}</span>"
    )


def _frame(name: str, pictures: FramePictures | None) -> str:
    if pictures is None:
        return ""
    figures = "".join(
        f'<figure><img src="{source}" alt="{name}, {caption}"><figcaption>{caption}</figcaption></figure>'
        for source, caption in ((pictures.truth, "truth"), (pictures.prediction, "prediction"))
    )
    return (
        f'<div class="frame"><div>{name}: {escape(pictures.frame)} '
        f'<span class="faint">(J&amp;F {_text(pictures.score)})</span></div><div class="pictures">{figures}</div></div>'
    )


def _text(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"

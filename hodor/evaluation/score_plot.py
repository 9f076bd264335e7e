"""Scores over time as an SVG drawing that stands in a page."""

from collections.abc import Sequence
from html import escape

import numpy as np

from hodor.evaluation.protocols import ObjectScores
from hodor.evaluation.thumbnails import object_colour

_WIDTH, _HEIGHT = 1120, 210
_LEFT, _RIGHT, _TOP, _BOTTOM = 36, 8, 10, 26
_TICKS = 8


def score_plot(frames: Sequence[str], objects: Sequence[ObjectScores]) -> str:
    """J (solid) and F (dashed) of each object over a sequence's scored frames as an `<svg>` element.

    Args:
        frames: names of the frames in order, at least one.
        objects: their scores; each in some of the frames.
    """
    position = {frame: _x(index, len(frames)) for index, frame in enumerate(frames)}
    parts = [_grid(frames)]
    for scores in objects:
        xs = [position[frame] for frame in scores.frames]
        for name, values, style in (("J", scores.region, "solid"), ("F", scores.contour, "dashed")):
            parts.append(_curve(xs, values, style, scores.object_id, f"object {scores.object_id}: {name}"))
    box = f'viewBox="0 0 {_WIDTH} {_HEIGHT}"'
    return f'<svg class="plot" {box} role="img" aria-label="J and F over the frames">{"".join(parts)}</svg>'


def _curve(xs: Sequence[float], values: np.ndarray, style: str, object_id: int, title: str) -> str:
    colour = "#{:02x}{:02x}{:02x}".format(*object_colour(object_id))
    points = [(x, _y(float(value))) for x, value in zip(xs, values, strict=True)]
    if len(points) == 1:
        (x, y), radius = points[0], 3 if style == "solid" else 5
        return (
            f'<circle class="{style}" cx="{x:.1f}" cy="{y:.1f}" r="{radius}" stroke="{colour}"><title>{title}</title></circle>'
        )
    text = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline class="{style}" points="{text}" stroke="{colour}"><title>{title}</title></polyline>'


def _grid(frames: Sequence[str]) -> str:
    parts = []
    for value in (0, 0.25, 0.5, 0.75, 1):
        y = _y(value)
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>')
    indices = sorted({round(index) for index in np.linspace(0, len(frames) - 1, _TICKS)})
    for index in indices:
        anchor = {0: "start", len(frames) - 1: "end"}.get(index, "middle")
        x = _x(index, len(frames))
        parts.append(f'<text x="{x:.1f}" y="{_HEIGHT - 6}" text-anchor="{anchor}">{escape(frames[index])}</text>')
    return f'<g class="grid">{"".join(parts)}</g>'


def _x(index: int, count: int) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * index / max(count - 1, 1)


def _y(value: float) -> float:
    return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - value)

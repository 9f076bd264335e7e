"""Pictures of the sections that vary something."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from hodor.files import written_aside

_ROOM = 1.1  # height of the picture over that of the highest point
_LOGGER = logging.getLogger(__name__)


class _Plot(NamedTuple):
    rows: str  # key of the list
    x: str  # key of a row
    label: str
    memory: str  # key of a row, or "" for none


_PLOTS = {
    "objects": _Plot("by_count", "objects", "objects", ""),
    "frames": _Plot("by_frame", "frame", "frame of the video", "resident"),
    "resolution": _Plot("by_size", "side", "shorter side of the frame in pixels", "peak_memory"),
    "window": _Plot("by_window", "window", "frames remembered", ""),
}


def plot(folder: Path, name: str, section: Mapping[str, Any]) -> None:
    """Draws a section as <name>.png: seconds per frame and, where it was measured, memory. Some sections have no picture.

    Where matplotlib is missing, says so and draws nothing.
    """
    if name not in _PLOTS:
        return
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 (it is not needed to measure)
    except ImportError:
        _LOGGER.warning("%s.png is not drawn, for which matplotlib is needed: pip install matplotlib", name)
        return
    kind = _PLOTS[name]
    rows = [row for row in section[kind.rows] if "failed" not in row]
    if not rows:
        return
    x, seconds = [row[kind.x] for row in rows], [_median(row["seconds"]) for row in rows]
    figure = Figure(figsize=(6.4, 3.2), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(x, seconds, color="C0", marker="" if name == "frames" else "o")
    axes.set(xlabel=kind.label, ylabel="seconds per frame", ylim=(0, _ROOM * max(seconds)))
    axes.grid(alpha=0.3)
    if kind.memory:
        memory = [row[kind.memory] / 2**30 for row in rows]
        right = axes.twinx()
        right.plot(x, memory, color="C1", linestyle="--")
        right.set(ylabel="memory in GiB (dashed)", ylim=(0, _ROOM * max(memory)))
    with written_aside(folder / f"{name}.png") as aside:
        figure.savefig(aside, format="png", dpi=120)


def _median(seconds: Any) -> float:
    return float(seconds["median"] if isinstance(seconds, Mapping) else seconds)

"""Tables and pictures of `orderings.py`."""

import json
from pathlib import Path
from statistics import mean, stdev
from typing import TypeAlias

import matplotlib as mpl
from matplotlib import pyplot as plt

Scores: TypeAlias = dict[str, dict[str, list[float]]]
"""J&F in 0..1 of each seed, by study and variant."""


def write_report(folder: Path, scores: Scores) -> None:
    """Writes orderings.json, orderings.md and orderings.png."""
    (folder / "orderings.json").write_text(json.dumps(scores, indent=1))
    (folder / "orderings.md").write_text("\n\n".join(table(study, found) for study, found in scores.items()) + "\n")
    draw(folder / "orderings.png", scores)


def table(study: str, found: dict[str, list[float]]) -> str:
    """A study as Markdown: mean and spread (standard deviation), and every seed."""
    lines = [f"| {study} | J&F | seeds |", "|---|---|---|"]
    for name, values in found.items():
        seeds = ", ".join(f"{100 * value:.1f}" for value in values)
        lines.append(f"| {name} | {100 * mean(values):.1f} ± {100 * spread(values):.1f} | {seeds} |")
    return "\n".join(lines)


def spread(values: list[float]) -> float:
    """Standard deviation over seeds; 0 of a single one."""
    return stdev(values) if len(values) > 1 else 0.0


def draw(path: Path, scores: Scores) -> None:
    """A panel per study: a bar for the mean, a dot for every seed."""
    mpl.use("Agg")
    figure, panels = plt.subplots(1, len(scores), figsize=(3.4 * len(scores), 3.4), sharey=True, squeeze=False)
    for panel, (study, found) in zip(panels[0], scores.items(), strict=True):
        panel.bar(range(len(found)), [100 * mean(values) for values in found.values()], color="#9ab8d8", width=0.65)
        for place, values in enumerate(found.values()):
            panel.plot([place] * len(values), [100 * value for value in values], "o", color="#1f3b5c", markersize=4)
        panel.set_xticks(range(len(found)), [name.replace(", ", ",\n") for name in found], fontsize=8, rotation=20)
        panel.set_title(study, fontsize=10)
        panel.grid(axis="y", alpha=0.3)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0][0].set_ylabel("J&F (%), half of DAVIS 2016")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)

"""Real videos: J&F of a checkpoint on DAVIS 2016, beside copying the first mask and warping it by optical flow.

    python benchmarks/real_videos.py CHECKPOINT --davis ~/DAVIS --folder real_videos

Judges the sequences of a split (all, where there is no folder ImageSets), given their first masks. Every third, in the order of
their names, may be looked at while a recipe is being improved (--only selection); the others are there to be reported. None of
them is trained on. The settings are the checkpoint's, unless options of inference (--min_image_dim 240) say otherwise.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

from baselines import ROOT, copied_mask, flow_warped_mask, follow, judge, program

from hodor.formats.inference_json import read_inference_json
from hodor.program import ArgumentParser, run

SELECTION, REPORTED = "selection", "reported"
ANNOTATIONS = "workspace/dataset_json_annotations/davis.json"
METHODS = {"copying the first mask": copied_mask, "warping it by optical flow": flow_warped_mask}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; see `--help`."""
    parser = ArgumentParser(
        description="Judges a checkpoint on real videos, beside two baselines; further options go to the inference program."
    )
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--davis", type=Path, required=True, help="folder with JPEGImages/ and Annotations/")
    parser.add_argument("--resolution", default="480p", help="the folder below them (default: 480p)")
    parser.add_argument("--split", default="train", help="which sequences (default: train, 30 of them)")
    parser.add_argument("--folder", type=Path, required=True, help="where everything goes; baselines in it are kept")
    parser.add_argument("--only", choices=[SELECTION, REPORTED], help="one part of the sequences")
    options, inference = parser.parse_known_args(arguments)
    folder = options.folder.resolve()
    os.environ["HODOR_WORKSPACE_DIR"] = str(folder / "workspace")
    (folder / "workspace").mkdir(parents=True, exist_ok=True)
    truth = options.davis.resolve() / "Annotations" / options.resolution
    where = ["--year", 2016, "--resolution", options.resolution, "--split", options.split, "--name", "davis"]
    program("-m", "hodor.convert", "davis", options.davis.resolve(), *where)
    names = chosen([sequence.id for sequence in read_inference_json(folder / ANNOTATIONS)], options.only)
    folder = folder / (options.only or "all")
    folder.mkdir(exist_ok=True)
    scores = {}
    for name, method in METHODS.items():
        masks = folder / method.__name__
        scores[name] = by_sequence(masks if masks.is_dir() else follow("davis", method, masks, only=names), truth, names)
    masks = folder / options.checkpoint.stem
    given = ["--dataset", "davis", "--output_dir", masks, "--seqs", *names]
    program(ROOT / "hodor/inference/main.py", options.checkpoint.resolve(), *given, *inference)
    scores["HODOR"] = by_sequence(masks / "results", truth, names)
    (folder / "scores.json").write_text(json.dumps(scores, indent=1))
    print(table(scores))
    return 0


def chosen(names: list[str], part: str | None) -> list[str]:
    """The names that belong to a part, None for all."""
    return [name for index, name in enumerate(sorted(names)) if part in {None, SELECTION if index % 3 == 0 else REPORTED}]


def by_sequence(results: Path, truth: Path, names: list[str]) -> dict[str, tuple[float, float]]:
    """J and F of each sequence, one object each."""
    found = judge(results, truth, only=names)["objects"]
    return {scores["sequence"]: (scores["J"]["mean"], scores["F"]["mean"]) for scores in found}


def table(scores: dict[str, dict[str, tuple[float, float]]]) -> str:
    """A line per sequence, and the means of both parts, as Markdown."""
    lines = ["| sequence | " + " | ".join(f"{name}: J&F (J, F)" for name in scores) + " |", "|---" * (len(scores) + 1) + "|"]
    names = list(next(iter(scores.values())))
    for name in names:
        lines.append(f"| {name} | " + " | ".join(_cell([found[name]]) for found in scores.values()) + " |")
    cells = [_cell(list(found.values())) for found in scores.values()]
    lines.append(f"| **mean of {len(names)}** | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(pairs: list[tuple[float, float]]) -> str:
    j, f = (100 * mean(values) for values in zip(*pairs, strict=True))
    return f"{(j + f) / 2:.1f} ({j:.1f}, {f:.1f})"


if __name__ == "__main__":
    run(main)

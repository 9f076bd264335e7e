"""A small table: J&F of masks that were judged already, beside copying the first mask and warping it by optical flow.

    python benchmarks/beside_baselines.py SCORES_JSON --dataset demo --ground_truth DIR --folder baselines

SCORES_JSON is what the evaluation wrote about masks of a converted data set, whose objects are all given in the first frames.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from baselines import copied_mask, flow_warped_mask, follow, judge

from hodor.errors import HodorError
from hodor.program import ArgumentParser, run

METHODS = {"copying the first mask": copied_mask, "warping it by optical flow": flow_warped_mask}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program; see `--help`.

    Raises:
        HodorError: SCORES_JSON is not there or holds something else.
    """
    parser = ArgumentParser(description="Prints the scores of judged masks beside those of two baselines.")
    parser.add_argument("scores", type=Path, metavar="SCORES_JSON", help="scores.json of hodor evaluate")
    parser.add_argument("--dataset", required=True, help="the converted data set that the masks are of")
    parser.add_argument("--ground_truth", type=Path, required=True, help="folder with the true masks")
    parser.add_argument("--folder", type=Path, required=True, help="where the baselines' masks go")
    options = parser.parse_args(arguments)
    folder, truth = options.folder.resolve(), options.ground_truth.resolve()
    ours = _read(options.scores)
    scores = {
        name: judge(follow(options.dataset, method, folder / method.__name__), truth, quiet=True)
        for name, method in METHODS.items()
    }
    print(table(scores | {"HODOR": ours}))
    return 0


def table(scores: Mapping[str, Mapping[str, Any]]) -> str:
    """A line for each method with the J&F of every object and of all, in percent.

    Args:
        scores: for each method what the evaluation wrote as JSON; all of them about the same objects.
    """
    objects = next(iter(scores.values()))["objects"]
    heads = [f"{found['sequence']} {found['object']}" for found in objects] + ["all"]
    first = max(map(len, scores))
    lines = ["  ".join(["J&F".ljust(first), *heads])]
    for name, found in scores.items():
        values = [(thing["J"]["mean"] + thing["F"]["mean"]) / 2 for thing in found["objects"]] + [found["J&F"]]
        cells = [f"{100 * value:{len(head)}.1f}" for head, value in zip(heads, values, strict=True)]
        lines.append("  ".join([name.ljust(first), *cells]))
    return "\n".join(lines)


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text())
        _ = content["J&F"], content["objects"]
    except FileNotFoundError:
        raise HodorError(f"{file}: no such file; hodor evaluate writes it") from None
    except (ValueError, KeyError, TypeError):
        raise HodorError(f"{file}: these are no scores; give the scores.json of hodor evaluate") from None
    scores: dict[str, Any] = content
    return scores


if __name__ == "__main__":
    run(main)

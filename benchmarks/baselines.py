"""What a user could do without a network: copy the first mask, or warp it along by optical flow. And how masks are judged."""

import itertools
import json
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from hodor.formats.inference_json import read_inference_json
from hodor.formats.label_maps import davis_palette, write_label_map
from hodor.inference.results import mask_name
from hodor.media.images import read_image
from hodor.workspace import Workspace

ROOT = Path(__file__).parent.parent
Method = Callable[[Sequence[np.ndarray], np.ndarray], Iterator[np.ndarray]]


def copied_mask(frames: Sequence[np.ndarray], labels: np.ndarray) -> Iterator[np.ndarray]:
    """The first label map [H, W] for every frame."""
    for _ in frames:
        yield labels


def flow_warped_mask(frames: Sequence[np.ndarray], labels: np.ndarray) -> Iterator[np.ndarray]:
    """The first label map [H, W], carried from frame to frame [H, W, 3] by dense inverse search flow (medium preset)."""
    flow_of = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    rows, columns = np.indices(labels.shape, dtype=np.float32)
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    yield labels
    for before, now in itertools.pairwise(grey):
        flow = flow_of.calc(now, before, None)
        labels = cv2.remap(labels, columns + flow[..., 0], rows + flow[..., 1], cv2.INTER_NEAREST, borderValue=0)
        yield labels


def follow(dataset: str, method: Method, output: Path, *, only: Collection[str] | None = None) -> Path:
    """Writes masks of a converted data set, or of some sequences, given in the first frames, by a baseline.

    Returns:
        `output`.
    """
    workspace = Workspace.from_environment()
    for sequence in read_inference_json(workspace.annotations(dataset)):
        if only is not None and sequence.id not in only:
            continue
        frames = [read_image(workspace.images(dataset) / path) for path in sequence.image_paths]
        first = np.zeros(frames[0].shape[:2], dtype=np.uint8)
        for object_id, mask in sequence.masks(0, *first.shape).items():
            first[mask] = object_id
        for path, labels in zip(sequence.image_paths, method(frames, first), strict=True):
            write_label_map(output / sequence.id / mask_name(path), labels, davis_palette())
    return output


def judge(results: Path, truth: Path, *, only: Collection[str] | None = None, quiet: bool = False) -> dict[str, Any]:
    """Scores of a folder of masks, or of some of its sequences, as `hodor/evaluation/main.py --json` writes them.

    Its own table is printed too unless it shall be `quiet`.
    """
    scores, listing = results.parent / f"{results.name}.json", results.parent / f"{results.name}.txt"
    listing.write_text("".join(f"{name}\n" for name in only or sorted(path.name for path in results.iterdir())))
    arguments = (results, "--ground_truth", truth, "--json", scores, "--sequences", listing)
    program(ROOT / "hodor/evaluation/main.py", *arguments, quiet=quiet)
    content: dict[str, Any] = json.loads(scores.read_text())
    return content


def program(*arguments: object, quiet: bool = False) -> None:
    """Runs a program of the project, `quiet` without its output on stdout; its failure ends the benchmark."""
    subprocess.run([sys.executable, *map(str, arguments)], cwd=ROOT, check=True, stdout=subprocess.DEVNULL if quiet else None)

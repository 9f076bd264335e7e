"""The section `frame`: what one frame takes, part by part, against the network's plain twin, and from files to files."""

import copy
import itertools
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from PIL import Image

from hodor.benchmark.bench import Bench, Tracking, label
from hodor.benchmark.measuring import Times, in_turns, ratios, wait
from hodor.benchmark.report import ratio, shown, text
from hodor.formats import run_length
from hodor.formats.inference_json import InferenceSequence
from hodor.inference import segmenter as segmenter_module
from hodor.inference.results import ResultsFolder
from hodor.inference.segmenter import Segmenter
from hodor.inference.sequences import segment_sequence
from hodor.media.sizes import network_size
from hodor.modelling.plain import plain
from hodor.synthetic.davis_folder import JPEG_QUALITY

PARTS = {
    "prepare": "bring to size and normalise",
    "extract_features": "features (Swin, pyramid)",
    "segment": "decoder",
    "describe": "encoder",
    "label_map": "label map",
}


def frame(bench: Bench) -> dict[str, Any]:
    """What one frame takes, part by part, against the network's plain twin, and from files to files."""
    sizes = bench.sizes
    twin = copy.deepcopy(bench.model, {id(weights): weights for weights in bench.model.parameters()})  # the same weights
    ours = bench.tracking()
    with plain(twin):
        theirs = bench.tracking(twin)
        runs = {"network": ours.step, "plain": theirs.step}
        times = in_turns(runs, bench.device, rounds=sizes.rounds, repeats=bench.repeats)
        agreement = _agreement(bench, ours.segmenter, theirs.segmenter)
    parts, against = _parts(bench, ours), ratios(times["plain"], times["network"])
    files = _with_files(bench)
    table = [
        ("", "time"),
        ("network: a frame in memory to its label map", text(times["network"])),
        *((f"- {PARTS[name]}", text(took)) for name, took in parts.items()),
        ("plain twin", text(times["plain"])),
        (f"from JPEG to PNG, mean of {files['frames']} frames", text(files["seconds"])),
    ]
    note = (
        f"The plain twin gives the same label in {100 * agreement['equal_pixels']:.3f} % of pixels; "
        f"logits differ by {agreement['logits_difference']:.1e} of their norm."
    )
    said = [("time of the plain twin / ours", ratio(against))]
    shown_at = label(network_size(*sizes.frame, sizes.min_dim, 2 * sizes.min_dim))
    title = f"A frame (network {shown_at}, {sizes.window} frames in memory)"
    return {
        **shown(title, bench, table, ratios=said, note=note),
        "network_size": shown_at,
        "window": sizes.window,
        "network": times["network"].as_json(),
        "parts": {name: took.as_json() for name, took in parts.items()},
        "plain": times["plain"].as_json(),
        "plain_against_ours": against,
        "agreement": agreement,
        "with_files": files,
    }


@contextmanager
def _watched(segmenter: Segmenter, device: torch.device) -> Iterator[dict[str, tuple[float, Any]]]:
    """A context in which every part of a frame leaves its seconds and its result, by its name in `PARTS`."""
    found: dict[str, tuple[float, Any]] = {}

    def watch(owner: object, method: str, part: str) -> Any:
        run = getattr(owner, method)

        def call(*arguments: Any, **options: Any) -> Any:
            wait(device)
            started = time.perf_counter()
            result = run(*arguments, **options)
            wait(device)
            found[part] = time.perf_counter() - started, result
            return result

        return mock.patch.object(owner, method, call)

    model = segmenter.model
    with (
        watch(segmenter, "_prepare", "prepare"),
        watch(model, "extract_features", "extract_features"),
        watch(model, "segment", "segment"),
        watch(model, "describe_predicted", "describe"),
        watch(segmenter_module, "label_map", "label_map"),
    ):
        yield found


def _parts(bench: Bench, tracking: Tracking) -> dict[str, Times]:
    rounds = []
    with _watched(tracking.segmenter, bench.device) as found:
        for _ in range(bench.sizes.rounds):
            tracking.step()
            rounds.append({part: took for part, (took, _) in found.items()})
    return {part: Times(tuple(each[part] for each in rounds)) for part in PARTS}


def _agreement(bench: Bench, ours: Segmenter, theirs: Segmenter) -> dict[str, Any]:
    """Compares two segmenters on all frames of the video, with the same memory.

    Returns:
        equal_pixels: share of pixels with the same label.
        logits_difference: the largest, over frames, norm of the difference over norm of the latter's logits.
        largest_difference: of any logit, over the root mean square of the frame's logits.
    """
    state, equal, relative, largest = ours.state_dict(), [], [], []
    for image in bench.video.frames:
        logits, labels = [], []
        for segmenter in (ours, theirs):
            segmenter.load_state_dict(state)
            with _watched(segmenter, bench.device) as found:
                labels.append(segmenter.step(image))
                logits.append(found["segment"][1].double())
        difference = logits[0] - logits[1]
        equal.append((labels[0] == labels[1]).float().mean().item())
        relative.append((difference.norm() / logits[1].norm()).item())
        largest.append((difference.abs().max() / logits[1].square().mean().sqrt()).item())
    mean = sum(equal) / len(equal)
    found_in = {"frames": len(equal), "equal_pixels": mean}
    return found_in | {"logits_difference": max(relative), "largest_difference": max(largest)}


def _with_files(bench: Bench) -> dict[str, Any]:
    """A sequence of JPEGs to palette PNGs as the inference program does it: seconds per frame, first frame included."""
    count, video = bench.sizes.files * bench.repeats, bench.video.of_objects(bench.sizes.objects)
    paths = tuple(f"{index:05d}.jpg" for index in range(count))
    masks = {object_id: run_length.encode(mask) for object_id, mask in video.masks.items()}
    sequence = InferenceSequence("video", paths, {0: masks})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path, image in zip(paths, itertools.cycle(video.frames), strict=False):
            Image.fromarray(image).save(folder / path, quality=JPEG_QUALITY)
        with ResultsFolder(folder / "output").writing(sequence, {}) as writer:
            timing = segment_sequence(bench.segmenter(), sequence, folder, writer, lambda: None)
    return {"frames": count, "seconds": timing.total / count, "network_seconds": timing.network / count}

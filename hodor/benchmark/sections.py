"""The sections of the report. Each takes a bench and gives what JSON can hold, in seconds and bytes, and how it is shown."""

import copy
import itertools
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from PIL import Image
from torch.nn import functional as F

from hodor.benchmark.bench import Bench, Tracking, Video, label
from hodor.benchmark.measuring import Times, in_turns, last_against_second_quarter, ratios, resident_memory, seconds, wait
from hodor.formats import run_length
from hodor.formats.inference_json import InferenceSequence
from hodor.inference import segmenter as segmenter_module
from hodor.inference.results import ResultsFolder
from hodor.inference.segmenter import Segmenter
from hodor.inference.sequences import segment_sequence
from hodor.media.sizes import network_size
from hodor.modelling.plain import direct_gflop, plain
from hodor.synthetic.davis_folder import JPEG_QUALITY

PARTS = {
    "prepare": "bring to size and normalise",
    "extract_features": "features (Swin, pyramid)",
    "segment": "decoder",
    "describe": "encoder",
    "label_map": "label map",
}
_CHUNKS = 60


def floor(bench: Bench) -> dict[str, Any]:
    """How fast the machine multiplies, how much a frame is to multiply, and what a frame takes compared with that."""
    device, side, (channels, height, width) = bench.device, bench.sizes.matrix, bench.sizes.convolution
    tracking = bench.tracking()
    runs: dict[str, Callable[[], object]] = {"frame": tracking.step}
    products: dict[str, float] = {}
    with torch.inference_mode():
        gflop = direct_gflop(bench.model, tracking.step)
        for name in dict.fromkeys(("float32", bench.precision)):
            dtype = torch.bfloat16 if name == "bf16" else torch.float32
            left, right = torch.rand(2, side, side, device=device).to(dtype)
            image = torch.rand(1, channels, height, width, device=device).to(dtype)
            weight = torch.rand(channels, channels, 3, 3, device=device).to(dtype)
            runs[f"matrix {name}"] = partial(torch.matmul, left, right)
            runs[f"convolution {name}"] = partial(F.conv2d, image, weight, padding=1)
            products |= {f"matrix {name}": 2e-9 * side**3, f"convolution {name}": 18e-9 * channels**2 * height * width}
        times = in_turns(runs, device, rounds=bench.sizes.rounds, repeats=bench.repeats)
    speeds = {
        name: {"median": product / times[name].median, "best": product / times[name].minimum}
        for name, product in products.items()
    }
    usual, took = speeds[f"convolution {bench.precision}"], times["frame"]
    least = {"median": gflop / usual["median"], "minimum": gflop / usual["best"]}
    against = {"median": took.median / least["median"], "minimum": took.minimum / least["minimum"]}
    table = [
        ("", ""),
        *((f"large {name}", f"{speed['median']:.0f} ({speed['best']:.0f}) GFLOP/s") for name, speed in speeds.items()),
        ("direct arithmetic of a frame", f"{gflop:.0f} GFLOP"),
        ("floor: that at the convolution's speed", _text(least)),
        ("a frame", _text(took)),
    ]
    said = () if bench.quick else [("time of a frame / floor of direct arithmetic", _ratio(against))]  # means nothing if tiny
    found = {"gflops_per_second": speeds, "gflop_per_frame": gflop, "floor_seconds": least, "frame_seconds": took.as_json()}
    return _shown("Floor", bench, table, ratios=said) | found | {"frame_against_floor": against}


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
        ("network: a frame in memory to its label map", _text(times["network"])),
        *((f"- {PARTS[name]}", _text(took)) for name, took in parts.items()),
        ("plain twin", _text(times["plain"])),
        (f"from JPEG to PNG, mean of {files['frames']} frames", _text(files["seconds"])),
    ]
    note = (
        f"The plain twin gives the same label in {100 * agreement['equal_pixels']:.3f} % of pixels; "
        f"logits differ by {agreement['logits_difference']:.1e} of their norm."
    )
    said = [("time of the plain twin / ours", _ratio(against))]
    return {
        **_shown(f"A frame, {sizes.window} more in memory", bench, table, ratios=said, note=note),
        "network_size": label(network_size(*sizes.frame, sizes.min_dim, 2 * sizes.min_dim)),
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


def modes(bench: Bench) -> dict[str, Any]:
    """Measures `Segmenter.follow` in turns, and which share of pixels has the label that float32 gives it.

    Masks agree as well as the checkpoint is sure of them: random weights give noise, and modes disagree about noise.
    """
    torch.backends.cudnn.allow_tf32 = False
    chosen: dict[str, dict[str, Any]] = {"float32": {"precision": "float32"}, "bf16": {"precision": "bf16"}}
    if bench.device.type == "cuda" and not bench.quick:
        bf16 = chosen["bf16"]
        chosen["bf16, 4 frames at once"] = bf16 | {"look_ahead": 4}
        chosen["bf16, compiled"] = bf16 | {"compiled": True}
        chosen["bf16, compiled, 4 frames at once"] = bf16 | {"compiled": True, "look_ahead": 4}
    count = bench.sizes.followed * bench.repeats
    video = bench.video.of_objects(bench.sizes.objects)

    def follow(segmenter: Segmenter) -> list[torch.Tensor]:
        frames = itertools.islice(itertools.cycle(video.frames), count)
        segmenter.reset()
        return list(segmenter.follow(zip(frames, itertools.chain([video.masks], itertools.repeat(None)), strict=False)))

    segmenters = {name: bench.segmenter(**options) for name, options in chosen.items()}
    label_maps = {name: follow(segmenter) for name, segmenter in segmenters.items()}
    runs = {name: partial(follow, segmenter) for name, segmenter in segmenters.items()}
    times = in_turns(runs, bench.device, rounds=bench.sizes.rounds)
    rows: list[dict[str, Any]] = []
    for name, took in times.items():
        same = [(a == b).double().mean().item() for a, b in zip(label_maps["float32"], label_maps[name], strict=True)]
        each = {"median": took.median / count, "minimum": took.minimum / count}
        rows.append({"mode": name, "seconds": each, "equal_pixels": sum(same) / count})
    table = [
        ("", "time per frame", "frames per second", "pixels with float32's label"),
        *(
            (row["mode"], _text(row["seconds"]), f"{1 / row['seconds']['median']:.3g}", f"{100 * row['equal_pixels']:.3f} %")
            for row in rows
        ),
    ]
    return _shown(f"Modes, {count} frames in memory", bench, table) | {"frames": count, "by_mode": rows}


def objects(bench: Bench) -> dict[str, Any]:
    """Time per frame against the number of objects."""
    counts = bench.sizes.object_counts
    runs = {count: bench.tracking(objects=count).step for count in counts}
    times = in_turns(runs, bench.device, rounds=bench.sizes.rounds, repeats=bench.repeats)
    many = max((count for count in counts if count <= 20), default=counts[-1])
    percent = 100 * (times[many].median / times[counts[0]].median - 1)
    table = [("objects", "time per frame"), *((str(count), _text(took)) for count, took in times.items())]
    said = [(f"time with {many} objects against {counts[0]}", f"{percent:+.0f} %")]
    return {
        **_shown("Objects", bench, table, ratios=said),
        "growth": {"from": counts[0], "to": many, "percent": percent},
        "by_count": [{"objects": count, "seconds": took.as_json()} for count, took in times.items()],
    }


def memory(bench: Bench, count: int) -> dict[str, Any]:
    """Time per frame and memory of a video of `count` frames, at least 8, from its first to its last."""
    sizes = bench.sizes
    video = Video.drawn(sizes.small, sizes.objects, frames=min(count, 30))
    segmenter = bench.segmenter(min_dim=min(sizes.small))
    segmenter.step(video.frames[0], video.masks)
    upcoming = itertools.islice(itertools.cycle(video.frames), 1, None)
    per_chunk = max(1, count // _CHUNKS)
    rows = []
    for last in range(per_chunk, count, per_chunk):
        took = seconds(lambda: segmenter.step(next(upcoming)), bench.device, repeats=per_chunk)
        row = {"frame": last, "seconds": took, "resident": resident_memory()}
        rows.append(row | ({"on_gpu": torch.cuda.memory_allocated(bench.device)} if bench.device.type == "cuda" else {}))
    kinds = {"seconds": "time per frame", "resident": "resident memory", "on_gpu": "memory on the GPU"}
    kinds = {key: name for key, name in kinds.items() if key in rows[0]}
    growth = {key: last_against_second_quarter([row[key] for row in rows]) for key in kinds}
    shown = [rows[index * (len(rows) - 1) // 4] for index in range(5)]
    table = [
        ("frame", *kinds.values()),
        *(
            (str(row["frame"]), *(_text(row[key]) if key == "seconds" else f"{row[key] / 2**20:.0f} MiB" for key in kinds))
            for row in shown
        ),
    ]
    said = [(f"{kinds[key]}, last / second quarter of {count} frames", f"{ratio:.3f}") for key, ratio in growth.items()]
    found = {"frames": count, "last_against_second_quarter": growth, "by_frame": rows}
    return _shown("A long video", bench, table, ratios=said, frame=sizes.small) | found


def _shown(
    title: str,
    bench: Bench,
    table: Sequence[Sequence[str]],
    *,
    ratios: Sequence[tuple[str, str]] = (),
    note: str = "",
    frame: tuple[int, int] | None = None,
) -> dict[str, Any]:
    """What stands in every section, and how it is shown."""
    size, count = label(frame or bench.sizes.frame), bench.sizes.objects
    shown = {"title": f"{title}: {size}, {count} objects", "table": table, "ratios": ratios, "note": note}
    return {"frame_size": size, "objects": count} | shown


def _text(took: "Times | Mapping[str, float] | float") -> str:
    """Three digits: 1.63 s, 45.2 ms; of several rounds the median, in brackets the best."""
    if isinstance(took, Times):
        return f"{_text(took.median)} ({_text(took.minimum)})"
    if isinstance(took, Mapping):
        return f"{_text(took['median'])} ({_text(took['minimum'])})"
    return f"{took:.3g} s" if took >= 0.9995 else f"{1000 * took:.3g} ms"


def _ratio(each: Mapping[str, float]) -> str:
    return f"{each['median']:.2f} ({each['minimum']:.2f})"

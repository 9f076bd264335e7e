"""The sections of the report. Each takes a bench and gives what JSON can hold, and how it is shown.

Every section holds "title", "table" (rows of text, a header first), "ratios" (rows of two texts) and "note" beside its numbers.
"""

import copy
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch.nn import functional as F

from hodor.benchmark.bench import Bench, Times, Tracking, Video, ratios, resident_memory, seconds, times, wait
from hodor.benchmark.plain import direct_gflop, plain, unprepared
from hodor.formats import run_length
from hodor.formats.inference_json import InferenceSequence
from hodor.inference import segmenter as segmenter_module
from hodor.inference.results import ResultsFolder
from hodor.inference.segmenter import Segmenter
from hodor.inference.sequences import segment_sequence
from hodor.media.images import network_size, write_image
from hodor.synthetic.clip import JPEG_QUALITY

_CHUNKS = 60
_PARTS = {
    "prepare": "bring to size and normalise",
    "extract_features": "features (Swin, pyramid)",
    "segment": "decoder",
    "describe": "encoder",
    "label_map": "label map",
}


def floor(bench: Bench) -> dict[str, Any]:
    """How fast the machine multiplies, how much a frame is to multiply, and what a frame takes compared with that."""
    device, side, (channels, height, width) = bench.device, bench.sizes.matrix, bench.sizes.convolution
    step = bench.tracking().step
    runs: dict[str, Callable[[], object]] = {"frame": step}
    products: dict[str, float] = {}
    with torch.inference_mode():
        with unprepared():
            gflop = direct_gflop(bench.model, bench.tracking().step)
        for name in dict.fromkeys(("float32", bench.precision)):
            dtype = torch.bfloat16 if name == "bf16" else torch.float32
            left, right = torch.rand(2, side, side, device=device).to(dtype)
            image = torch.rand(1, channels, height, width, device=device).to(dtype)
            weight = torch.rand(channels, channels, 3, 3, device=device).to(dtype)
            runs[f"matrix {name}"] = partial(torch.matmul, left, right)
            runs[f"convolution {name}"] = partial(F.conv2d, image, weight, padding=1)
            products |= {f"matrix {name}": 2e-9 * side**3, f"convolution {name}": 18e-9 * channels**2 * height * width}
        took = bench.in_turns(runs)
    speeds = {name: {"median": n / took[name]["median"], "best": n / took[name]["minimum"]} for name, n in products.items()}
    usual = speeds[f"convolution {bench.precision}"]
    least = {"median": gflop / usual["median"], "minimum": gflop / usual["best"]}
    against = {key: took["frame"][key] / least[key] for key in least}
    table = [
        ("", ""),
        *((f"large {name}", f"{speed['median']:.0f} ({speed['best']:.0f}) GFLOP/s") for name, speed in speeds.items()),
        ("direct arithmetic of a frame", f"{gflop:.0f} GFLOP"),
        ("a frame", _text(took["frame"])),
    ]
    said = []
    if not bench.quick:  # the floor of a tiny frame means nothing
        table.insert(-1, ("floor: that at the convolution's speed", _text(least)))
        said = [("time of a frame / floor of direct arithmetic", _ratio(against))]
    found = {"gflops_per_second": speeds, "gflop_per_frame": gflop, "floor_seconds": least, "frame_seconds": took["frame"]}
    return _shown("Floor", bench, table, ratios=said) | found | {"frame_against_floor": against}


def frame(bench: Bench) -> dict[str, Any]:
    """What one frame takes, part by part, against the network's plain twin, and from files to files."""
    sizes = bench.sizes
    twin = copy.deepcopy(bench.model, {id(weights): weights for weights in bench.model.parameters()})  # the same weights
    ours = bench.tracking()
    with unprepared(), plain(twin):
        theirs = bench.tracking(twin)
        took = bench.in_turns({"network": ours.step, "plain": theirs.step})
        agreement = _agreement(bench, ours.segmenter, theirs.segmenter)
    parts, files, against = _parts(bench, ours), _with_files(bench), ratios(took["plain"], took["network"])
    table = [
        ("", "time"),
        ("network: a frame in memory to its label map", _text(took["network"])),
        *((f"- {_PARTS[name]}", _text(part)) for name, part in parts.items()),
        ("plain twin", _text(took["plain"])),
        (f"from JPEG to PNG, mean of {files['frames']} frames", _text(files["seconds"])),
    ]
    note = (
        f"The plain twin gives the same label in {100 * agreement['equal_pixels']:.3f} % of pixels; "
        f"logits differ by {agreement['logits_difference']:.1e} of their norm."
    )
    network = _label(network_size(*sizes.frame, sizes.min_dim, 2 * sizes.min_dim))
    title = f"A frame (network {network}, {sizes.window} frames in memory)"
    shown = _shown(title, bench, table, ratios=[("time of the plain twin / ours", _ratio(against))], note=note)
    found = {"plain_against_ours": against, "agreement": agreement, "with_files": files}
    return shown | {"network_size": network, "window": sizes.window} | took | {"parts": parts} | found


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

    runs = {name: partial(follow, bench.segmenter(**options)) for name, options in chosen.items()}
    label_maps = {name: run() for name, run in runs.items()}
    rows: list[dict[str, Any]] = []
    for name, took in bench.in_turns(runs, repeats=1).items():
        same = [(a == b).double().mean().item() for a, b in zip(label_maps["float32"], label_maps[name], strict=True)]
        each = {key: took[key] / count for key in ("median", "minimum")}
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
    took = bench.in_turns({count: bench.tracking(objects=count).step for count in counts})
    many = max((count for count in counts if count <= 20), default=counts[-1])
    percent = 100 * (took[many]["median"] / took[counts[0]]["median"] - 1)
    table = [("objects", "time per frame"), *((str(count), _text(took[count])) for count in counts)]
    said = [(f"time with {many} objects against {counts[0]}", f"{percent:+.0f} %")]
    growth = {"from": counts[0], "to": many, "percent": percent}
    by_count = [{"objects": count, "seconds": took[count]} for count in counts]
    return _shown("Objects", bench, table, ratios=said) | {"growth": growth, "by_count": by_count}


def memory(bench: Bench) -> dict[str, Any]:
    """Time per frame and memory of a long video, from its first frame to its last."""
    sizes, count = bench.sizes, bench.sizes.long
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
    every = [rows[index * (len(rows) - 1) // 4] for index in range(5)]
    table = [
        ("frame", *kinds.values()),
        *(
            (str(row["frame"]), *(_text(row[key]) if key == "seconds" else f"{row[key] / 2**20:.0f} MiB" for key in kinds))
            for row in every
        ),
    ]
    said = [(f"{kinds[key]}, last / second quarter of {count} frames", f"{change:.3f}") for key, change in growth.items()]
    found = {"frames": count, "last_against_second_quarter": growth, "by_frame": rows}
    return _shown("A long video", bench, table, ratios=said, frame=sizes.small) | found


def last_against_second_quarter(values: Sequence[float]) -> float:
    """Median of the last quarter over that of the second, which lies behind all start-up; needs at least four values."""
    quarter = len(values) // 4
    return statistics.median(values[-quarter:]) / statistics.median(values[quarter : 2 * quarter])


@contextmanager
def _watched(segmenter: Segmenter, device: torch.device) -> Iterator[dict[str, tuple[float, Any]]]:
    """A context in which every part of a frame leaves its seconds and its result, by its name in `_PARTS`."""
    found: dict[str, tuple[float, Any]] = {}

    def watched(run: Callable[..., Any], part: str, *arguments: Any, **options: Any) -> Any:
        wait(device)
        started = time.perf_counter()
        result = run(*arguments, **options)
        wait(device)
        found[part] = time.perf_counter() - started, result
        return result

    model = segmenter.network
    names = ("image", "extract_features", "segment", "describe_predicted", "label_map")
    with ExitStack() as changes:
        for part, owner, name in zip(_PARTS, (segmenter.sight, model, model, model, segmenter_module), names, strict=True):
            changes.enter_context(mock.patch.object(owner, name, partial(watched, getattr(owner, name), part)))
        yield found


def _parts(bench: Bench, tracking: Tracking) -> dict[str, Times]:
    rounds: dict[str, list[float]] = {part: [] for part in _PARTS}
    with _watched(tracking.segmenter, bench.device) as found:
        for _ in range(bench.sizes.rounds):
            tracking.step()
            for part, taken in rounds.items():
                taken.append(found[part][0])
    return {part: times(taken) for part, taken in rounds.items()}


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
    found_in = {"frames": len(equal), "equal_pixels": sum(equal) / len(equal)}
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
            write_image(folder / path, image, JPEG_QUALITY)
        with ResultsFolder(folder / "output").writing(sequence, {}) as write:
            timing = segment_sequence(bench.segmenter(), sequence, folder, write)
    return {"frames": count, "seconds": timing.total / count, "network_seconds": timing.network / count}


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
    size, count = _label(frame or bench.sizes.frame), bench.sizes.objects
    described = {"title": f"{title}: {size}, {count} objects", "table": table, "ratios": ratios, "note": note}
    return {"frame_size": size, "objects": count} | described


def _label(size: tuple[int, int]) -> str:
    return f"{size[1]}x{size[0]}"


def _text(took: Mapping[str, float] | float) -> str:
    """Three digits: 1.63 s, 45.2 ms; of several rounds the median, in brackets the best."""
    if isinstance(took, Mapping):
        return f"{_text(took['median'])} ({_text(took['minimum'])})"
    return f"{took:.3g} s" if took >= 0.9995 else f"{1000 * took:.3g} ms"


def _ratio(each: Mapping[str, float]) -> str:
    return f"{each['median']:.2f} ({each['minimum']:.2f})"

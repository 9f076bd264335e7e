"""The sections of the report: each takes a bench and gives numbers as JSON holds them; `report.md.jinja` shows them."""

import itertools
import statistics
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch.nn import functional as F

from hodor.benchmark.bench import Bench, Video
from hodor.benchmark.measuring import countable, direct_gflop, in_turns, memory_in_use, seconds
from hodor.inference.segmenter import Segmenter
from hodor.media.images import network_size

_CHUNKS = 60


def floor(bench: Bench) -> dict[str, Any]:
    """How fast the machine multiplies, how much a frame is to multiply, and what a frame takes compared with that."""
    device, side, (channels, height, width) = bench.device, bench.sizes.matrix, bench.sizes.convolution
    gflop = direct_gflop(bench.step(bench.segmenter(countable(bench.model), device="cpu")))
    runs: dict[str, Callable[[], object]] = {"frame": bench.step()}
    products: dict[str, float] = {}
    for name in dict.fromkeys(("float32", bench.precision)):
        dtype = torch.bfloat16 if name == "bf16" else torch.float32
        left, right = torch.rand(2, side, side, device=device).to(dtype)
        image = torch.rand(1, channels, height, width, device=device).to(dtype)
        weight = torch.rand(channels, channels, 3, 3, device=device).to(dtype)
        runs[f"matrix {name}"] = partial(torch.matmul, left, right)
        runs[f"convolution {name}"] = partial(F.conv2d, image, weight, padding=1)
        products |= {f"matrix {name}": 2e-9 * side**3, f"convolution {name}": 18e-9 * channels**2 * height * width}
    with torch.inference_mode():
        took = in_turns(runs, device, rounds=bench.sizes.rounds, repeats=bench.repeats)
    speeds = {name: {"median": n / took[name]["median"], "best": n / took[name]["minimum"]} for name, n in products.items()}
    usual = speeds[f"convolution {bench.precision}"]
    least = {"median": gflop / usual["median"], "minimum": gflop / usual["best"]}
    return {
        **_sizes(bench),
        "gflops_per_second": speeds,
        "gflop_per_frame": gflop,
        "floor_seconds": least,
        "frame_seconds": took["frame"],
        "frame_against_floor": {key: took["frame"][key] / least[key] for key in least},
    }


def frame(bench: Bench) -> dict[str, Any]:
    """What one frame takes, from its pixels in memory to its label map."""
    sizes = bench.sizes
    took = in_turns({"network": bench.step()}, bench.device, rounds=sizes.rounds, repeats=bench.repeats)
    network = _label(network_size(*sizes.frame, sizes.min_dim, 2 * sizes.min_dim))
    return _sizes(bench) | {"network_size": network, "window": sizes.window} | took


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
    count, video = bench.sizes.followed * bench.repeats, bench.video()

    def follow(segmenter: Segmenter) -> list[torch.Tensor]:
        frames = itertools.islice(itertools.cycle(video.frames), count)
        segmenter.reset()
        return list(segmenter.follow(zip(frames, itertools.chain([video.masks], itertools.repeat(None)), strict=False)))

    runs = {name: partial(follow, bench.segmenter(**options)) for name, options in chosen.items()}
    label_maps = {name: torch.stack(run()) for name, run in runs.items()}
    rows = []
    for name, took in in_turns(runs, bench.device, rounds=bench.sizes.rounds).items():
        equal = (label_maps[name] == label_maps["float32"]).double().mean().item()
        rows.append({"mode": name, "seconds": {key: took[key] / count for key in ("median", "minimum")}, "equal_pixels": equal})
    return _sizes(bench) | {"frames": count, "by_mode": rows}


def objects(bench: Bench) -> dict[str, Any]:
    """Time per frame against the number of objects."""
    counts = bench.sizes.object_counts
    runs = {count: bench.step(objects=count) for count in counts}
    took = in_turns(runs, bench.device, rounds=bench.sizes.rounds, repeats=bench.repeats)
    few, many = counts[0], max((count for count in counts if count <= 20), default=counts[-1])
    growth = {"from": few, "to": many, "percent": 100 * (took[many]["median"] / took[few]["median"] - 1)}
    return _sizes(bench) | {"growth": growth, "by_count": [{"objects": count, "seconds": took[count]} for count in counts]}


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
        rows.append({"frame": last, "seconds": took} | memory_in_use(bench.device))
    growth = {key: last_against_second_quarter([row[key] for row in rows]) for key in rows[0] if key != "frame"}
    found = {"frames": count, "last_against_second_quarter": growth, "by_frame": rows}
    return _sizes(bench) | {"frame_size": _label(sizes.small)} | found


def last_against_second_quarter(values: Sequence[float]) -> float:
    """Median of the last quarter over that of the second, which lies behind all start-up; needs at least four values."""
    quarter = len(values) // 4
    return statistics.median(values[-quarter:]) / statistics.median(values[quarter : 2 * quarter])


def _sizes(bench: Bench) -> dict[str, Any]:
    return {"frame_size": _label(bench.sizes.frame), "objects": bench.sizes.objects}


def _label(size: tuple[int, int]) -> str:
    return f"{size[1]}x{size[0]}"

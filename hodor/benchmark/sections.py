"""All sections of the report but `frame`. Each takes a bench and gives what JSON can hold, and how it is shown."""

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.nn import functional as F

from hodor.benchmark.bench import Bench, Video
from hodor.benchmark.measuring import in_turns, last_against_second_quarter, resident_memory, seconds
from hodor.benchmark.report import ratio, shown, text
from hodor.inference.segmenter import Segmenter
from hodor.modelling.plain import direct_gflop

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
        ("a frame", text(took)),
    ]
    said = []
    if not bench.quick:  # the floor of a tiny frame means nothing
        table.insert(-1, ("floor: that at the convolution's speed", text(least)))
        said = [("time of a frame / floor of direct arithmetic", ratio(against))]
    found = {"gflops_per_second": speeds, "gflop_per_frame": gflop, "floor_seconds": least, "frame_seconds": took.as_json()}
    return shown("Floor", bench, table, ratios=said) | found | {"frame_against_floor": against}


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
            (row["mode"], text(row["seconds"]), f"{1 / row['seconds']['median']:.3g}", f"{100 * row['equal_pixels']:.3f} %")
            for row in rows
        ),
    ]
    return shown(f"Modes, {count} frames in memory", bench, table) | {"frames": count, "by_mode": rows}


def objects(bench: Bench) -> dict[str, Any]:
    """Time per frame against the number of objects."""
    counts = bench.sizes.object_counts
    runs = {count: bench.tracking(objects=count).step for count in counts}
    times = in_turns(runs, bench.device, rounds=bench.sizes.rounds, repeats=bench.repeats)
    many = max((count for count in counts if count <= 20), default=counts[-1])
    percent = 100 * (times[many].median / times[counts[0]].median - 1)
    table = [("objects", "time per frame"), *((str(count), text(took)) for count, took in times.items())]
    said = [(f"time with {many} objects against {counts[0]}", f"{percent:+.0f} %")]
    return {
        **shown("Objects", bench, table, ratios=said),
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
    every = [rows[index * (len(rows) - 1) // 4] for index in range(5)]
    table = [
        ("frame", *kinds.values()),
        *(
            (str(row["frame"]), *(text(row[key]) if key == "seconds" else f"{row[key] / 2**20:.0f} MiB" for key in kinds))
            for row in every
        ),
    ]
    said = [(f"{kinds[key]}, last / second quarter of {count} frames", f"{change:.3f}") for key, change in growth.items()]
    found = {"frames": count, "last_against_second_quarter": growth, "by_frame": rows}
    return shown("A long video", bench, table, ratios=said, frame=sizes.small) | found

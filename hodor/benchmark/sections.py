"""Most sections of the report. Each takes a bench and gives what JSON can hold, times in seconds and memory in bytes."""

import logging
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TypeVar

import torch

from hodor.benchmark.arithmetic import convolution, copy, direct_gflop, gigabytes_moved, matrix_product
from hodor.benchmark.bench import Bench, Tracking, Video, label
from hodor.benchmark.measuring import Times, in_turns, last_against_second_quarter, resident_memory, seconds

_CHUNKS = 60
_LOGGER = logging.getLogger(__name__)
_Count = TypeVar("_Count", bound=int)


def floor(bench: Bench) -> dict[str, Any]:
    """How fast the machine multiplies, how much a frame is to multiply, and what a frame takes compared with that."""
    sizes, device = bench.sizes, bench.device
    tracking = bench.tracking()
    with torch.inference_mode():
        gflop = direct_gflop(bench.model, tracking.step)
        moved = gigabytes_moved(tracking.step)
        types = {"float32": torch.float32} | ({"bf16": torch.bfloat16} if bench.setting.precision == "bf16" else {})
        products: dict[str, float] = {}
        runs: dict[str, Callable[[], object]] = {"frame": tracking.step}
        for name, dtype in types.items():
            runs[f"matrix {name}"], products[f"matrix {name}"] = matrix_product(sizes.matrix, device, dtype)
            runs[f"convolution {name}"], products[f"convolution {name}"] = convolution(*sizes.convolution, device, dtype)
        runs["copy"], copied = copy(sizes.copied, device)
        times = in_turns(runs, device, rounds=sizes.rounds, repeats=bench.repeats)
    speeds = {name: _speed(product, times[name]) for name, product in products.items()}
    usual = speeds[f"convolution {bench.setting.precision}"]
    least = {"median": gflop / usual["median"], "minimum": gflop / usual["best"]}
    frame = times["frame"]
    return {
        "frame_size": label(sizes.frame),
        "objects": sizes.objects,
        "gflops_per_second": speeds,
        "gflop_per_frame": gflop,
        "gigabytes_per_frame": moved,
        "gigabytes_per_second": _speed(copied, times["copy"]),
        "floor_seconds": least,
        "frame_seconds": frame.as_json(),
        "frame_against_floor": {"median": frame.median / least["median"], "minimum": frame.minimum / least["minimum"]},
    }


def objects(bench: Bench) -> dict[str, Any]:
    """Time per frame against the number of objects."""
    counts = bench.sizes.object_counts
    times = _of_each(bench, {count: bench.tracking(objects=count) for count in counts}, "objects")
    many = max((count for count in counts if count <= 20), default=counts[-1])
    growth = 100 * (times[many].median / times[counts[0]].median - 1)
    return {
        "frame_size": label(bench.sizes.frame),
        "growth": {"from": counts[0], "to": many, "percent": growth},
        "by_count": _rows(times, "objects"),
    }


def window(bench: Bench) -> dict[str, Any]:
    """Time per frame against the number of frames that are remembered."""
    times = _of_each(bench, {length: bench.tracking(window=length) for length in bench.sizes.windows}, "window")
    return {
        "frame_size": label(bench.sizes.frame),
        "objects": bench.sizes.objects,
        "by_window": _rows(times, "window"),
    }


def frames(bench: Bench, count: int) -> dict[str, Any]:
    """Time per frame and memory of a video of `count` frames, at least 8, from its first to its last."""
    sizes = bench.sizes
    video = Video.drawn(sizes.small, sizes.objects, frames=min(count, 30))
    segmenter = bench.segmenter(min_dim=min(sizes.small))
    segmenter.step(video.frames[0], video.masks)
    per_chunk = max(1, count // _CHUNKS)
    rows = []
    for first in range(1, count - per_chunk + 1, per_chunk):
        upcoming = (video.frames[index % len(video.frames)] for index in range(first, first + per_chunk))
        elapsed = seconds(partial(_drain, map(segmenter.step, upcoming)), bench.device) / per_chunk
        rows.append({"frame": first + per_chunk - 1, "seconds": elapsed} | _memory(bench.device))
        if len(rows) % (_CHUNKS // 4) == 0:
            _LOGGER.info("frames: %d of %d", rows[-1]["frame"], count)
    kinds = [key for key in rows[0] if key != "frame"]
    return {
        "frame_size": label(sizes.small),
        "objects": sizes.objects,
        "frames": count,
        "last_against_second_quarter": {key: last_against_second_quarter([row[key] for row in rows]) for key in kinds},
        "by_frame": rows,
    }


def _of_each(bench: Bench, trackings: dict[_Count, Tracking], what: str) -> dict[_Count, Times]:
    """Seconds per frame of several videos in progress, which take turns."""
    _LOGGER.info("%s: %s, in turns", what, ", ".join(map(str, trackings)))
    runs = {key: tracking.step for key, tracking in trackings.items()}
    return in_turns(runs, bench.device, rounds=bench.sizes.rounds, repeats=bench.repeats)


def _rows(times: dict[_Count, Times], key: str) -> list[dict[str, Any]]:
    return [{key: value, "seconds": measured.as_json()} for value, measured in times.items()]


def _speed(gflop: float, times: Times) -> dict[str, float]:
    return {"median": gflop / times.median, "best": gflop / times.minimum}


def _memory(device: torch.device) -> dict[str, int]:
    """What is in use now, in bytes: by this process, and on the GPU where there is one."""
    memory = {"resident": resident_memory()}
    if device.type == "cuda":
        memory["on_gpu"] = torch.cuda.memory_allocated(device)
    return memory


def _drain(results: Iterable[object]) -> None:
    for _ in results:
        pass

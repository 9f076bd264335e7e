"""The report: benchmark.json with everything, benchmark.md with tables to be shown. Both grow section by section."""

import json
import platform
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torchvision

from hodor.benchmark.bench import Setting
from hodor.checkpoints.checkpoint import fingerprint
from hodor.errors import HodorError
from hodor.files import written_aside

JSON_NAME, TABLES_NAME = "benchmark.json", "benchmark.md"
_CPU_INFO = Path("/proc/cpuinfo")
_PARTS = {
    "prepare": "bring to size and normalise",
    "extract_features": "features (Swin, pyramid)",
    "segment": "decoder",
    "describe": "encoder",
    "label_map": "label map",
}
_KINDS = {"seconds": "time per frame", "resident": "resident memory", "on_gpu": "memory on the GPU"}


def machine(device: torch.device, threads: int) -> dict[str, Any]:
    """What the numbers depend on besides the program: processor, threads, device, versions."""
    lines = _CPU_INFO.read_text().splitlines() if _CPU_INFO.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.processor() or platform.machine(),
        "system": platform.system(),
        "threads": threads,
        "device": device.type,
        "device_name": torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
    }


def settings(setting: Setting) -> dict[str, Any]:
    """The settings as they stand in the report; a checkpoint by its SHA-256."""
    weights = "random" if setting.checkpoint is None else fingerprint(setting.checkpoint)
    return {"weights": weights, "precision": setting.precision, "quick": setting.quick}


class Report:
    """The results in a folder."""

    def __init__(self, folder: Path, machine: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
        """Begins a report, or goes on with the one that is there.

        Raises:
            HodorError: the one that is there is of another machine or other settings, or is broken.
        """
        self.folder = folder
        self.content: dict[str, Any] = {"machine": dict(machine), "settings": dict(settings), "sections": {}}
        path = folder / JSON_NAME
        if not path.exists():
            return
        try:
            found = json.loads(path.read_text())
            theirs = {**found["machine"], **found["settings"]}
            sections = dict(found["sections"])
        except (ValueError, KeyError, TypeError):
            raise HodorError(f"{path}: not a report of this program; choose another --output") from None
        for key, own in {**machine, **settings}.items():
            if theirs.get(key) != own:
                raise HodorError(f"{path}: measured with {key} {theirs.get(key)!r}, not {own!r}; choose another --output")
        self.content["sections"] = sections

    @property
    def sections(self) -> dict[str, Any]:
        """Results by the section's name."""
        sections: dict[str, Any] = self.content["sections"]
        return sections

    def add(self, name: str, results: Mapping[str, Any]) -> None:
        """Adds or replaces a section and writes both files; each is complete or as before."""
        self.sections[name] = dict(results)
        for file, text in ((JSON_NAME, json.dumps(self.content, indent=2) + "\n"), (TABLES_NAME, tables(self.content))):
            with written_aside(self.folder / file) as aside:
                aside.write_text(text)


def tables(content: Mapping[str, Any]) -> str:
    """The report as Markdown: ratios first, then a table for each section, with the commands that made them."""
    machine, settings, sections = content["machine"], content["settings"], content["sections"]
    on = machine["processor"] if machine["device"] == "cpu" else f"{machine['device_name']} ({machine['processor']})"
    lines = [
        "# Speed",
        "",
        f"{on}, {machine['threads']} threads, {settings['precision']}, PyTorch {machine['torch']}; medians, in brackets the "
        "best round (of ratios, that of the best rounds)."
        + (" Sizes are tiny: these numbers mean nothing." if settings["quick"] else ""),
        "",
    ]
    lines += [f"    {command}" for command in dict.fromkeys(section["command"] for section in sections.values())]
    measured = [name for name in _WRITERS if name in sections]
    ratios = [ratio for name in measured for ratio in _ratios(name, sections[name])]
    lines += ["", *_table(("ratio", ""), ratios)] if ratios else []
    for name in measured:
        lines += ["", *_WRITERS[name](sections[name])]
    return "\n".join(lines) + "\n"


def _ratios(name: str, section: Mapping[str, Any]) -> list[tuple[str, str]]:
    if name == "frame":
        each = section["plain_against_ours"]
        return [("time of the plain twin / ours", f"{each['median']:.2f} ({each['minimum']:.2f})")]
    if name == "floor":
        each = section["frame_against_floor"]
        return [("time of a frame / floor of direct arithmetic", f"{each['median']:.2f} ({each['minimum']:.2f})")]
    if name == "objects":
        growth = section["growth"]
        return [(f"time with {growth['to']} objects against {growth['from']}", f"{growth['percent']:+.0f} %")]
    if name == "frames":
        where = f"last / second quarter of {section['frames']} frames"
        return [(f"{_KINDS[key]}, {where}", f"{ratio:.3f}") for key, ratio in section["last_against_second_quarter"].items()]
    return []


def _floor(section: Mapping[str, Any]) -> list[str]:
    speeds = [
        (f"large {name}", f"{speed['median']:.0f} ({speed['best']:.0f}) GFLOP/s")
        for name, speed in section["gflops_per_second"].items()
    ]
    floor, took = section["floor_seconds"], section["frame_seconds"]
    rows = [
        *speeds,
        ("direct arithmetic of a frame", f"{section['gflop_per_frame']:.0f} GFLOP"),
        ("floor: that at the convolution's speed", f"{_text(floor['median'])} ({_text(floor['minimum'])})"),
        *_bytes(section),
        ("a frame", _time(took)),
    ]
    return [f"## Floor: {section['frame_size']}, {section['objects']} objects", "", *_table(("", ""), rows)]


def _bytes(section: Mapping[str, Any]) -> list[tuple[str, str]]:
    if "gigabytes_per_frame" not in section:  # measured by an earlier version
        return []
    moved, bandwidth = section["gigabytes_per_frame"], section["gigabytes_per_second"]
    return [
        ("read and written by a frame's operators", f"{moved:.1f} GB"),
        ("large copy", f"{bandwidth['median']:.0f} ({bandwidth['best']:.0f}) GB/s"),
        ("that at the copy's speed", _text(moved / bandwidth["median"])),
    ]


def _frame(section: Mapping[str, Any]) -> list[str]:
    files, agreement = section["with_files"], section["agreement"]
    rows = [
        ("network: a frame in memory to its label map", _time(section["network"])),
        *((f"- {_PARTS[part]}", _time(took)) for part, took in section["parts"].items()),
        ("plain twin", _time(section["plain"])),
        (f"from JPEG to PNG, mean of {files['frames']} frames", _text(files["seconds"])),
    ]
    title = f"## A frame: {section['frame_size']} (network {section['network_size']}), {section['objects']} objects"
    return [
        f"{title}, {section['window']} frames remembered",
        "",
        *_table(("", "time"), rows),
        "",
        f"The plain twin gives the same label in {100 * agreement['equal_pixels']:.3f} % of pixels; logits differ by "
        f"{agreement['logits_difference']:.1e} of their norm.",
    ]


def _modes(section: Mapping[str, Any]) -> list[str]:
    rows = [
        (row["mode"], _time(row["seconds"]), f"{1 / row['seconds']['median']:.3g}", f"{100 * row['equal_pixels']:.3f} %")
        for row in section["by_mode"]
    ]
    title = f"## Modes: {section['frames']} frames of {section['frame_size']} in memory, {section['objects']} objects"
    return [title, "", *_table(("", "time per frame", "frames per second", "pixels with float32's label"), rows)]


def _objects(section: Mapping[str, Any]) -> list[str]:
    rows = [(str(row["objects"]), _time(row["seconds"])) for row in section["by_count"]]
    return [f"## Objects: {section['frame_size']}", "", *_table(("objects", "time per frame"), rows)]


def _window(section: Mapping[str, Any]) -> list[str]:
    rows = [(str(row["window"]), _time(row["seconds"])) for row in section["by_window"]]
    title = f"## Temporal window: {section['frame_size']}, {section['objects']} objects"
    return [title, "", *_table(("frames remembered", "time per frame"), rows)]


def _frames(section: Mapping[str, Any]) -> list[str]:
    every = section["by_frame"]
    shown = [every[index * (len(every) - 1) // 4] for index in range(5)]
    memory = [key for key in every[0] if key not in ("frame", "seconds")]
    rows = [(str(row["frame"]), _text(row["seconds"]), *(f"{row[key] / 2**20:.0f} MiB" for key in memory)) for row in shown]
    title = f"## A long video: {section['frame_size']}, {section['objects']} objects"
    return [title, "", *_table(("frame", "time per frame", *(_KINDS[key] for key in memory)), rows)]


def _resolution(section: Mapping[str, Any]) -> list[str]:
    rows = [
        (row["frame_size"], row["failed"], "")
        if "failed" in row
        else (row["frame_size"], _time(row["seconds"]), f"{row['peak_memory'] / 2**30:.2f} GiB")
        for row in section["by_size"]
    ]
    return [
        f"## Resolution: network at the frame's own size, {section['objects']} objects",
        "",
        *_table(("frame", "time per frame", "peak memory"), rows),
    ]


_WRITERS: dict[str, Callable[[Mapping[str, Any]], list[str]]] = {
    "floor": _floor,
    "frame": _frame,
    "modes": _modes,
    "objects": _objects,
    "frames": _frames,
    "resolution": _resolution,
    "window": _window,
}


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]


def _time(took: Mapping[str, float]) -> str:
    return f"{_text(took['median'])} ({_text(took['minimum'])})"


def _text(seconds: float) -> str:
    """Three digits: 1.63 s, 45.2 ms."""
    return f"{seconds:.3g} s" if seconds >= 0.9995 else f"{1000 * seconds:.3g} ms"

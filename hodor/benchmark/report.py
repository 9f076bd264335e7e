"""The report: benchmark.json with everything, benchmark.md with tables to be shown. Both grow section by section."""

import json
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torchvision

from hodor.benchmark.bench import Bench, label
from hodor.benchmark.measuring import Times
from hodor.errors import HodorError
from hodor.files import written_aside

JSON_NAME, TABLES_NAME = "benchmark.json", "benchmark.md"
_CPU_INFO = Path("/proc/cpuinfo")


def machine(device: torch.device) -> dict[str, Any]:
    """What the numbers depend on besides the program: processor, threads, device, versions."""
    lines = _CPU_INFO.read_text().splitlines() if _CPU_INFO.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.processor() or platform.machine(),
        "system": platform.system(),
        "threads": torch.get_num_threads(),
        "device": device.type,
        "device_name": torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
    }


class Report:
    """The results in a folder.

    Attributes:
        sections: results by the section's name, as `hodor.benchmark.sections` gives them: with "title", "table" (rows of text,
            a header first), "ratios" (rows of two texts) and "note".
    """

    def __init__(self, folder: Path, machine: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
        """Begins a report, or goes on with the one that is there.

        Raises:
            HodorError: the one that is there is of another machine or other settings, or is broken.
        """
        self.folder = folder
        self.sections: dict[str, Any] = {}
        self._head = {"machine": dict(machine), "settings": dict(settings)}
        path = folder / JSON_NAME
        if not path.exists():
            return
        try:
            found = json.loads(path.read_text())
            theirs = {**found["machine"], **found["settings"]}
            self.sections = {name: section for name, section in found["sections"].items() if section["table"]}
        except (ValueError, KeyError, TypeError):
            raise HodorError(f"{path}: not a report of this program; choose another --output") from None
        for key, own in {**machine, **settings}.items():
            if theirs.get(key) != own:
                raise HodorError(f"{path}: measured with {key} {theirs.get(key)!r}, not {own!r}; choose another --output")

    def add(self, name: str, results: Mapping[str, Any]) -> None:
        """Adds or replaces a section and writes both files; each is complete or as before."""
        self.sections[name] = dict(results)
        content = {**self._head, "sections": self.sections}
        for file, text in ((JSON_NAME, json.dumps(content, indent=2) + "\n"), (TABLES_NAME, tables(content))):
            with written_aside(self.folder / file) as aside:
                aside.write_text(text)


def shown(
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
    described = {"title": f"{title}: {size}, {count} objects", "table": table, "ratios": ratios, "note": note}
    return {"frame_size": size, "objects": count} | described


def text(took: "Times | Mapping[str, float] | float") -> str:
    """Three digits: 1.63 s, 45.2 ms; of several rounds the median, in brackets the best."""
    if isinstance(took, Times):
        return f"{text(took.median)} ({text(took.minimum)})"
    if isinstance(took, Mapping):
        return f"{text(took['median'])} ({text(took['minimum'])})"
    return f"{took:.3g} s" if took >= 0.9995 else f"{1000 * took:.3g} ms"


def ratio(each: Mapping[str, float]) -> str:
    return f"{each['median']:.2f} ({each['minimum']:.2f})"


def tables(content: Mapping[str, Any]) -> str:
    """The report as Markdown: ratios first, then a table for each section, with the commands that made them."""
    machine, settings, sections = content["machine"], content["settings"], content["sections"].values()
    on = machine["processor"] if machine["device"] == "cpu" else f"{machine['device_name']} ({machine['processor']})"
    lines = [
        "# Speed",
        "",
        f"{on}, {machine['threads']} threads, {settings['precision']}, PyTorch {machine['torch']}; medians, in brackets the "
        "best round (of ratios, that of the best rounds)."
        + (" Sizes are tiny: these numbers mean nothing." if settings["quick"] else ""),
        "",
        *(f"    {command}" for command in dict.fromkeys(section["command"] for section in sections)),
    ]
    ratios = [ratio for section in sections for ratio in section["ratios"]]
    lines += ["", *_table([("ratio", ""), *ratios])] if ratios else []
    for section in sections:
        lines += ["", f"## {section['title']}", "", *_table(section["table"])]
        lines += ["", section["note"]] if section["note"] else []
    return "\n".join(lines) + "\n"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]

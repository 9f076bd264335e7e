"""What a workspace holds, looked at without loading anything: states of data sets, checkpoints and pretrained backbones."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from shlex import quote
from typing import Literal, NamedTuple

import safetensors

from hodor.checkpoints import weights
from hodor.config import load_config
from hodor.errors import HodorError
from hodor.files import inside
from hodor.formats.json_files import walk
from hodor.program import describe_os_error
from hodor.supplies.data_sets import BY_HAND, ByHand
from hodor.workspace import Workspace

_END = 64
_REINSTALL = "pip install --force-reinstall --no-deps hodor (in a checkout: git restore hodor)"


class Finding(NamedTuple):
    """A thing that was looked at.

    Attributes:
        name: what it is.
        state: ok; missing = something that only some programs need; broken = something that must be mended.
        detail: what was found.
        mend: the command, or the page and the command, that mends it; "" where nothing is to be done.
    """

    name: str
    state: Literal["ok", "missing", "broken"]
    detail: str
    mend: str = ""


def data_sets(workspace: Workspace) -> Iterator[Finding]:
    """The data sets of the paper, and whatever else has a JSON in a workspace."""
    for each in BY_HAND:
        yield _data_set(workspace, each)
    known = {workspace.annotations(each.name) for each in BY_HAND}
    for path in sorted((workspace.root / "dataset_json_annotations").glob("*.json")):
        if path not in known:
            convert = f"hodor convert KIND ... --name {path.stem} (see hodor convert --help)"
            yield _data_set(workspace, ByHand(path.stem, "", "", convert))


def _data_set(workspace: Workspace, each: ByHand) -> Finding:
    annotations, images = workspace.annotations(each.name), workspace.images(each.name)
    get = f"{each.what}: {each.page}, then: {each.command}" if each.page else each.command
    if not annotations.is_file():
        return Finding(each.name, "missing", "images, but no JSON" if images.is_dir() else "neither JSON nor images", get)
    try:
        first = images / _first_image(annotations)
    except HodorError as error:
        return Finding(each.name, "broken", str(error), each.command)
    except OSError as error:
        return Finding(each.name, "broken", describe_os_error(error), each.command)
    if not images.is_dir():
        return Finding(each.name, "missing", f"{annotations.name}, but no images in {images}", get)
    if not first.is_file():
        return Finding(each.name, "broken", f"{first}: no such file, but {annotations.name} names it", each.command)
    return Finding(each.name, "ok", f"{annotations.name}, images in {images}")


def _first_image(path: Path) -> Path:
    """The first image that a data set's JSON names, below its folder; only the file's beginning and end are read.

    Raises:
        HodorError: the file is cut off, or no data set's JSON.
    """
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _END))
        if not file.read().rstrip().endswith(b"}"):
            raise HodorError(f"{path}: cut off, or no JSON")
    for entry in walk(path):
        if entry.key in ("images", "sequences") and entry.position is not None:
            record = entry.value if isinstance(entry.value, dict) else {}
            images = [record.get("image_path")] if entry.key == "images" else record.get("image_paths")
            if not isinstance(images, list) or not images or not isinstance(images[0], str):
                raise HodorError(f"{path}: the first of its {entry.key} names no image")
            return inside(Path(), images[0], str(path))
    raise HodorError(f"{path}: names neither images nor sequences")


def weight_files(workspace: Workspace) -> Iterator[Finding]:
    """The weights that come with the package; the checkpoints of a workspace, by folder; and the pretrained backbone."""
    shipped = {name: weights.FOLDER / f"{name}.safetensors" for name in (weights.DEFAULT, *weights.names())}
    broken = [name for name, path in shipped.items() if _damage(path)]
    if broken:
        yield Finding("shipped", "broken", f"{broken[0]} is damaged or not there", _REINSTALL)
    else:
        yield Finding("shipped", "ok", ", ".join(weights.names()))
    folders = sorted(folder for folder in workspace.checkpoints.glob("*") if folder.is_dir())
    for folder in folders:
        files = sorted(path for end in ("pth", "safetensors") for path in folder.glob(f"*.{end}"))
        if files:
            yield _training(f"checkpoints/{folder.name}", folder, files)
    if not folders:
        yield Finding("checkpoints", "missing", f"none in {workspace.checkpoints}", "hodor download")
    backbone = workspace.pretrained_backbones / "swin_tiny_pretrained.pth"
    if not backbone.is_file():
        yield Finding(backbone.stem, "missing", "needed only to train the paper's recipes", "hodor download")
    elif damage := _damage(backbone):
        yield Finding(backbone.stem, "broken", f"{backbone}: {damage}", f"rm {quote(str(backbone))} && hodor download")
    else:
        yield Finding(backbone.stem, "ok", str(backbone))


def _training(name: str, folder: Path, files: list[Path]) -> Finding:
    for path in files:
        if damage := _damage(path):
            return Finding(name, "broken", f"{path}: {damage}", f"rm {quote(str(path))}, and get it again or train again")
    config = folder / "config.yaml"
    if any(path.suffix == ".pth" for path in files):
        if not config.is_file():
            mend = f"put the config.yaml of the training into {folder}"
            return Finding(name, "broken", f"no config.yaml beside {files[0].name}", mend)
        try:
            load_config(config, warn_about_unknown=True)
        except HodorError as error:
            return Finding(name, "broken", str(error), f"correct {config}")
    return Finding(name, "ok", f"{len(files)} checkpoint{'s' if len(files) > 1 else ''}, such as {files[-1].name}")


def _damage(path: Path) -> str:
    """What is wrong with a file of weights, as far as its structure tells; "" = nothing."""
    try:
        if path.suffix == ".safetensors":
            with safetensors.safe_open(path, framework="numpy") as file:
                return "" if "config" in (file.metadata() or {}) else "holds no configuration"
        with path.open("rb") as file:
            start = file.read(2)
        if start == b"PK":
            zipfile.ZipFile(path).close()
            return ""
        return "" if start.startswith(b"\x80") else "no file of weights"  # a pickle, as older versions of PyTorch wrote
    except (OSError, safetensors.SafetensorError, zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        return f"truncated or damaged ({error})"

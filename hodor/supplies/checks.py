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
from hodor.formats.json_files import Entry, walk
from hodor.program import describe_os_error
from hodor.supplies.data_sets import BY_HAND, ByHand
from hodor.workspace import Workspace

State = Literal["ok", "missing", "broken"]
_CONTENT = ("images", "sequences")
_END = 64
_REINSTALL = "pip install --force-reinstall --no-deps hodor (in a checkout: git restore hodor)"


class Finding(NamedTuple):
    """A thing that was looked at.

    Attributes:
        group: what it belongs to: machine, versions, workspace, data sets, weights, optional.
        name: what it is.
        state: ok; missing = something that only some programs need; broken = something that must be mended.
        detail: what was found.
        mend: the command, or the page and the command, that mends it; "" where nothing is to be done.
    """

    group: str
    name: str
    state: State
    detail: str
    mend: str = ""


def data_sets(workspace: Workspace) -> Iterator[Finding]:
    """The data sets of the paper, and whatever else has a JSON in a workspace."""
    for each in BY_HAND:
        yield _data_set(workspace, each.name, each)
    known = {workspace.annotations(each.name) for each in BY_HAND}
    for path in sorted((workspace.root / "dataset_json_annotations").glob("*.json")):
        if path not in known:
            yield _data_set(workspace, path.stem, None)


def _data_set(workspace: Workspace, name: str, by_hand: ByHand | None) -> Finding:
    annotations, images = workspace.annotations(name), workspace.images(name)
    convert = by_hand.command if by_hand else f"hodor convert KIND ... --name {name} (see hodor convert --help)"
    get = f"{by_hand.what}: {by_hand.page}, then: {convert}" if by_hand else convert

    def found(state: State, detail: str, mend: str = "") -> Finding:
        return Finding("data sets", name, state, detail, mend)

    if not annotations.is_file():
        return found("missing", "images, but no JSON" if images.is_dir() else "neither JSON nor images", get)
    try:
        first = _first_image(annotations)
    except HodorError as error:
        return found("broken", str(error), convert)
    except OSError as error:
        return found("broken", describe_os_error(error), convert)
    if not images.is_dir():
        return found("missing", f"{annotations.name}, but no images in {images}", get)
    if not inside(images, first, str(annotations)).is_file():
        return found("broken", f"{images / first}: no such file, but {annotations.name} names it", convert)
    return found("ok", f"{annotations.name}, images in {images}")


def _first_image(path: Path) -> str:
    """The first image that a data set's JSON names; only the file's beginning and end are read.

    Raises:
        HodorError: the file is cut off, or no data set's JSON.
    """
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _END))
        if not file.read().rstrip().endswith(b"}"):
            raise HodorError(f"{path}: cut off, or no JSON")
    for entry in walk(path):
        if entry.key in _CONTENT and entry.position is not None:
            return _image_of(path, entry)
    raise HodorError(f"{path}: names neither images nor sequences")


def _image_of(path: Path, entry: Entry) -> str:
    record = entry.value if isinstance(entry.value, dict) else {}
    images = [record.get("image_path")] if entry.key == "images" else record.get("image_paths")
    if not isinstance(images, list) or not images or not isinstance(images[0], str):
        raise HodorError(f"{path}: the first of its {entry.key} names no image")
    inside(Path(), images[0], str(path))
    return images[0]


def shipped_weights() -> Finding:
    """The weights that come with the package."""
    broken = [name for name in weights.names() if _damage(weights.locate(name))]
    if broken or weights.DEFAULT not in weights.names():
        return Finding(
            "weights", "shipped", "broken", f"{(broken or [weights.DEFAULT])[0]} is damaged or not there", _REINSTALL
        )
    return Finding("weights", "shipped", "ok", ", ".join(weights.names()))


def checkpoints(workspace: Workspace) -> Iterator[Finding]:
    """The checkpoints of a workspace, one finding for each folder; and the pretrained backbone."""
    folders = sorted(folder for folder in workspace.checkpoints.glob("*") if folder.is_dir())
    for folder in folders:
        files = sorted(path for end in ("pth", "safetensors") for path in folder.glob(f"*.{end}"))
        if files:
            yield _training(folder, files)
    if not folders:
        yield Finding("weights", "checkpoints", "missing", f"none in {workspace.checkpoints}", "hodor download")
    backbone = workspace.pretrained_backbones / "swin_tiny_pretrained.pth"
    if not backbone.is_file():
        yield Finding("weights", backbone.stem, "missing", "needed only to train the paper's recipes", "hodor download")
    elif damage := _damage(backbone):
        yield Finding(
            "weights", backbone.stem, "broken", f"{backbone}: {damage}", f"rm {quote(str(backbone))} && hodor download"
        )
    else:
        yield Finding("weights", backbone.stem, "ok", str(backbone))


def _training(folder: Path, files: list[Path]) -> Finding:
    name = f"checkpoints/{folder.name}"
    for path in files:
        if damage := _damage(path):
            mend = f"rm {quote(str(path))}, and get it again or train again"
            return Finding("weights", name, "broken", f"{path}: {damage}", mend)
    config = folder / "config.yaml"
    if any(path.suffix == ".pth" for path in files):
        if not config.is_file():
            mend = f"put the config.yaml of the training into {folder}"
            return Finding("weights", name, "broken", f"no config.yaml beside {files[0].name}", mend)
        try:
            load_config(config, warn_about_unknown=True)
        except HodorError as error:
            return Finding("weights", name, "broken", str(error), f"correct {config}")
    return Finding("weights", name, "ok", f"{len(files)} checkpoint{'s' if len(files) > 1 else ''}, such as {files[-1].name}")


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

"""Weights in files: reading the original's and our own, writing our own and the original's. Nothing in a file is executed.

Our files are safetensors with the configuration (YAML) in their header. The original's are `torch.save`d dictionaries with the
weights under "model", next to a `config.yaml`.
"""

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import safetensors
import safetensors.torch
import torch

from hodor.checkpoints import original_names
from hodor.checkpoints.hub import is_hub_name, parse_hub_name
from hodor.checkpoints.safe_loading import read_content, state_dict_in
from hodor.checkpoints.weights import locate_existing
from hodor.config import Config, load_config, to_yaml
from hodor.config.layering import from_yaml
from hodor.errors import HodorError
from hodor.files import written_aside
from hodor.modelling.build import build_model
from hodor.modelling.model import HODOR

_UNUSED_PREFIX = "unused_in_original/"
_NAMES_SHOWN = 5
_REAL = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
_WHOLE = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)
_ORIGINAL_VARIANT = {
    "attention_masking": "soft_learnable",
    "descriptor_interaction": True,
    "deformable_convolutions": True,
    "num_catch_all_queries": 1,
}


@dataclass(repr=False)
class Checkpoint:
    """A network and what belongs to it.

    Attributes:
        model: the network, in evaluation mode on the CPU.
        config: what it was built from.
        unused: the thirteen weights that the original stores and never uses, under its names; {} in a model of ours.
        name: of its file, without folder and ending, or of its repository on a hub; "" in memory only.
    """

    model: HODOR
    config: Config
    unused: dict[str, torch.Tensor] = field(default_factory=dict)
    name: str = ""

    def __repr__(self) -> str:
        backbone, width = self.config.model.backbone, self.config.model.width
        return f"Checkpoint(backbone {backbone}, width {width}, {self._millions:.1f} million parameters)"

    def __str__(self) -> str:
        """A few lines for people: what it is, and how it is meant to be used."""
        network, frames, inference = self.config.model, self.config.input, self.config.inference
        values = {name: float(getattr(inference, name)) for name in inference.fields}
        settings = ", ".join(f"{name} {value:g}" for name, value in values.items() if value)
        return (
            f"HODOR checkpoint{' ' if self.name else ''}{self.name}: {self._millions:.1f} million parameters\n"
            f"  network: backbone {network.backbone}, width {network.width}, "
            f"{network.encoder_layers} encoder and {network.decoder_layers} decoder layers\n"
            f"  frames: shorter side {frames.min_dim}, longer side at most {frames.max_dim} pixels\n"
            f"  meant for: {settings}"
        )

    @property
    def _millions(self) -> float:
        return sum(parameter.numel() for parameter in self.model.parameters()) / 1e6


class Weights(NamedTuple):
    """What a file holds: weights by our names, see `Checkpoint`; and what turns our names into the file's."""

    state: dict[str, torch.Tensor]
    unused: dict[str, torch.Tensor]
    config: Config | None
    name_in_file: Callable[[str], str]


def load(path: str | Path) -> Checkpoint:
    """Loads a checkpoint: ours (`.safetensors`), one in the original's format with a `config.yaml` beside it, or a shipped one.

    Args:
        path: of the file; "compact" for the weights that come with the package; or `hf://owner/name[@revision]` on a hub.

    Raises:
        HodorError: the file is missing, truncated or hostile, or can't be had from the hub; weights are missing, left over or
            of the wrong shape.
    """
    name = parse_hub_name(path).repository if is_hub_name(path) else ""
    path = locate_existing(path)
    weights = read_weights(path)
    config = weights.config
    if config is None:
        config_path = path.parent / "config.yaml"
        if not config_path.is_file():
            raise HodorError(f"{config_path}: no such file; put the config.yaml of the training next to {path.name}")
        config = load_config(config_path, warn_about_unknown=True)
    with torch.device("meta"):  # a configuration that doesn't belong to the weights may ask for more memory than there is
        _check(build_model(config), weights.state, str(path), weights.name_in_file)
    model = build_model(config)
    model.load_state_dict(weights.state)
    return Checkpoint(model.eval(), config, weights.unused, name or path.stem)


def read_weights(path: Path) -> Weights:
    """Reads the weights of a checkpoint of either kind, or of a training.

    Raises:
        HodorError: the file is truncated or hostile, or lacks one of the weights that are stored and never used.
    """
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    state = state_dict_in(read_content(path), path, "model")
    if not original_names.is_original(state):
        return Weights(state, {}, None, str)
    state, unused = original_names.split_original(state)
    missing = [name for name in original_names.UNUSED if name not in unused]
    if missing:
        raise HodorError(f"{path}: missing weights: {_listed(missing)}")
    return Weights(state, unused, None, lambda name: original_names.original_name(name) or name)


def save_checkpoint(path: Path, checkpoint: Checkpoint, *, half: bool = False) -> None:
    """Writes a checkpoint as safetensors with its configuration; complete or absent.

    With `half` 16 instead of 32 bits of every weight are kept; loading turns them into 32 again.

    Raises:
        HodorError: the name doesn't end in .safetensors, or the disk is full.
    """
    if path.suffix != ".safetensors":
        raise HodorError(f"{path}: the name must end in .safetensors")
    state = checkpoint.model.state_dict() | {_UNUSED_PREFIX + name: value for name, value in checkpoint.unused.items()}
    tensors = {}
    for name, value in state.items():
        kept = value.half() if half and value.is_floating_point() else value
        tensors[name] = kept.detach().cpu().contiguous().clone()
    with weights_written_aside(path) as aside:
        aside.touch()
        usual = aside.stat().st_mode
        safetensors.torch.save_file(tensors, aside, metadata={"config": to_yaml(checkpoint.config)})
        aside.chmod(usual)  # the library gives the owner alone the right to read


def export_original(path: Path, checkpoint: Checkpoint) -> None:
    """Writes a checkpoint with the original's names, and its `config.yaml` beside it; complete or absent.

    Raises:
        HodorError: the model is a variant that the original doesn't know, or the disk is full.
    """
    for key, value in _ORIGINAL_VARIANT.items():
        if getattr(checkpoint.config.model, key) != value:
            raise HodorError(f"MODEL.{key.upper()} must be {value!r} for the original's format, which knows no other variant")
    state = {}
    for name, value in checkpoint.model.state_dict().items():
        original = original_names.original_name(name)
        if original is None:
            raise HodorError(f"weight {name} has no counterpart in the original's format: this variant can't be exported")
        state[original] = value.detach().cpu()
    state |= original_names.index_buffers(list(state))
    state |= checkpoint.unused or original_names.fresh_unused(checkpoint.config.model.width)
    with weights_written_aside(path) as aside:
        torch.save({"model": state, "iterations": 0}, aside)
    with written_aside(path.parent / "config.yaml") as aside:
        aside.write_text(to_yaml(checkpoint.config, for_original=True))


def load_strictly(
    model: torch.nn.Module, state: dict[str, torch.Tensor], source: str, name_in_file: Callable[[str], str] = str
) -> None:
    """Copies weights into a model.

    Raises:
        HodorError: weights are missing, left over, of another shape or type, or not finite; the message names them, as
            `name_in_file` turns their names, and `source`.
    """
    _check(model, state, source, name_in_file)
    model.load_state_dict(state)


def _check(model: torch.nn.Module, state: dict[str, torch.Tensor], source: str, name_in_file: Callable[[str], str]) -> None:
    """Does everything that `load_strictly` does before it copies anything; the model may be on the device "meta"."""
    own = model.state_dict()
    problems: dict[str, list[str]] = {
        "missing weights": [name_in_file(name) for name in own if name not in state],
        "left-over weights": [name_in_file(name) for name in state if name not in own],
        "wrong shapes": [],
        "wrong types": [],
        "weights that are not finite": [],
    }
    for name in (name for name in own if name in state):
        mine, given, shown = own[name], state[name], name_in_file(name)
        if given.shape != mine.shape:
            problems["wrong shapes"].append(f"{shown} is {list(given.shape)} instead of {list(mine.shape)}")
        elif given.dtype not in (_REAL if mine.is_floating_point() else _WHOLE):
            problems["wrong types"].append(f"{shown} is {given.dtype} instead of {mine.dtype}")
        elif not given.isfinite().all():
            problems["weights that are not finite"].append(shown)
    said = [f"{kind}: {_listed(names)}" for kind, names in problems.items() if names]
    if said:
        raise HodorError(f"{source}: the weights can't be used with this configuration; {'; '.join(said)}")


def fingerprint(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


@contextlib.contextmanager
def weights_written_aside(path: Path) -> Iterator[Path]:
    """Like `written_aside`, for libraries that report a full disk as an error of their own: here a HodorError."""
    try:
        with written_aside(path) as aside:
            yield aside
    except (safetensors.SafetensorError, RuntimeError):
        raise HodorError(f"{path}: could not be written; is there space left on the disk?") from None


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(names[:_NAMES_SHOWN]) + more


def _read_safetensors(path: Path) -> Weights:
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except (safetensors.SafetensorError, ValueError, RuntimeError) as error:
        raise HodorError(f"{path}: truncated or not a safetensors file ({error}); get it again") from None
    if "config" not in metadata:
        raise HodorError(f"{path}: the file holds no configuration; it was not written by this program")
    unused = {name.removeprefix(_UNUSED_PREFIX): state.pop(name) for name in list(state) if name.startswith(_UNUSED_PREFIX)}
    return Weights(state, unused, from_yaml(metadata["config"], f"{path} (configuration)"), str)

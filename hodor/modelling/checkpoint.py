"""Weights in files: reading the original's and our own, writing our own and the original's. Nothing in a file is executed.

Our files are safetensors with the configuration (YAML) in their header. The original's are `torch.save`d dictionaries with the
weights under "model", next to a `config.yaml`.
"""

import collections
import hashlib
import pickle
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch

from hodor.config import Config, load_config, to_yaml
from hodor.config.layering import from_yaml
from hodor.errors import HodorError
from hodor.files import written_aside
from hodor.modelling import original_names
from hodor.modelling.build import build_model
from hodor.modelling.model import HODOR

_UNUSED_PREFIX = "unused_in_original/"
_NAMES_SHOWN = 5
_HARMLESS: list[Any] = [
    collections.OrderedDict,
    collections.defaultdict,
    collections.deque,
    np.dtype,
    np.ndarray,
    *{type(np.dtype(kind)) for kind in ("f4", "f8", "i4", "i8", "u1", "?")},
]


@dataclass
class Checkpoint:
    """A network and what belongs to it.

    Attributes:
        model: the network, in evaluation mode on the CPU.
        config: what it was built from.
        unused: the thirteen weights that the original stores and never uses, under its names; {} in a model of ours.
    """

    model: HODOR
    config: Config
    unused: dict[str, torch.Tensor] = field(default_factory=dict)


def load(path: str | Path) -> Checkpoint:
    """Loads a checkpoint: ours (`.safetensors`) or one in the original's format with a `config.yaml` beside it.

    Raises:
        HodorError: the file is missing, truncated or hostile; weights are missing, left over or of the wrong shape.
    """
    path = Path(path)
    if not path.is_file():
        raise HodorError(f"{path}: no such checkpoint")
    if path.suffix == ".safetensors":
        state, config = _read_safetensors(path)
        unused = {name.removeprefix(_UNUSED_PREFIX): state.pop(name) for name in list(state) if name.startswith(_UNUSED_PREFIX)}
    else:
        config_path = path.parent / "config.yaml"
        if not config_path.is_file():
            raise HodorError(f"{config_path}: no such file; put the config.yaml of the training next to {path.name}")
        config = load_config(config_path, warn_about_unknown=True)
        state, unused = _read_pickle(path), {}
        if original_names.is_original(state):
            state, unused = original_names.split_original(state)
    model = build_model(config)
    load_strictly(model, state, str(path))
    return Checkpoint(model.eval(), config, unused)


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Writes a checkpoint as safetensors with its configuration; complete or absent."""
    state = checkpoint.model.state_dict() | {_UNUSED_PREFIX + name: value for name, value in checkpoint.unused.items()}
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in state.items()}
    with written_aside(path) as aside:
        safetensors.torch.save_file(tensors, aside, metadata={"config": to_yaml(checkpoint.config)})


def export_original(path: Path, checkpoint: Checkpoint) -> None:
    """Writes a checkpoint with the original's names, and its `config.yaml` beside it.

    Raises:
        HodorError: the model is a variant that the original doesn't know.
    """
    ours = checkpoint.model.state_dict()
    state = {original_names.to_original_name(name): value.detach().cpu() for name, value in ours.items()}
    state |= original_names.index_buffers(list(state))
    state |= checkpoint.unused or original_names.fresh_unused(checkpoint.config.model.width)
    with written_aside(path) as aside:
        torch.save({"model": state, "iterations": 0}, aside)
    with written_aside(path.parent / "config.yaml") as aside:
        aside.write_text(to_yaml(checkpoint.config))


def load_strictly(model: torch.nn.Module, state: dict[str, torch.Tensor], source: str) -> None:
    """Copies weights into a model.

    Raises:
        HodorError: weights are missing, left over or of another shape; the message names them and `source`.
    """
    own = model.state_dict()
    shapes = [
        f"{name} is {list(state[name].shape)} instead of {list(own[name].shape)}"
        for name in own
        if name in state and state[name].shape != own[name].shape
    ]
    problems = [
        _listed(f"{kind}: ", names)
        for kind, names in (
            ("missing weights", [name for name in own if name not in state]),
            ("left-over weights", [name for name in state if name not in own]),
            ("wrong shapes", shapes),
        )
        if names
    ]
    if problems:
        raise HodorError(f"{source}: the weights don't fit the configuration; {'; '.join(problems)}")
    model.load_state_dict(state)


def fingerprint(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _listed(prefix: str, names: list[str]) -> str:
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return prefix + ", ".join(names[:_NAMES_SHOWN]) + more


def _read_safetensors(path: Path) -> tuple[dict[str, torch.Tensor], Config]:
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except (safetensors.SafetensorError, ValueError, RuntimeError) as error:
        raise HodorError(f"{path}: truncated or not a safetensors file ({error}); get it again") from None
    if "config" not in metadata:
        raise HodorError(f"{path}: the file holds no configuration; it was not written by this program")
    return state, from_yaml(metadata["config"], f"{path} (configuration)")


def _read_pickle(path: Path) -> dict[str, torch.Tensor]:
    """The state dict under "model" of a `torch.save`d file, read without executing anything."""
    try:
        with torch.serialization.safe_globals(_HARMLESS):
            content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        refused = re.search(r"GLOBAL ([\w.]+)", str(error))
        if refused:
            reason = f"the file wants to run {refused[1]} and was not loaded; get it from a source you trust"
        else:
            reason = "truncated or not a checkpoint; get it again"
        raise HodorError(f"{path}: {reason}") from None
    except Exception as error:  # whatever a broken file makes the reader stumble over
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise HodorError(f"{path}: truncated or not a checkpoint ({type(error).__name__}); get it again") from None
    state = content.get("model") if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise HodorError(f'{path}: the file has no weights under "model"; it is no checkpoint of HODOR')
    return state

"""The segmenter that a command line asks for: what the checkpoint is meant to be used with, unless told otherwise."""

import argparse
from pathlib import Path
from typing import Any

import torch

from hodor.checkpoints.checkpoint import Checkpoint, fingerprint
from hodor.devices import own_device
from hodor.errors import HodorError
from hodor.inference.segmenter import Segmenter
from hodor.inference.settings import recommended_options


def _memory_and_sizes(checkpoint: Checkpoint, options: argparse.Namespace) -> dict[str, Any]:
    """What the checkpoint is meant to be used with, where the command line doesn't say otherwise."""
    if options.min_image_dim is not None and options.min_image_dim < 1:
        raise HodorError(f"--min_image_dim must be at least 1, not {options.min_image_dim}")
    settings = recommended_options(checkpoint.config, options.min_image_dim)
    told = {name: getattr(options, name, None) for name in (*checkpoint.config.inference.fields, "corrections_replace")}
    return settings | {name: value for name, value in told.items() if value is not None}


def run_settings(weights: Path, checkpoint: Checkpoint, options: argparse.Namespace) -> dict[str, Any]:
    """What masks depend on besides frames and given masks, as JSON knows it; the checkpoint is that in the file `weights`."""
    return {
        "checkpoint": fingerprint(weights),
        **_memory_and_sizes(checkpoint, options),
        "precision": options.precision,
        "compiled": options.compile,
    }


def segmenter_from_options(checkpoint: Checkpoint, options: argparse.Namespace) -> Segmenter:
    """The segmenter for the options that `add_network_options` adds; a HodorError where one can't be."""
    if options.precision == "float32":
        torch.backends.cudnn.allow_tf32 = False
    return Segmenter(
        checkpoint.model,
        **_memory_and_sizes(checkpoint, options),
        device=own_device(options.device),
        precision=options.precision,
        compiled=options.compile,
        look_ahead=options.look_ahead,
    )

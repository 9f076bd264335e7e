"""Writes a checkpoint with seeded random weights in the original's format: for trying things out, not for results.

python scripts/random_checkpoint.py configs/static.yaml /tmp/random/000000.pth --seed 0
"""

from collections.abc import Sequence
from pathlib import Path

import torch

from hodor.checkpoints.checkpoint import Checkpoint, export_original
from hodor.config import load_config
from hodor.modelling.build import build_model
from hodor.program import ArgumentParser, run


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program; see `--help`."""
    parser = ArgumentParser(description="Writes a checkpoint with seeded random weights and its config.yaml.")
    parser.add_argument("config", type=Path, help="a YAML file, such as configs/static.yaml")
    parser.add_argument("checkpoint", type=Path, help="the .pth to write; config.yaml goes beside it")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    config = load_config(options.config)
    torch.manual_seed(options.seed)
    export_original(options.checkpoint, Checkpoint(build_model(config), config))
    print(f"wrote {options.checkpoint} with random weights")
    return 0


if __name__ == "__main__":
    run(main)

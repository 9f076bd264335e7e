"""Trains a network by a recipe.

python hodor/training/main.py --cfg configs/static.yaml
torchrun --nproc_per_node=8 hodor/training/main.py --cfg configs/static.yaml --allow_multigpu
"""

from collections.abc import Sequence

from hodor.program import run


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program; see `--help`."""
    from hodor.training import program  # noqa: PLC0415 (loads torch, for which `run` has prepared the process)

    return program.main(arguments)


if __name__ == "__main__":
    run(main)

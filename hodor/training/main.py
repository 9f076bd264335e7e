"""Trains a network by a recipe.

python hodor/training/main.py --cfg configs/static.yaml
torchrun --nproc_per_node=8 hodor/training/main.py --cfg configs/static.yaml --allow_multigpu
"""

from hodor.program import run
from hodor.training.program import main

__all__ = ["main"]

if __name__ == "__main__":
    run(main)

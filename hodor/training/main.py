"""`python hodor/training/main.py` is the same as `hodor train`: trains a network by a recipe.

python hodor/training/main.py --cfg configs/static.yaml
torchrun --nproc_per_node=8 hodor/training/main.py --cfg configs/static.yaml --allow_multigpu
"""

import os
from collections.abc import Sequence

from hodor.checkpoints.weights import locate_existing
from hodor.config import load_config
from hodor.errors import HodorError
from hodor.program import run
from hodor.training.options import config_path, output_folder, parse
from hodor.workspace import Workspace


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program; see `--help`. Returns the exit code 0.

    Raises:
        HodorError: something is missing or broken; the message says what to do.
    """
    options, overrides = parse(arguments)
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not options.allow_multigpu:
        raise HodorError("several processes were started; add --allow_multigpu if that is meant")
    workspace = Workspace.from_environment()
    for name in ("restore_session", "restore_path"):
        if getattr(options, name) is not None:
            setattr(options, name, locate_existing(getattr(options, name), workspace.checkpoints))
    recipe = config_path(options)
    config = load_config(recipe, overrides)
    folder = output_folder(options, recipe, workspace)
    from hodor.training.program import train_by  # noqa: PLC0415 (torch takes seconds to import)

    train_by(options, config, workspace, folder)
    return 0


if __name__ == "__main__":
    run(main)

"""`python hodor/training/main.py` is the same as `hodor train`: trains a network by a recipe.

python hodor/training/main.py --cfg configs/static.yaml
torchrun --nproc_per_node=8 hodor/training/main.py --cfg configs/static.yaml --allow_multigpu

What can be wrong with a command line is found before the network's libraries are loaded, which takes seconds.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from hodor.checkpoints.weights import locate_existing, names
from hodor.config import load_config
from hodor.errors import HodorError
from hodor.program import ArgumentParser, parse_with_overrides, run
from hodor.workspace import Workspace

_CONFIGS = Path(__file__).parent.parent.parent / "configs"
_OTHER_NAMES = {
    "static_image.yaml": "static.yaml",
    "sparse_video.yaml": "video_sparse.yaml",
    "dense_video.yaml": "video_dense.yaml",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program; see `--help`. Returns the exit code 0.

    Raises:
        HodorError: something is missing or broken; the message says what to do.
    """
    parser = _parser()
    options, overrides = parse_with_overrides(parser, arguments)
    if options.cfg is None and options.restore_session is None:
        parser.error("--cfg is needed, or --restore_session")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not options.allow_multigpu:
        raise HodorError("several processes were started; add --allow_multigpu if that is meant")
    workspace = Workspace.from_environment()
    for name in ("restore_session", "restore_path"):
        if getattr(options, name) is not None:
            setattr(options, name, locate_existing(getattr(options, name), workspace.checkpoints))
    recipe = _config_path(options)
    config = load_config(recipe, overrides)
    folder = _output_folder(options, recipe, workspace)
    from hodor.training.program import train_by  # noqa: PLC0415 (torch takes seconds to import)

    train_by(options, config, workspace, folder)
    return 0


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="python hodor/training/main.py",
        description="Trains a network. Any key of the configuration can be set by --cfg.SECTION.KEY VALUE.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--cfg", metavar="FILE", help="a YAML file, by path or by its name inside configs/")
    add("--model_dir", metavar="DIR", help="where to write; relative = under checkpoints/ (default: the YAML's name)")
    restore = parser.add_mutually_exclusive_group()
    restore.add_argument("--restore_session", type=Path, metavar="CKPT", help="go on exactly where this checkpoint was written")
    weights = f"start from the weights of this checkpoint, hf://owner/name on a hub, or of the package: {', '.join(names())}"
    restore.add_argument("--restore_path", type=Path, metavar="CKPT", help=weights)
    add("--max_samples_per_gpu", type=int, default=2, metavar="N", help="samples that a process takes at once (default: 2)")
    add("--num_cpu_workers", type=int, default=-1, metavar="N", help="processes that load data (default: up to 8 of the cores)")
    add("--display_interval", type=int, default=5, metavar="N", help="iterations between lines (default: 5)")
    add("--summary_interval", type=int, default=10, metavar="N", help="iterations between points of curves (default: 10)")
    add("--save_interval", type=int, default=10000, metavar="N", help="iterations between checkpoints (default: 10000)")
    add("--save_ckpts_after", type=int, default=0, metavar="N", help="no checkpoint before this iteration (default: 0)")
    add("--precision", choices=["float32", "bf16"], default="float32", help="(default: float32)")
    add("--device", default="auto", help="auto, cpu or cuda (default: auto)")
    add("--allow_multigpu", action="store_true", help="needed when torchrun starts several processes")
    add("--pin_memory", action="store_true", help="copy batches to the GPU from page-locked memory")
    add("--detect_anomaly", action="store_true", help="let PyTorch say which operation made a gradient NaN (slow)")
    add("--raise_oom_errors", action="store_true", help="without effect: a training always ends when memory is short")
    add("--log_level", choices=["debug", "info", "warning", "error"], default="info", help="(default: info)")
    return parser


def _config_path(options: argparse.Namespace) -> Path:
    """The YAML file that is meant: by its path, by its name in configs/, or beside the checkpoint to go on with."""
    if options.cfg is None:
        path: Path = options.restore_session.parent / "config.yaml"
        if not path.is_file():
            raise HodorError(f"{path}: no such file; give the configuration of {options.restore_session.name} with --cfg")
        return path
    given = Path(options.cfg)
    for path in (given, _CONFIGS / given, _CONFIGS / _OTHER_NAMES.get(given.name, given.name)):
        if path.is_file():
            return path
    known = ", ".join(sorted(path.name for path in _CONFIGS.glob("*.yaml")))
    raise HodorError(f"--cfg: {given}: no such file, neither here nor in configs/ (which has {known})")


def _output_folder(options: argparse.Namespace, config: Path, workspace: Workspace) -> Path:
    """Where to write, which may not hold the checkpoints of another training; `config` is the YAML file."""
    if options.model_dir is None and options.restore_session is not None:
        return Path(options.restore_session.parent)
    folder: Path = workspace.checkpoints / (options.model_dir or config.stem)
    written = sorted(folder.glob("*.pth"), key=lambda path: int(path.stem) if path.stem.isdecimal() else -1)
    if written and options.restore_session is None:
        raise HodorError(
            f"{folder}: holds the checkpoints of an earlier training; go on with it by --restore_session {written[-1]}, "
            "or give the new one another --model_dir"
        )
    return folder


if __name__ == "__main__":
    run(main)

"""Trains a network by a recipe.

python hodor/training/main.py --cfg configs/static.yaml
torchrun --nproc_per_node=8 hodor/training/main.py --cfg configs/static.yaml --allow_multigpu
"""

import argparse
import contextlib
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch.optim.swa_utils import AveragedModel

from hodor.allocation import keep_freed_memory
from hodor.checkpoints.pretrained import load_pretrained
from hodor.config import Config, load_config, to_yaml
from hodor.data.loader import training_loader
from hodor.data.training_data import build_training_data
from hodor.errors import HodorError
from hodor.files import written_aside
from hodor.modelling.build import build_model
from hodor.modelling.model import HODOR
from hodor.program import ArgumentParser, run
from hodor.training.distributed import Processes
from hodor.training.recipe import (
    build_objective,
    micro_batches,
    parameter_groups,
    scheduled_rate,
    weight_average,
)
from hodor.training.session import Progress, restore_session, restore_weights
from hodor.training.trainer import Settings, Trainer
from hodor.training.validation import build_validation
from hodor.workspace import Workspace

_CONFIGS = Path(__file__).parent.parent.parent / "configs"
_OTHER_NAMES = {
    "static_image.yaml": "static.yaml",
    "sparse_video.yaml": "video_sparse.yaml",
    "dense_video.yaml": "video_dense.yaml",
}
_LOGGER = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program; see `--help`."""
    options, overrides = _parse(arguments)
    keep_freed_memory()
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not options.allow_multigpu:
        raise HodorError("several processes were started; add --allow_multigpu if that is meant")
    workspace = Workspace.from_environment()
    config_path = _config_path(options)
    config = load_config(config_path, overrides)
    folder = _folder(options, config_path, workspace)
    processes = Processes(options.device)
    try:
        with _logged(folder, options.log_level, processes):
            _train(config, options, workspace, folder, processes)
    finally:
        processes.leave()
    return 0


def _parse(arguments: Sequence[str] | None) -> tuple[argparse.Namespace, list[tuple[str, str]]]:
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
    restore.add_argument("--restore_path", type=Path, metavar="CKPT", help="start from the weights of this checkpoint")
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
    add("--raise_oom_errors", action="store_true", help="end when memory is short instead of skipping the iteration")
    add("--log_level", choices=["debug", "info", "warning", "error"], default="info", help="(default: info)")
    options, rest = parser.parse_known_args(arguments)
    overrides = []
    while rest:
        key, *value = rest.pop(0).split("=", 1)
        rest[:0] = value
        if not key.startswith("--cfg.") or not rest:
            parser.error(f"unrecognised argument {key!r}")
        overrides.append((key.removeprefix("--cfg."), rest.pop(0)))
    if options.cfg is None and options.restore_session is None:
        parser.error("--cfg is needed, or --restore_session")
    return options, overrides


def _config_path(options: argparse.Namespace) -> Path:
    if options.cfg is None:
        path: Path = options.restore_session.parent / "config.yaml"
        if not path.is_file():
            raise HodorError(f"{path}: no such file; give the configuration of {options.restore_session.name} with --cfg")
        return path
    given = Path(options.cfg)
    candidates = [given, _CONFIGS / given, _CONFIGS / _OTHER_NAMES.get(given.name, given.name)]
    for path in candidates:
        if path.is_file():
            return path
    known = ", ".join(sorted(path.name for path in _CONFIGS.glob("*.yaml")))
    raise HodorError(f"--cfg: {given}: no such file, neither here nor in configs/ (which has {known})")


def _folder(options: argparse.Namespace, config_path: Path, workspace: Workspace) -> Path:
    if options.model_dir is not None:
        return workspace.checkpoints / options.model_dir
    if options.restore_session is not None:
        folder: Path = options.restore_session.parent
        return folder
    return workspace.checkpoints / config_path.stem


@contextlib.contextmanager
def _logged(folder: Path, level: str, processes: Processes) -> Iterator[None]:
    """Sends the first process's log lines, and why it ended, also to logs/out.log, after what earlier runs wrote there."""
    root = logging.getLogger()
    root.setLevel(level.upper() if processes.is_first else logging.WARNING)
    if not processes.is_first:
        yield
        return
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(folder / "logs" / "out.log", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    root.addHandler(handler)
    try:
        yield
    except BaseException as error:
        handler.handle(logging.makeLogRecord({"levelname": "ERROR", "msg": str(error) or type(error).__name__}))
        raise
    finally:
        root.removeHandler(handler)
        handler.close()


def _train(config: Config, options: argparse.Namespace, workspace: Workspace, folder: Path, processes: Processes) -> None:
    """Puts everything together and trains; whatever the configuration asks for is checked before anything takes long."""
    training = config.training
    objective = build_objective(config)
    samples, count = micro_batches(config, processes.count, options.max_samples_per_gpu)
    data = build_training_data(config, workspace, samples_per_batch=samples, seed=training.seed)
    validate = build_validation(config, workspace)
    model, optimizer, average, progress = _start(config, options, workspace, processes.device, samples)
    if processes.is_first:
        with written_aside(folder / "config.yaml") as aside:
            aside.write_text(to_yaml(config))
    _LOGGER.info(
        "%d iterations of %d samples (%d processes x %d micro-batches x %d) on %s, from iteration %d; writing to %s",
        *(training.total_iterations, training.batch_size, processes.count, count, samples),
        *(processes.device, progress.iteration, folder),
    )
    batches = training_loader(
        data,
        first=progress.iteration * count * processes.count + processes.rank,
        step=processes.count,
        num_workers=_workers(options.num_cpu_workers, processes),
        pin_memory=options.pin_memory,
    )
    trainer = Trainer(
        model,
        optimizer,
        objective,
        rate=lambda iteration: scheduled_rate(config, iteration),
        batches=batches,
        processes=processes,
        folder=folder,
        settings=_settings(config, options, count),
        progress=progress,
        validate=validate,
        average=average,
    )
    with torch.autograd.set_detect_anomaly(True) if options.detect_anomaly else contextlib.nullcontext():
        trainer.run()


def _start(
    config: Config, options: argparse.Namespace, workspace: Workspace, device: torch.device, samples: int
) -> tuple[HODOR, torch.optim.Optimizer, AveragedModel | None, Progress]:
    """Network, optimizer and average of the weights where the training begins or goes on; a micro-batch has `samples`."""
    torch.manual_seed(config.training.seed)
    model = build_model(config)
    if options.restore_path is not None:
        restore_weights(options.restore_path, model)
    elif options.restore_session is None:
        load_pretrained(model, config.model.pretrained_backbone, config.model.backbone, workspace)
    model.to(device)
    rate, decay = config.training.base_lr, config.training.weight_decay
    groups = parameter_groups(model, config.training.backbone_lr_factor)
    optimizer = torch.optim.AdamW(groups, lr=rate, weight_decay=decay, fused=True)
    average = weight_average(model, config.training.weight_average)
    if options.restore_session is None:
        return model, optimizer, average, Progress(samples_per_batch=samples)
    progress = restore_session(options.restore_session, model, optimizer, average)
    if progress.samples_per_batch != samples:
        raise HodorError(
            f"{options.restore_session}: was trained with {progress.samples_per_batch} samples at once, not {samples}; "
            f"go on with --max_samples_per_gpu {progress.samples_per_batch}"
        )
    return model, optimizer, average, progress


def _settings(config: Config, options: argparse.Namespace, count: int) -> Settings:
    return Settings(
        total_iterations=config.training.total_iterations,
        micro_batches=count,
        turns_within_batches=config.training.cycles_alternate_within_batches,
        seed=config.training.seed,
        precision=options.precision,
        display_interval=options.display_interval,
        summary_interval=options.summary_interval,
        save_interval=options.save_interval,
        save_after=options.save_ckpts_after,
        raise_out_of_memory=options.raise_oom_errors,
        validation_interval=config.training.validation.interval,
    )


def _workers(wanted: int, processes: Processes) -> int:
    return wanted if wanted >= 0 else min(8, len(os.sched_getaffinity(0)) // processes.count_here)


if __name__ == "__main__":
    run(main)

"""The program that trains: its options, what it writes to, and how everything is put together."""

import argparse
import contextlib
import datetime
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from hodor.checkpoints import weights as shipped
from hodor.checkpoints.pretrained import load_pretrained
from hodor.config import Config, load_config, to_yaml
from hodor.data.loader import training_loader
from hodor.data.training_data import build_training_data
from hodor.devices import keep_freed_memory, own_device, usable_cores
from hodor.distributed import Group
from hodor.errors import HodorError
from hodor.files import folder_lock, written_aside
from hodor.modelling.build import build_model
from hodor.program import ArgumentParser, parse_with_overrides
from hodor.training.recipe import build_plans, micro_batches
from hodor.training.session import Progress, Session, restore_weights
from hodor.training.trainer import train
from hodor.training.validation import build_validation
from hodor.workspace import Workspace

_CONFIGS = Path(__file__).parent.parent.parent / "configs"
_OTHER_NAMES = {
    "static_image.yaml": "static.yaml",
    "sparse_video.yaml": "video_sparse.yaml",
    "dense_video.yaml": "video_dense.yaml",
}
_TIMEOUT = datetime.timedelta(hours=1)  # a checkpoint or a validation may keep the other processes waiting
_LOGGER = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program; see `--help`."""
    options, overrides = _parse(arguments)
    keep_freed_memory()
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not options.allow_multigpu:
        raise HodorError("several processes were started; add --allow_multigpu if that is meant")
    workspace = Workspace.from_environment()
    for name in ("restore_session", "restore_path"):
        if getattr(options, name) is not None:
            setattr(options, name, shipped.locate(getattr(options, name), workspace.checkpoints))
    config_path = _config_path(options)
    config = load_config(config_path, overrides)
    folder = _folder(options, config_path, workspace)
    device = own_device(options.device)
    group = Group(device, _TIMEOUT)
    try:
        with contextlib.ExitStack() as held:
            with group.agreed():
                if group.is_first:
                    held.enter_context(folder_lock(folder))
            held.enter_context(_logged(folder, options.log_level, group))
            _train(config, options, workspace, folder, group=group, device=device)
    finally:
        group.leave()
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
    weights = f"start from the weights of this checkpoint, or of the package: {', '.join(shipped.names())}"
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
    options, overrides = parse_with_overrides(parser, arguments)
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
    for path in (given, _CONFIGS / given, _CONFIGS / _OTHER_NAMES.get(given.name, given.name)):
        if path.is_file():
            return path
    known = ", ".join(sorted(path.name for path in _CONFIGS.glob("*.yaml")))
    raise HodorError(f"--cfg: {given}: no such file, neither here nor in configs/ (which has {known})")


def _folder(options: argparse.Namespace, config_path: Path, workspace: Workspace) -> Path:
    """Where to write."""
    if options.model_dir is None and options.restore_session is not None:
        return Path(options.restore_session.parent)
    folder: Path = workspace.checkpoints / (options.model_dir or config_path.stem)
    written = sorted(folder.glob("*.pth"), key=lambda path: int(path.stem) if path.stem.isdecimal() else -1)
    if written and options.restore_session is None:
        raise HodorError(
            f"{folder}: holds the checkpoints of an earlier training; go on with it by --restore_session {written[-1]}, "
            "or give the new one another --model_dir"
        )
    return folder


@contextlib.contextmanager
def _logged(folder: Path, level: str, group: Group) -> Iterator[None]:
    """Sends the first process's log lines, and why it ended, also to logs/out.log, after what earlier runs wrote there."""
    root = logging.getLogger()
    root.setLevel(level.upper() if group.is_first else logging.WARNING)
    if not group.is_first:
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


def _train(
    config: Config, options: argparse.Namespace, workspace: Workspace, folder: Path, *, group: Group, device: torch.device
) -> None:
    """Puts everything together and trains; whatever the configuration asks for is checked before anything takes long."""
    training = config.training
    plans = build_plans(config)
    samples, count = micro_batches(config, group.count, options.max_samples_per_gpu)
    data = build_training_data(config, workspace, samples_per_batch=samples, seed=training.seed)
    validate = build_validation(config, workspace)
    session = _begin(config, options, workspace, device, samples)
    if group.is_first:
        with written_aside(folder / "config.yaml") as aside:
            aside.write_text(to_yaml(config))
    first = session.progress.iteration
    _LOGGER.info(
        "%d iterations of %d samples (%d processes x %d micro-batches x %d) on %s, from iteration %d; writing to %s",
        *(training.total_iterations, training.batch_size, group.count, count, samples, device, first, folder),
    )
    workers = options.num_cpu_workers
    batches = training_loader(
        data,
        first=first * count * group.count + group.rank,
        step=group.count,
        num_workers=workers if workers >= 0 else min(8, usable_cores() // group.count_here),
        pin_memory=options.pin_memory,
    )
    with torch.autograd.set_detect_anomaly(True) if options.detect_anomaly else contextlib.nullcontext():
        train(session, config, options, plans=plans, batches=batches, group=group, folder=folder, validate=validate)


def _begin(config: Config, options: argparse.Namespace, workspace: Workspace, device: torch.device, samples: int) -> Session:
    """The session where the training begins or goes on; a micro-batch has `samples`."""
    torch.manual_seed(config.training.seed)
    model = build_model(config)
    if options.restore_path is not None:
        restore_weights(options.restore_path, model)
    elif options.restore_session is None:
        load_pretrained(model, config.model.pretrained_backbone, config.model.backbone, workspace)
    session = Session(model.to(device), config.training, Progress(samples_per_batch=samples))
    if options.restore_session is not None:
        session.restore(options.restore_session)
    return session

"""How a training is put together: data, network, session, and what it writes to."""

import argparse
import contextlib
import datetime
import logging
from collections.abc import Iterator
from pathlib import Path

import torch

from hodor.checkpoints.pretrained import load_pretrained
from hodor.config import Config, to_yaml
from hodor.data.loader import training_loader
from hodor.data.training_data import build_training_data
from hodor.devices import keep_freed_memory, own_device, usable_cores
from hodor.distributed import Group
from hodor.files import folder_lock, written_aside
from hodor.modelling.build import build_model
from hodor.training.recipe import build_plans, micro_batches
from hodor.training.session import Session, restore_weights
from hodor.training.trainer import train
from hodor.training.validation import build_validation
from hodor.workspace import Workspace

_TIMEOUT = datetime.timedelta(hours=1)  # a checkpoint or a validation may keep the other processes waiting
_LOGGER = logging.getLogger(__name__)


def train_by(options: argparse.Namespace, config: Config, workspace: Workspace, folder: Path) -> None:
    """Trains by a recipe as the command line's options say, on data of a workspace; checkpoints go to a folder.

    Raises:
        HodorError: something that the recipe needs is missing or broken, or the training can't go on.
    """
    keep_freed_memory()
    device = own_device(options.device)
    with Group(device, _TIMEOUT) as group, contextlib.ExitStack() as held:
        with group.agreed():
            if group.is_first:
                held.enter_context(folder_lock(folder))
        held.enter_context(_logged(folder, options.log_level, group))
        _train(config, options, workspace, folder, group=group, device=device)


@contextlib.contextmanager
def _logged(folder: Path, level: str, group: Group) -> Iterator[None]:
    """Sends the first process's log lines, and why it ended, also to logs/out.log, after what earlier runs wrote there."""
    root = logging.getLogger()
    before = root.level
    handler: logging.Handler = logging.NullHandler()
    if group.is_first:
        (folder / "logs").mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(folder / "logs" / "out.log", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    root.addHandler(handler)
    root.setLevel(level.upper() if group.is_first else logging.WARNING)
    try:
        yield
    except BaseException as error:
        handler.handle(logging.makeLogRecord({"levelname": "ERROR", "msg": str(error) or type(error).__name__}))
        raise
    finally:
        root.removeHandler(handler)
        handler.close()
        root.setLevel(before)


def _train(
    config: Config, options: argparse.Namespace, workspace: Workspace, folder: Path, *, group: Group, device: torch.device
) -> None:
    """Puts everything together and trains; whatever the configuration asks for is checked before anything takes long."""
    training = config.training
    plans = build_plans(config)
    samples, count = micro_batches(config, group.count, options.max_samples_per_gpu)
    data = build_training_data(config, workspace, samples_per_batch=samples)
    validate = build_validation(config, workspace)
    torch.manual_seed(training.seed)
    model = build_model(config)
    if options.restore_path is not None:
        restore_weights(options.restore_path, model)
    elif options.restore_session is None:
        load_pretrained(model, config.model.pretrained_backbone, config.model.backbone, workspace)
    session = Session(model.to(device).train(), training, samples)
    if options.restore_session is not None:
        session.restore(options.restore_session)
    if group.is_first:
        with written_aside(folder / "config.yaml") as aside:
            aside.write_text(to_yaml(config))
    first = session.progress.iteration
    _LOGGER.info(
        f"{training.total_iterations} iterations of {training.batch_size} samples ({group.count} processes x {count} "
        f"micro-batches x {samples}) on {device}, from iteration {first}; writing to {folder}"
    )
    workers = options.num_cpu_workers
    batches = training_loader(
        data,
        first=first * count * group.count + group.rank,
        step=group.count,
        num_workers=workers if workers >= 0 else min(8, usable_cores() // group.count_here),
        pin_memory=options.pin_memory,
    )
    with torch.autograd.set_detect_anomaly(options.detect_anomaly):
        train(session, config, options, plans=plans, batches=batches, group=group, folder=folder, validate=validate)

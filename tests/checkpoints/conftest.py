import collections

import numpy as np
import pytest
import torch
from support.checkpoints import write_original
from support.goldens import STATIC_RECIPE, original_weights
from support.small_models import small_config

import hodor
from hodor import Checkpoint
from hodor.modelling.build import build_model

EXTRA = {
    "optimizers_and_lr_schedulers": {
        "optimizers": [{"state": {0: {"step": 7, "exp_avg": torch.ones(3)}}, "param_groups": [{"lr": 1e-4, "params": [0, 1]}]}],
        "lr_schedulers": [{"milestones": collections.Counter([100, 200]), "_last_lr": [np.float64(1e-4)], "none": None}],
    },
    "logger": collections.OrderedDict(
        loss=np.float32(0.5),
        count=np.int64(3),
        seen=np.bool_(True),
        curve=np.arange(4.0),
        names=("a", {"b"}),
        table=[[1, 2.5], ["x"]],
    ),
    "iterations": 250000,
}


@pytest.fixture(scope="session")
def weights():
    return original_weights()


@pytest.fixture(scope="session")
def original(tmp_path_factory, weights):
    """A checkpoint as the original writes it."""
    return write_original(tmp_path_factory.mktemp("original") / "static", weights, STATIC_RECIPE, **EXTRA)


@pytest.fixture(scope="session")
def loaded(original):
    return hodor.load(original)


@pytest.fixture(scope="session")
def small():
    """A narrow, shallow model."""
    torch.manual_seed(0)
    config = small_config()
    return Checkpoint(build_model(config).eval(), config)


@pytest.fixture(scope="session")
def small_original(tmp_path_factory, small):
    """It in the original's format."""
    path = tmp_path_factory.mktemp("small") / "10.pth"
    hodor.export_original(path, small)
    return path

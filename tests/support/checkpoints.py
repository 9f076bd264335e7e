"""Checkpoint files for tests."""

import pytest
import torch

import hodor
from hodor import HodorError
from hodor.config import to_yaml


def write_original(folder, weights, config, **extra):
    folder.mkdir(parents=True, exist_ok=True)
    torch.save({"model": weights, **extra}, folder / "250000.pth")
    (folder / "config.yaml").write_text(to_yaml(config))
    return folder / "250000.pth"


def complaint(path):
    """The one line that a bad checkpoint is refused with."""
    with pytest.raises(HodorError) as caught:
        hodor.load(path)
    message = str(caught.value)
    assert "\n" not in message and len(message) < 1000
    return message

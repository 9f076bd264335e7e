from pathlib import Path

import pytest
from support.small_training import write_training_data


@pytest.fixture(scope="session")
def training_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with `photographs`, `films` and `clips`; don't change the data."""
    return write_training_data(tmp_path_factory.mktemp("workspace"))

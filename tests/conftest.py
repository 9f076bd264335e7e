import pytest
import torch
from support.goldens import golden_model

from hodor.modelling.model import HODOR

torch.set_num_threads(2)


@pytest.fixture(scope="session")
def original_model() -> HODOR:
    """The network with the deterministic weights behind the goldens; don't change it."""
    return golden_model()

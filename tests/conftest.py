import os
import signal

os.environ["PYTHONDONTWRITEBYTECODE"] = "1"  # programs whose files may not grow would leave modules that are cut short
os.environ["OMP_NUM_THREADS"] = "1"  # tests run in parallel processes, and threads that wait for each other would disturb them

import pytest
import torch
from support.goldens import golden_model

from hodor.modelling.model import HODOR

torch.set_num_threads(1)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a suite in the background inherits that, and its programs would too
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def original_model() -> HODOR:
    """The network with the deterministic weights behind the goldens; don't change it."""
    return golden_model()

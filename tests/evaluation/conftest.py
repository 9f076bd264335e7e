"""The two sequences that the tests of the program score."""

from pathlib import Path

import numpy as np
import pytest
from evaluation_samples import FRAMES, square, write


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Truth and results of two sequences: in `bear` one object, shifted by 1; in `two` a good and a missing one."""
    write(tmp_path / "truth" / "bear", [square(30)] * FRAMES)
    write(tmp_path / "results" / "bear", [square(31)] * FRAMES)
    both = np.maximum(square(30), np.roll(square(30, 2), 40, 0))
    write(tmp_path / "truth" / "two", [both] * FRAMES)
    write(tmp_path / "results" / "two", [square(30)] * (FRAMES - 2) + [square(35)] * 2)
    return tmp_path

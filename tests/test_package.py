"""What a user sees of the package in Python: its names, its version, what is printed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import hodor
from hodor.media.videos import write_video

ROOT = Path(__file__).parent.parent


def test_dir_shows_the_names_and_each_is_there():
    assert set(hodor.__all__) <= set(dir(hodor))
    assert {"Segmenter", "load", "read_video", "__version__"} <= set(hodor.__all__)
    assert all(getattr(hodor, name) is not None for name in hodor.__all__)
    with pytest.raises(AttributeError, match="module 'hodor' has no attribute 'laod'"):
        _ = hodor.laod


def test_importing_the_package_loads_no_network():
    program = (
        "import sys, hodor; dir(hodor); hodor.__version__; print(sorted({'torch', 'cv2', 'av', 'numpy'} & set(sys.modules)))"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    finished = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert finished.stdout == "[]\n"


def test_version_and_types_are_those_that_are_installed():
    command = [sys.executable, "setup.py", "--quiet", "--version"]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert finished.stdout.split()[-1] == hodor.__version__
    assert (Path(hodor.__file__).parent / "py.typed").is_file()
    assert re.search(r'"hodor": \[.*"py.typed"', (ROOT / "setup.py").read_text())


def test_a_checkpoint_prints_what_it_is_in_a_few_lines():
    checkpoint = hodor.load("compact")
    lines = str(checkpoint).splitlines()
    assert len(lines) == 4 and max(map(len, lines)) < 128
    assert lines[0] == "HODOR checkpoint compact: 6.6 million parameters"
    config = checkpoint.config
    for part in (config.model.backbone, f"width {config.model.width}", f"shorter side {config.input.min_dim}"):
        assert part in str(checkpoint)
    assert f"temporal_window {config.inference.temporal_window}" in lines[3] and "long_term_interval" in lines[3]
    assert "\n" not in repr(checkpoint)


def test_a_video_is_read_by_the_packages_own_name(tmp_path):
    frames = [np.full((32, 48, 3), value, dtype=np.uint8) for value in (40, 200)]
    write_video(tmp_path / "a.mp4", frames)
    read = list(hodor.read_video(tmp_path / "a.mp4"))
    assert [frame.shape for frame in read] == [(32, 48, 3)] * 2
    assert [abs(int(frame.mean()) - value) < 8 for frame, value in zip(read, (40, 200), strict=True)] == [True, True]

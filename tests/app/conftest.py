"""A page's server in this process, and a small video to open."""

import pytest
from app_page import FRAMES, HEIGHT, WIDTH, Page
from support.small import write_small_checkpoint

from hodor.media.videos import written_video
from hodor.synthetic.clip import SyntheticClip


@pytest.fixture(scope="session")
def clip():
    """[(image, labels)] of a video of two things."""
    return list(SyntheticClip(5, frames=FRAMES, height=HEIGHT, width=WIDTH, objects=2))


@pytest.fixture(scope="session")
def video(clip, tmp_path_factory):
    path = tmp_path_factory.mktemp("video") / "toys.mp4"
    with written_video(path, rate=25) as writer:
        for index, (image, _) in enumerate(clip):
            writer.write(image, index / 25)
    return path


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint")
    return write_small_checkpoint(folder)


@pytest.fixture
def page(tmp_path, checkpoint):
    root = tmp_path / "sessions"
    root.mkdir()
    opened = Page(root, checkpoint)
    with opened.client:
        yield opened

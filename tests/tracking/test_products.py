"""What people take away from runs that did not come to their end."""

import json

import numpy as np
import pytest

from hodor.media.sources import Selection, open_source
from hodor.media.videos import write_video
from hodor.tracking.confidences import Row
from hodor.tracking.folder import TrackingFolder
from hodor.tracking.products import make_products, sound_end


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "grey.mp4"
    write_video(path, [np.full((48, 64, 3), 100, np.uint8)] * 10, rate=25)
    return path


def test_sound_ends_with_the_last_picture_that_was_found(video, tmp_path):
    folder = TrackingFolder(tmp_path / "out")
    rows = [Row(index, f"{index:05d}", index / 25, 1, 0.9, 10) for index in (0, 2, 4)]
    source = open_source(str(video), Selection(stride=2, end=9))
    assert sound_end(source, folder, rows) == pytest.approx(4 / 25 + 2 / 25)
    folder.forwards.finish()
    assert sound_end(source, folder, rows) == source.end_time == pytest.approx(9 / 25)


def test_masks_without_rows_have_no_score(video, tmp_path):
    folder = TrackingFolder(tmp_path / "out")
    labels = np.zeros((48, 64), np.uint8)
    labels[:9, :9], labels[20:30, 20:30] = 1, 2
    folder.forwards.write("00000", labels)
    make_products(["coco"], open_source(str(video), Selection()), folder, {}, lambda frame: None)
    content = json.loads((tmp_path / "out/masks.json").read_text(), parse_constant=pytest.fail)
    assert [each["score"] for each in content["annotations"]] == [None, None]

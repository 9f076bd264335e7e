"""The studies of memory and of finding again: shared features give what a segmenter gives; what is done is done once."""

import sys
from pathlib import Path

import numpy as np
import pytest
from support.small import small_checkpoint

from hodor import HodorError, Segmenter
from hodor.inference.memory import MemorySettings
from hodor.inference.tracker import DescriptorTracker
from hodor.synthetic import SyntheticClip

sys.path.append(str(Path(__file__).parent.parent.parent / "benchmarks"))
from finding_again import Kept, found_by_all, presences, sight_of
from memory_options import PAPER, judged


class OneVideo:
    """What the study takes of a video."""

    def __init__(self, clip):
        self.frames = self.clip = clip

    def frame(self, index):
        return self.clip[index][0]

    def mask(self, index):
        return self.clip[index][1] == 1


@pytest.fixture(scope="module")
def clip():
    return list(SyntheticClip(3, frames=5, height=45, width=70, objects=2))


@pytest.mark.parametrize(
    "settings", [PAPER, PAPER | {"permanent_reference": True, "min_confidence": 0.3, "temporal_window": 1}]
)
def test_features_that_are_shared_give_what_a_segmenter_gives(clip, settings):
    checkpoint = small_checkpoint()
    segmenter = Segmenter.of(checkpoint, device="cpu", **settings)
    sight = sight_of(checkpoint)
    remembered = MemorySettings(**settings, corrections_replace=True)
    trackers = {name: DescriptorTracker(sight.network, remembered) for name in ("one", "another")}
    for index, (image, truth) in enumerate(clip):
        given = truth if index == 0 else None
        expected = segmenter.step(image, given).numpy()
        for labels in found_by_all(sight, trackers, image, given).values():
            np.testing.assert_array_equal(labels, expected)


def test_presences_are_those_of_a_segmenter(clip):
    checkpoint = small_checkpoint()
    segmenter = Segmenter.of(checkpoint, device="cpu")
    described = {"a": segmenter.describe(clip[0][0], clip[0][1] == 1), "b": segmenter.describe(clip[0][0], clip[0][1] == 2)}
    found = presences(sight_of(checkpoint), OneVideo(clip), described, distance=3)
    for name, each in described.items():
        segmenter.reset()
        segmenter.add_described(1, each)
        segmenter.step(clip[3][0])
        assert found[name][0] == pytest.approx(segmenter.presences[1], abs=1e-5)


def test_every_setting_is_judged(clip):
    results = judged(small_checkpoint(), iter(clip))
    assert len(results) > 5 and all(0 <= of["all"] <= 1 for of in results.values())


def test_what_is_done_is_kept_and_time_is_bounded(tmp_path):
    computed = []

    def compute(name):
        computed.append(name)
        return len(computed)

    path = tmp_path / "results.json"
    first = Kept(path, {"network": "a"}, minutes=0)
    assert first.each("kind", ["x", "y"], compute) == {} and first.left() == "2 are left: the same command goes on"
    Kept(path, {"network": "a"}, minutes=1).each("kind", ["x"], compute)
    again = Kept(path, {"network": "a"}, minutes=1)
    assert again.each("kind", ["x", "y"], compute) == {"x": 1, "y": 2} and computed == ["x", "y"]
    assert again.left() == "all are judged"
    with pytest.raises(HodorError, match="another network"):
        Kept(path, {"network": "b"}, minutes=1)

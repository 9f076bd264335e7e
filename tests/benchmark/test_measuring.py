"""Counting, timing and reading memory, against what can be known otherwise."""

import json
import mmap
import sys
import time
from pathlib import Path

import pytest
import torch
from support.small import SMALL, small_checkpoint
from support.small_models import WIDTH, small_model

from hodor import Segmenter
from hodor.benchmark.bench import PAPER, Video, in_progress
from hodor.benchmark.measuring import countable, direct_gflop, in_turns, memory_in_use, seconds, times
from hodor.benchmark.sections import last_against_second_quarter
from hodor.inference.memory import DescriptorMemory, MemorySettings
from hodor.modelling.descriptors import DescribedFrames

ROOT = Path(__file__).parent.parent.parent
sys.path.append(str(ROOT / "benchmarks"))
import speed_studies
from plain_twin import ratios

CPU = torch.device("cpu")
CHANNELS, DEPTHS = (16, 32, 64, 128), (2, 2, 2, 2)  # of the backbone of `small_model`
OBJECTS, CELLS, FRAMES = 3, 9, 4


def swin_flop(height, width):
    """Of the window attention network, by hand; maps are padded to windows of 7x7 for attention only."""
    height, width = height // 4, width // 4
    total = 2 * 3 * 16 * CHANNELS[0] * height * width
    for stage, (channels, depth) in enumerate(zip(CHANNELS, DEPTHS, strict=True)):
        if stage:
            height, width = height // 2, width // 2
            total += 2 * (4 * CHANNELS[stage - 1]) * channels * height * width
        padded = -(-height // 7) * 7 * -(-width // 7) * 7
        attention = 2 * padded * (4 * channels**2 + 2 * 49 * channels)
        total += depth * (attention + 2 * height * width * 8 * channels**2)
    return total


def pyramid_flop(height, width, c):
    lateral = sum(2 * channels * c * (height >> k + 2) * (width >> k + 2) for k, channels in enumerate(CHANNELS))
    return lateral + 2 * 9 * c**2 * (height * width // 16 + height * width // 64)


def decoder_flop(height, width, c):
    coarse, fine = height * width // 64, height * width // 16
    known = (OBJECTS + CELLS) * FRAMES
    deformable = 2 * 9 * c * (18 + c) * coarse
    attention = 2 * (coarse + 2 * known) * c**2 + 2 * 2 * coarse * known * c
    layer = deformable + attention + 2 * 2 * coarse * c**2
    refinement = 2 * fine * (c * c // 4 + 9 * c**2)
    catch_all = 2 * fine * (9 * c * c // 2 + c // 2)
    return layer + refinement + catch_all + 2 * known * c**2 + 2 * known * fine * c


def encoder_flop(height, width, c):
    pixels, count = height * width // 64, OBJECTS + CELLS
    interaction = 2 * 4 * count * c**2 + 2 * 2 * count**2 * c
    looking = 2 * (2 * count + 2 * pixels) * c**2 + 2 * 2 * count * pixels * c
    return 2 * count * pixels * c + interaction + looking + 2 * 8 * count * c**2


@pytest.mark.parametrize(("height", "width"), [(64, 96), (128, 32)])
def test_arithmetic_is_what_can_be_counted_by_hand(height, width):
    model = countable(small_model())
    image = torch.randn(1, 3, height, width)
    objects, background = torch.randn(1, OBJECTS, FRAMES, WIDTH), torch.randn(1, CELLS, FRAMES, WIDTH)

    def everything():
        features = model.extract_features(image)
        model.describe_predicted(features, model.segment(features, DescribedFrames(objects, background)))

    with torch.inference_mode():
        counted = direct_gflop(everything)
    by_hand = sum(part(height, width, WIDTH) for part in (pyramid_flop, decoder_flop, encoder_flop))
    assert round(1e9 * counted) == by_hand + swin_flop(height, width)


def test_bytes_are_those_of_tensors_that_are_read_and_written():
    a, b = torch.ones(10, 20), torch.ones(20, dtype=torch.float64)

    def run():
        return (a.double() + b).view(20, 10).t().sum()

    double = 800 + 1600
    assert speed_studies.bytes_moved(run) == double + (1600 + 160 + 1600) + (1600 + 8)


def test_arithmetic_of_the_yardsticks():
    left, right = torch.rand(2, 40, 40)
    assert direct_gflop(lambda: left @ right) == 2 * 40**3 / 1e9


def test_each_round_runs_everything_once_after_a_warm_up():
    done = []
    taken = in_turns({"a": lambda: done.append("a"), 7: lambda: done.append(7)}, CPU, rounds=3, repeats=2)
    assert done == ["a", 7] + ["a", "a", 7, 7] * 3
    assert list(taken) == ["a", 7] and all(len(each["rounds"]) == 3 for each in taken.values())


def test_times_and_ratios():
    slow, fast = times([6.0, 4.0, 9.0]), times([2.0, 2.0, 1.0])
    assert slow == {"median": 6.0, "minimum": 4.0, "rounds": [6.0, 4.0, 9.0]}
    assert ratios(slow, fast) == {"median": 3.0, "minimum": 4.0}
    assert seconds(lambda: time.sleep(0.01), CPU, repeats=2) >= 0.01


def test_quarters():
    assert last_against_second_quarter([90, 80, 2, 2, 50, 50, 3, 3]) == 1.5
    assert last_against_second_quarter([9, 2, 5, 2, 7]) == 3.5


def test_memory_in_use_and_its_peak():
    before = memory_in_use(CPU)["resident"]
    with mmap.mmap(-1, 64 << 20) as block:  # new to this process, which an array need not be
        block.write(b"x" * len(block))
        assert 60 << 20 < memory_in_use(CPU)["resident"] - before < 200 << 20
    assert speed_studies.peak_of_memory() >= before + (60 << 20)


def test_the_paper_s_network_needs_no_files_of_the_checkout():
    assert (PAPER.model.backbone, PAPER.model.width) == ("swin_tiny", 256)
    assert (PAPER.model.encoder_layers, PAPER.model.decoder_layers) == (5, 5)
    assert not PAPER.model.pos_encodings_in_fmq


@pytest.mark.parametrize("objects", [1, 30])
def test_a_video_has_exactly_so_many_objects(objects):
    video = Video.drawn((32, 48), objects, frames=2)
    assert list(video.masks) == list(range(1, objects + 1)) and all(mask.any() for mask in video.masks.values())
    assert len(video.frames) == 2


@pytest.mark.parametrize("window", [1, 3])
def test_a_filled_memory_is_as_large_as_one_that_filled_itself(window):
    video = Video.drawn((32, 48), 2, frames=8)
    options = {"temporal_window": window, "min_dim": SMALL.input.min_dim, "max_dim": SMALL.input.max_dim, "device": "cpu"}
    waited, filled = (Segmenter(small_checkpoint().model, **options) for _ in range(2))
    for index, image in enumerate(video.frames):
        waited.step(image, video.masks if index == 0 else None)
    step = in_progress(filled, video, window)
    for _ in range(3):
        shapes = []
        for segmenter in (waited, filled):
            state = segmenter.state_dict()["tracker"]
            memory = DescriptorMemory(MemorySettings(window))
            memory.load_state_dict(state["memory"])
            known = memory.recall(state["frame"] + 1, state["object_ids"])
            assert not any(absent is not None and absent.any() for absent in (known.objects_absent, known.background_absent))
            shapes.append((known.objects.shape, known.background.shape, len(state["memory"]["slots"])))
        assert shapes[0] == shapes[1] and shapes[0][0][2] == window
        step()


def test_sizes_are_those_of_common_videos():
    assert [speed_studies.size_of(side) for side in (240, 480, 720, 1080, 2160)] == [
        (240, 426),
        (480, 854),
        (720, 1280),
        (1080, 1920),
        (2160, 3840),
    ]


def test_a_size_that_fails_does_not_stop_the_others():
    row = speed_studies.in_own_process(32, "no-such-device", quick=True)
    assert row["shorter side in pixels"] == 32 and "'no-such-device' is not available here" in row["failed"]


def test_studies_are_kept_and_drawn(tmp_path, capsys):
    report = tmp_path / "benchmark.json"
    rows = [{"objects": count, "seconds": {"median": 1.0}} for count in (1, 2)]
    report.write_text(json.dumps({"sections": {"objects": {"by_count": rows}}}))
    studies = {"window": [{"frames in memory": 1, "seconds": {"median": 1.0}}]}
    (tmp_path / "studies.json").write_text(json.dumps(studies))
    assert speed_studies.main(["--folder", str(tmp_path), "--only", "plots", "--report", str(report)]) == 0
    assert {path.name for path in tmp_path.glob("*.png")} == {"speed_objects.png", "speed_window.png"}

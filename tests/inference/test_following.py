"""Ways to go through a video that shall change its speed only: looking ahead, constant shapes, compiling, no waiting."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from support.small import SMALL, small_checkpoint
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from hodor import HodorError, Segmenter
from hodor.inference.logits_to_labels import label_map
from hodor.inference.memory import MemorySettings
from hodor.inference.tracker import DescriptorTracker
from hodor.modelling.soft_masks import resize
from hodor.synthetic import SyntheticClip

FRAMES = 8
ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def model():
    return small_checkpoint().model


@pytest.fixture(scope="module")
def video():
    """Frames with masks: one object from the first frame on, one from the fourth."""
    clip = list(SyntheticClip(frames=FRAMES, height=45, width=70, objects=2, seed=3))
    given = {0: {1: clip[0][1] == 1}, 3: {2: clip[3][1] == 2}}
    return [(image, given.get(index)) for index, (image, _) in enumerate(clip)]


def segmenter_of(model, **options):
    return Segmenter(
        model, temporal_window=3, min_dim=SMALL.input.min_dim, max_dim=SMALL.input.max_dim, device="cpu", **options
    )


def stepped(model, video, **options):
    segmenter = segmenter_of(model, **options)
    return [segmenter.step(frame, masks).numpy() for frame, masks in video]


def same(ours, theirs):
    """Whether all label maps agree in nearly all pixels; batches and compiled code sum up in another order."""
    return all((a.numpy() == b).mean() >= 0.999 for a, b in zip(ours, theirs, strict=True))


def test_following_equals_stepping(model, video):
    followed = segmenter_of(model).follow(video)
    assert all(np.array_equal(a, b) for a, b in zip(followed, stepped(model, video), strict=True))


@pytest.mark.parametrize("look_ahead", [2, 3, 8, 20])
def test_looking_ahead_changes_nothing(model, video, look_ahead):
    ours = list(segmenter_of(model, look_ahead=look_ahead).follow(iter(video)))
    assert same(ours, stepped(model, video))
    assert {int(value) for value in ours[-1].unique()} > {0}


def test_looking_ahead_extracts_features_of_several_frames_at_once(model, video, request):
    batches = []
    hook = model.feature_extractor.register_forward_hook(lambda _, inputs, __: batches.append(len(inputs[0])))
    request.addfinalizer(hook.remove)
    list(segmenter_of(model, look_ahead=3).follow(video))
    assert batches == [3, 3, 1, 1]


def test_a_bad_frame_is_reported_when_its_turn_has_come(model, video):
    broken = [*video[:4], (video[4][0][:-1], None), *video[5:]]
    label_maps = segmenter_of(model, look_ahead=3).follow(broken)
    for _ in range(4):
        next(label_maps)
    with pytest.raises(HodorError, match=r"the frame is 44 x 70, but the video began with 45 x 70"):
        next(label_maps)


def test_looking_no_frame_ahead_is_refused(model):
    with pytest.raises(HodorError, match="must be at least 1, not 0"):
        segmenter_of(model, look_ahead=0)


def trackers_logits(model, video, *, constant_frames=False, **options):
    tracker = DescriptorTracker(model, MemorySettings(3, **options), constant_frames=constant_frames)
    for frame, masks in video:
        image = model.prepare(torch.from_numpy(frame).permute(2, 0, 1)[None].float())
        shown = {
            key: torch.nn.functional.pad(torch.from_numpy(mask).float(), (0, 26, 0, 19)) for key, mask in (masks or {}).items()
        }
        with torch.inference_mode():
            yield tracker.step(image, shown)


@pytest.mark.parametrize(
    "options",
    [{}, {"permanent_reference": True}, {"permanent_reference": True, "min_confidence": 0.3, "long_term_interval": 2}],
)
def test_constant_shapes_change_nothing(model, video, options):
    padded = list(trackers_logits(model, video, **options, constant_frames=True))
    plain = list(trackers_logits(model, video, **options))
    assert padded[0] is None and plain[0] is None
    for ours, theirs in zip(padded[1:], plain[1:], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


class Transfers(TorchDispatchMode):
    """Collects the operators that read tensors of the CPU or give such tensors: on a GPU the program would wait for each."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, operator, types, arguments=(), options=None):
        result = operator(*arguments, **(options or {}))
        tensors = [leaf for leaf in tree_leaves((arguments, options, result)) if isinstance(leaf, torch.Tensor)]
        if any(tensor.device.type == "cpu" for tensor in tensors):
            self.found.append(str(operator))
        return result


@pytest.mark.parametrize("options", [{}, {"min_confidence": 0.5, "long_term_interval": 2}])
def test_a_frame_makes_program_and_device_wait_for_nothing(model, options):
    """On PyTorch's device `meta`, which holds no values: whoever asks for one fails, and copies from and to it are seen."""
    on_device = small_checkpoint().model.to("meta")
    tracker = DescriptorTracker(on_device, MemorySettings(3, **options))
    described = torch.zeros(1, 2, SMALL.model.width, device="meta"), torch.zeros(1, 9, SMALL.model.width, device="meta")
    tracker.memory.write(0, [1, 2], *described)
    tracker._frame = 0

    def step():
        frame = torch.zeros(1, 3, 45, 70, dtype=torch.uint8, device="meta")
        with torch.inference_mode():
            logits = tracker.step(on_device.prepare(resize(frame.float(), (64, 100))), {})
            channels = on_device.num_background_channels
            return label_map(logits, [1, 2], {}, num_background_channels=channels, network=(64, 100), size=(45, 70)).labels

    step()  # makes what is kept for all frames
    with Transfers() as transfers:
        assert step().shape == (45, 70)
    assert transfers.found == []


def test_the_test_of_transfers_sees_them():
    with Transfers() as transfers, torch.inference_mode():
        torch.zeros(3, device="meta") + torch.arange(3).to("meta")
    assert transfers.found


def test_compiled_networks_give_the_same_masks(model, video):
    both = [(frame, masks) for frame, masks in video[2:5]]
    both[0] = (both[0][0], video[0][1])
    assert same(list(segmenter_of(model, compiled=True, look_ahead=2).follow(both)), stepped(model, both))


def test_where_nothing_can_be_compiled_one_line_says_so(tmp_path):
    program = """
import torch
from support.small import SMALL, small_checkpoint
from hodor import HodorError, Segmenter
segmenter = Segmenter(small_checkpoint().model, min_dim=SMALL.input.min_dim, max_dim=SMALL.input.max_dim, compiled=True)
try:
    segmenter.step(torch.zeros(3, 45, 70), {1: torch.ones(45, 70)})
except HodorError as error:
    print(error)
"""
    environment = os.environ | {"CXX": "/no/compiler", "TORCHINDUCTOR_CACHE_DIR": str(tmp_path), "PYTHONPATH": "tests"}
    finished = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert finished.stdout.startswith("the network can't be compiled here, so leave out --compile: "), finished.stderr


def test_going_on_after_following_is_as_if_all_had_been_stepped(model, video):
    segmenter = segmenter_of(model)
    labels = [*segmenter.follow(video[:3]), *segmenter.follow(video[3:5]), *(segmenter.step(*each) for each in video[5:])]
    assert all(np.array_equal(a, b) for a, b in zip(labels, stepped(model, video), strict=True))


def test_no_frame_is_asked_for_before_the_labels_of_those_before_it_have_come(model, video):
    asked = []
    label_maps = segmenter_of(model).follow(asked.append(index) or each for index, each in enumerate(video))
    for index in range(FRAMES):
        next(label_maps)
        assert asked == list(range(index + 1))


def test_a_step_after_the_last_one_is_refused(model, video):
    segmenter = Segmenter(model, temporal_window=1, min_dim=64, max_dim=128, device="cpu")
    segmenter.step(*video[0])
    segmenter.step(video[1][0], last=True)
    with pytest.raises(HodorError, match=r"said to be the last, so nothing is remembered of it; call reset\(\) first"):
        segmenter.step(video[2][0])

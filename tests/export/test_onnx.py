"""ONNX files of the network: onnxruntime's masks are PyTorch's, at any size and with objects that come later."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image
from support.small import SMALL, TINY, small_checkpoint
from support.small_models import WIDTH, small_model

import hodor
from hodor import HodorError
from hodor.checkpoints.checkpoint import Checkpoint, save_checkpoint
from hodor.export.onnx_files import settings, write_onnx
from hodor.export.program import main
from hodor.media.videos import write_video
from hodor.modelling.descriptors import DescribedFrames
from hodor.modelling.features import Features
from hodor.synthetic import SyntheticClip

ROOT = Path(__file__).parent.parent.parent
EXAMPLE = ROOT / "examples" / "track_with_onnxruntime.py"
pytestmark = pytest.mark.xdist_group("onnx")  # one process writes the files, for all of these


@pytest.fixture(scope="module")
def compact(tmp_path_factory):
    """The shipped weights as ONNX."""
    folder = tmp_path_factory.mktemp("onnx") / "compact"
    assert main(["compact", "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def example():
    specification = importlib.util.spec_from_file_location("track_with_onnxruntime", EXAMPLE)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("height", "width", "min_dim"), [(90, 160, 96), (120, 100, 128)])
def test_masks_are_those_of_pytorch_with_objects_that_come_later(compact, example, height, width, min_dim):
    clip = list(SyntheticClip(3, frames=6, height=height, width=width, objects=3))
    frames, given = [image for image, _ in clip], {0: clip[0][1] * np.isin(clip[0][1], (1, 2)), 2: clip[2][1]}
    for changed in (
        {"permanent_reference": False, "long_term_interval": 0},
        {"permanent_reference": True, "temporal_window": 2, "long_term_interval": 0},
        {"permanent_reference": False, "temporal_window": 1, "long_term_interval": 2},
    ):
        options = {"min_dim": min_dim, "max_dim": 2 * min_dim, **changed}
        segmenter = hodor.Segmenter.of("compact", guided_edges=False, device="cpu", **options)
        theirs = example.track(compact, frames, given, **options)
        for t, (frame, found) in enumerate(zip(frames, theirs, strict=True)):
            new = {
                int(each): given[t] == each for each in np.unique(given.get(t, 0)) if each and each not in segmenter.object_ids
            }
            assert (segmenter.step(frame, new).numpy() == found).mean() >= 0.999, (changed, t)
        assert segmenter.object_ids == [1, 2, 3]


def close(found, wanted):
    return np.abs(found - wanted.numpy()).max() <= 1e-4 * wanted.abs().max().item()


@pytest.mark.parametrize("kind", ["efficientnet", "swin"])
def test_functions_of_other_backbones_give_what_the_network_gives(tmp_path, kind):
    checkpoint = small_checkpoint(0, TINY) if kind == "efficientnet" else Checkpoint(small_model(), SMALL)
    write_onnx(tmp_path / "onnx", checkpoint)
    sessions = {
        name: onnxruntime.InferenceSession(tmp_path / "onnx" / f"{name}.onnx") for name in ("features", "describe", "segment")
    }
    model, generator = checkpoint.model, torch.Generator().manual_seed(0)
    for height, width, objects, frames in ((64, 96, 1, 1), (224, 160, 4, 3)):
        with torch.no_grad():
            image = torch.randn(1, 3, height, width, generator=generator)
            features = model.extract_features(image)
            found = sessions["features"].run(None, {"image": image.numpy()})
            assert close(found[0], features.stride_4) and close(found[1], features.stride_8)
            masks = torch.zeros(1, objects, height, width)
            for index in range(objects):  # the last is too small for stride 8
                side = 40 if index < objects - 1 else 2
                masks[0, index, 8 * index + 1 :, 5 * index + 1 :][:side, :side] = 1
            wanted = model.describe_given(features, masks, keep_small=True)
            inputs = {"stride_8": features.stride_8.numpy(), "masks": masks.numpy(), "given": np.ones(objects, bool)}
            assert all(map(close, sessions["describe"].run(None, inputs), wanted))
            described = [torch.randn(1, count, frames, WIDTH, generator=generator) for count in (objects, 9)]
            absent = [torch.rand(each.shape[:3], generator=generator) < 0.3 for each in described]
            absent[0][..., -1] = absent[1][..., -1] = False
            logits = model.segment(Features(*features), DescribedFrames(*described, *absent))
            names = [each.name for each in sessions["segment"].get_inputs()]
            inputs = dict(zip(names, [each.numpy() for each in (*features, *described, *absent)], strict=True))
            assert close(sessions["segment"].run(None, inputs)[0], logits)


def test_the_example_tracks_a_video_and_refuses_files_of_another_version(compact, tmp_path):
    clip = list(SyntheticClip(7, frames=4, height=72, width=128, objects=2))
    write_video(tmp_path / "a.mp4", [image for image, _ in clip])
    for t, ids in ((0, (1,)), (2, (1, 2))):
        Image.fromarray((clip[t][1] * np.isin(clip[t][1], ids)).astype(np.uint8)).save(tmp_path / f"{t}.png")

    def run(folder, out):
        given = [f"{t}={tmp_path / f'{t}.png'}" for t in (0, 2)]
        blocked = "import sys; sys.modules.update(torch=None, hodor=None); import runpy; sys.argv = sys.argv[1:]; "
        command = [sys.executable, "-c", blocked + "runpy.run_path(sys.argv[0], run_name='__main__')", EXAMPLE, folder]
        environment = os.environ | {"PYTHONPATH": ""}
        return subprocess.run(
            [*command, tmp_path / "a.mp4", out, *given], env=environment, capture_output=True, text=True, check=False
        )

    finished = run(compact, tmp_path / "found")
    assert finished.returncode == 0, finished.stderr
    found = [np.array(Image.open(tmp_path / "found" / f"{t:05d}.png")) for t in range(4)]
    assert [each.shape for each in found] == [(72, 128)] * 4 and set(np.unique(found[0])) == {0, 1}
    assert (found[2] == 2).any() and np.array_equal(found[0] == 1, clip[0][1] == 1)
    (tmp_path / "other").mkdir()
    for path in compact.iterdir():
        proto = onnx.load(path)
        assert not any(part.metadata_props for part in (proto.graph, *proto.graph.node))  # they have paths of this machine
        onnx.helper.set_model_props(proto, {"hodor_format": "2"})
        onnx.save(proto, tmp_path / "other" / path.name)
    refused = run(tmp_path / "other", tmp_path / "nothing")
    assert refused.returncode == 1 and not list(tmp_path.glob("nothing/*"))
    assert refused.stderr == f"error: {tmp_path}/other/features.onnx: its format is 2, not 1; write it anew: hodor export\n"


def test_what_is_there_is_not_replaced_and_a_missing_package_is_said(tmp_path, monkeypatch):
    save_checkpoint(tmp_path / "a.safetensors", small_checkpoint(0, TINY))
    (tmp_path / "there").mkdir()
    with pytest.raises(HodorError, match=r"there: exists already"):
        main([str(tmp_path / "a.safetensors"), "--out", str(tmp_path / "there")])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "onnx" else name)
    with pytest.raises(HodorError, match=r"hodor export needs onnx; install them: pip install 'hodor\[export\]'"):
        main(["compact", "--out", str(tmp_path / "new")])


def test_settings_are_those_that_the_checkpoint_is_meant_for():
    found = settings(small_checkpoint(0, TINY))
    assert found["min_dim"] == 64 and found["temporal_window"] == 7 and found["background_channels"] == 10

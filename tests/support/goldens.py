"""Numbers computed by the original code, and the deterministic weights and inputs behind them.

Everything is derived from names: a tensor called NAME is drawn from torch's CPU generator seeded with crc32(NAME).
"""

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from hodor.checkpoints.checkpoint import load_strictly
from hodor.checkpoints.original_names import split_original
from hodor.config import Config, InputConfig, ModelConfig
from hodor.modelling.build import build_model
from hodor.modelling.model import HODOR

FOLDER = Path(__file__).parent.parent / "goldens"
DEVICES = ["cpu"] + (["cuda"] if torch.cuda.is_available() else [])

STATIC_RECIPE = Config(
    input=InputConfig(
        image_mean=(103.53, 116.28, 123.675),
        image_std=(57.375, 57.12, 58.395),
        normalize_to_unit_scale=False,
        max_dim=864,
    ),
    model=ModelConfig(pos_encodings_in_fmq=False),
)


def noise(name: str, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(zlib.crc32(name.encode())))


def original_weights() -> dict[str, torch.Tensor]:
    """The deterministic weights under the original's names: 469 entries."""
    weights = {}
    for name, (shape, dtype, constant) in json.loads((FOLDER / "original_state_dict.json").read_text()).items():
        if constant is not None:
            weights[name] = torch.tensor(constant, dtype=getattr(torch, dtype)).reshape(shape)
        elif len(shape) <= 1:
            weights[name] = (1.0 if name.endswith("weight") else 0.0) + 0.1 * noise(name, *shape)
        else:
            fan_in = int(torch.tensor(shape[1:]).prod())
            std = 0.02 if "relative_position_bias" in name or "query_embed" in name else fan_in**-0.5
            weights[name] = (0.5 * std if "conv_offsets" in name else std) * noise(name, *shape)
    return weights


def golden_model() -> HODOR:
    model = build_model(STATIC_RECIPE)
    load_strictly(model, split_original(original_weights())[0], "goldens")
    return model.eval()


def golden(name: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What was run, and what came out."""
    return json.loads((FOLDER / f"{name}.json").read_text()), dict(np.load(FOLDER / f"{name}.npz"))


def smooth_images(name: str, count: int, height: int, width: int) -> torch.Tensor:
    """Network input [count, 3, height, width]."""
    return F.interpolate(noise(name, count, 3, height // 8, width // 8), (height, width), mode="bicubic", align_corners=False)


def features_case(spec: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """Images [B, 3, H, W] and object masks [B, I, H/8, W/8]."""
    name, (height, width), objects = spec["name"], spec["image"], spec["objects"]
    scores = noise(name + "/fg", spec["batch"], objects + 1, height // 8, width // 8)
    return smooth_images(name, spec["batch"], height, width), torch.softmax(3 * scores, 1)[:, :objects]


def inference_case(spec: dict[str, Any]) -> tuple[torch.Tensor, dict[int, dict[int, torch.Tensor]]]:
    """Padded frames [T, 3, H, W] and {frame: {object id: mask [H, W] of 0.0 and 1.0}} at padded size, in the given order."""
    height, width = spec["padded"]
    frames = smooth_images(spec["name"], spec["frames"], height, width)
    frames[:, :, spec["resized"][0] :] = 0
    frames[:, :, :, spec["resized"][1] :] = 0
    references: dict[int, dict[int, torch.Tensor]] = {}
    for frame, objects in spec["refs"].items():
        for object_id, (top, left, bottom, right) in objects:
            mask = torch.zeros(height, width)
            mask[top:bottom, left:right] = 1
            references.setdefault(int(frame), {})[object_id] = mask
    return frames, references


def training_case(spec: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Clips [B, F, 3, H, W] (reference first), labels [B, F, H, W] and presence [B, F, I]."""
    name, batch, (height, width), objects = spec["name"], spec["batch"], spec["image"], spec["objects"]
    count = spec.get("others", 2)

    def labels(suffix: str) -> torch.Tensor:
        scores = noise(name + suffix, batch, objects + 1, height // 16, width // 16)
        scores = F.interpolate(scores, (height, width), mode="bicubic", align_corners=False)
        scores[:, 0] += 0.3
        return scores.argmax(1)

    masks = torch.stack([labels("/refmask")] + [labels(f"/om{t}") for t in range(count)], 1)
    presence = torch.stack([(masks == i).flatten(2).any(2) for i in range(1, objects + 1)], 2)
    if spec["mode"].startswith("sparse"):
        presence = torch.ones_like(presence)
    if spec["mode"] == "dense_absent":
        presence[:, 1, 0] = False
    reference = smooth_images(name + "/ref", batch, height, width)
    others = smooth_images(name + "/other", batch * count, height, width).view(batch, count, 3, height, width)
    return torch.cat([reference[:, None], others], dim=1), masks, presence


def relative_difference(actual: torch.Tensor, expected: np.ndarray) -> float:
    """Norm of the difference over the norm of what is expected."""
    actual = actual.detach().cpu().double().numpy()
    assert actual.shape == expected.shape
    return float(np.linalg.norm(actual - expected) / np.linalg.norm(expected))

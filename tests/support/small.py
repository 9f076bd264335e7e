"""Small networks, checkpoints and workspaces for tests."""

import dataclasses
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from hodor.checkpoints.checkpoint import Checkpoint, export_original
from hodor.config import Config, InputConfig, ModelConfig
from hodor.formats import run_length
from hodor.formats.inference_json import InferenceSequence, write_inference_json
from hodor.modelling.build import build_model
from hodor.synthetic import SyntheticClip

SMALL = Config(
    input=InputConfig(
        image_mean=(103.53, 116.28, 123.675),
        image_std=(57.375, 57.12, 58.395),
        normalize_to_unit_scale=False,
        min_dim=64,
        max_dim=128,
    ),
    model=ModelConfig(encoder_layers=1, decoder_layers=1, num_attn_heads=4, width=32, pos_encodings_in_fmq=False),
)


TINY = dataclasses.replace(SMALL, model=dataclasses.replace(SMALL.model, backbone="test_efficientnet"))
"""The same with a backbone of a few layers, which is loaded and saved at once."""


def small_checkpoint(seed: int = 0, config: Config = SMALL) -> Checkpoint:
    """A narrow network with random weights."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Checkpoint(build_model(config).eval(), config)


def write_small_checkpoint(folder: Path, seed: int = 0) -> Path:
    """A checkpoint in the original's format, with its config.yaml."""
    path = folder / "000001.pth"
    export_original(path, small_checkpoint(seed))
    return path


def make_workspace(
    root: Path,
    lengths: dict[str, int],
    *,
    dataset: tuple[str, str] = ("davis_trainval", "davis_val"),
    eval_files: bool = False,
    size: tuple[int, int] = (48, 80),
) -> Path:
    """A workspace with synthetic videos of two objects, given in their first frames: {sequence: number of frames}."""
    images, annotations = dataset
    sequences = []
    for seed, (name, length) in enumerate(lengths.items()):
        clip = SyntheticClip(frames=length, height=size[0], width=size[1], objects=2, seed=seed)
        folder = root / "dataset_images" / images / name
        folder.mkdir(parents=True)
        paths = []
        for index, (image, _) in enumerate(clip):
            Image.fromarray(image).save(folder / f"{index:05d}.jpg")
            paths.append(f"{name}/{index:05d}.jpg")
        labels = clip.frame(0)[1]
        masks = {object_id: run_length.encode(labels == object_id) for object_id in np.unique(labels).tolist() if object_id}
        wanted = tuple(Path(path).name for path in paths[::2]) if eval_files else None
        sequences.append(InferenceSequence(name, tuple(paths), {0: masks}, wanted))
    (root / "dataset_json_annotations").mkdir(parents=True, exist_ok=True)
    write_inference_json(root / "dataset_json_annotations" / f"{annotations}.json", sequences)
    return root

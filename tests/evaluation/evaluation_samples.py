"""Small sequences of masks and the program that scores them, for several test files."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from hodor.formats import run_length
from hodor.formats.label_maps import davis_palette, write_label_map

PROGRAM = Path(__file__).parents[2] / "hodor" / "evaluation" / "main.py"
FRAMES = 6


def run_program(*arguments: object, workers: int = 1) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(PROGRAM), *map(str, arguments), "--num_workers", str(workers)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def square(left: int, object_id: int = 1, top: int = 20) -> np.ndarray:
    """The mask of the specification's golden values: rows 20-59, 50 columns from `left` on, in 100 x 100."""
    mask = np.zeros((100, 100), dtype=np.uint8)
    mask[top : top + 40, left : left + 50] = object_id
    return mask


def write(folder: Path, frames: list[np.ndarray]) -> None:
    for index, labels in enumerate(frames):
        write_label_map(folder / f"{index:05d}.png", labels, davis_palette())


def run_length_json(path: Path, folder: Path) -> dict:
    """A folder of masks as the JSON of annotated videos."""
    sequences = []
    for sequence in sorted(folder.iterdir()):
        frames = [np.array(Image.open(file)) for file in sorted(sequence.glob("*.png"))]
        tracks = [
            {str(i): {"seg": run_length.encode(labels == i), "box": [0, 0, 1, 1], "area": 1} for i in np.unique(labels) if i}
            for labels in frames
        ]
        names = [f"{sequence.name}/{index:05d}.jpg" for index in range(len(frames))]
        sequences.append({"id": sequence.name, "height": 100, "width": 100, "image_paths": names, "tracks": tracks})
    content = {"meta": {}, "sequences": sequences}
    path.write_text(json.dumps(content))
    return content


def write_meta(path: Path, categories: dict[str, dict[str, str]]) -> None:
    videos = {
        name: {"objects": {key: {"category": category, "frames": ["00000"]} for key, category in objects.items()}}
        for name, objects in categories.items()
    }
    path.write_text(json.dumps({"videos": videos}))

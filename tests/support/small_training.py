"""Trainings of a small network on small data, as real processes."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from hodor.formats import run_length
from hodor.synthetic import SyntheticClip

ROOT = Path(__file__).parent.parent.parent
MAIN = ROOT / "hodor" / "training" / "main.py"
SMALL = {
    "MODEL.BACKBONE": "swin_compact",
    "MODEL.PRETRAINED_BACKBONE": "none",
    "MODEL.WIDTH": 32,
    "MODEL.NUM_ATTN_HEADS": 4,
    "MODEL.ENCODER_LAYERS": 1,
    "MODEL.DECODER_LAYERS": 1,
    "INPUT.MAX_IMAGE_AREA": 64 * 96,
    "INPUT.MIN_DIM": 48,
    "INPUT.MAX_DIM": 96,
    "TRAINING.MIN_REF_MASK_AREA": 20,
    "TRAINING.MIN_REF_MASK_DIM": 3,
    "TRAINING.BASE_LR": 1e-3,
    "TRAINING.LR_SCHEDULER": "none",
    "TRAINING.BATCH_SIZE": 2,
    "TRAINING.TOTAL_ITERATIONS": 2,
}
"""Overrides that make any recipe small."""


def arguments(cfg: object, *options: object, **keys: object) -> list[str]:
    """A command line for the small network; `SECTION__KEY=value` overrides more keys."""
    overrides = {f"--cfg.{key}": value for key, value in (SMALL | {k.replace("__", "."): v for k, v in keys.items()}).items()}
    pairs = [str(part) for pair in overrides.items() for part in pair]
    given = [] if cfg is None else ["--cfg", str(cfg)]
    return [*given, "--device", "cpu", "--num_cpu_workers", "0", "--display_interval", "1", *map(str, options), *pairs]


def environment(workspace: Path) -> dict[str, str]:
    return os.environ | {"HODOR_WORKSPACE_DIR": str(workspace), "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}


def train(
    workspace: Path, *command: object, processes: int = 1, preexec: Callable[[], None] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Runs the program to its end."""
    return subprocess.run(
        _command_line(command, processes),
        env=environment(workspace),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=preexec,
    )


def _command_line(command: Sequence[object], processes: int) -> list[str]:
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"] if processes > 1 else []
    return [sys.executable, *launcher, str(MAIN), *map(str, command)]


def start(workspace: Path, *command: object, processes: int = 1) -> "subprocess.Popen[str]":
    """Runs the program beside the test."""
    return subprocess.Popen(
        _command_line(command, processes),
        env=environment(workspace),
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )


def await_line(process: "subprocess.Popen[str]", beginning: str) -> list[str]:
    """Reads a process's stderr until a line begins so; gives the lines up to it."""
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if line.startswith(beginning):
            return lines
    raise AssertionError("".join(lines))


def await_file(process: "subprocess.Popen[str]", path: Path) -> None:
    while not path.exists():
        assert process.poll() is None
        time.sleep(0.005)


def kill(process: "subprocess.Popen[str]") -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def limit_file_size(size: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def session(path: Path) -> dict[str, object]:
    """What is in a checkpoint of a training."""
    return dict(torch.load(path, weights_only=True))


def same(first: object, second: object) -> bool:
    """Whether two contents of checkpoints are equal to the last bit."""
    if isinstance(first, torch.Tensor):
        return isinstance(second, torch.Tensor) and first.dtype == second.dtype and torch.equal(first, second)
    if isinstance(first, dict):
        return isinstance(second, dict) and first.keys() == second.keys() and all(same(first[k], second[k]) for k in first)
    if isinstance(first, Sequence) and not isinstance(first, str):
        return isinstance(second, Sequence) and len(first) == len(second) and all(map(same, first, second))
    return first == second


def photographs(count: int, size: tuple[int, int] = (48, 64)) -> list[tuple[np.ndarray, list[np.ndarray]]]:
    """Synthetic photographs of equal size with two objects each, and their masks."""
    made = []
    for seed in range(count):
        image, labels = SyntheticClip(seed, 1, *size, 2).frame(0)
        made.append((image, [labels == object_id for object_id in np.unique(labels).tolist() if object_id]))
    return made


def write_training_data(root: Path) -> Path:
    """A workspace with the sets `photographs` and `films`, and the clips `clips` with their true masks in `truth/`."""
    annotations = root / "dataset_json_annotations"
    annotations.mkdir(parents=True)
    images = []
    for index, (image, masks) in enumerate(photographs(8)):
        path = root / "dataset_images" / "photographs" / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
        encoded = [run_length.encode(mask) for mask in masks]
        images.append({"image_path": path.name, "height": 48, "width": 64, "segmentations": encoded})
    (annotations / "photographs.json").write_text(json.dumps({"images": images}))
    films, clips = [], []
    for seed in range(3):
        paths, tracks = [], []
        for index, (image, labels) in enumerate(SyntheticClip(seed, 8, 48, 64, 2)):
            for name in ("films", "clips"):
                path = root / "dataset_images" / name / f"v{seed}" / f"{index:05d}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(image).save(path)
            truth = root / "truth" / f"v{seed}" / f"{index:05d}.png"
            truth.parent.mkdir(parents=True, exist_ok=True)
            write_mask(truth, labels)
            paths.append(f"v{seed}/{index:05d}.png")
            ids = [object_id for object_id in np.unique(labels).tolist() if object_id]
            tracks.append({str(i): {"seg": run_length.encode(labels == i)} for i in ids})
        films.append({"id": f"v{seed}", "height": 48, "width": 64, "image_paths": paths, "tracks": tracks})
        given = {"0": {i: track["seg"] for i, track in tracks[0].items()}}
        clips.append({"id": f"v{seed}", "image_paths": paths, "segmentations": given})
    (annotations / "films.json").write_text(json.dumps({"sequences": films}))
    (annotations / "clips.json").write_text(json.dumps({"sequences": clips[:1]}))
    return root


def write_mask(path: Path, labels: np.ndarray) -> None:
    picture = Image.fromarray(labels.astype(np.uint8), mode="P")
    picture.putpalette([value for index in range(256) for value in (index, index, index)])
    picture.save(path)

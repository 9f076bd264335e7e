"""Peak memory of a long video against a short one of the same size, both through the whole program in processes of their own.

    python benchmarks/memory_of_long_videos.py --short 60 --long 480

Frames are 854x480, so that keeping even one map of bytes per frame would show; the network sees them at 228x128 to be quick.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from hodor.formats import run_length
from hodor.formats.inference_json import InferenceSequence, write_inference_json
from hodor.program import ArgumentParser, run
from hodor.synthetic import SyntheticClip

ROOT = Path(__file__).parent.parent
DISTINCT = 30


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; see `--help`."""
    parser = ArgumentParser(description="Compares the peak memory of a long and a short video.")
    parser.add_argument("--short", type=int, default=60, help="frames of the short video (default: 60)")
    parser.add_argument("--long", type=int, default=480, help="frames of the long video (default: 480)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder)
        make_videos(workspace, {"short": options.short, "long": options.long})
        checkpoint = workspace / "checkpoints/random/000000.pth"
        subprocess.run(
            [sys.executable, ROOT / "scripts/random_checkpoint.py", ROOT / "configs/static.yaml", checkpoint], check=True
        )
        peaks = {name: peak_memory(workspace, checkpoint, name) for name in ("short", "long")}
    for name, peak in peaks.items():
        print(f"{name}: {getattr(options, name)} frames, peak {peak / 2**20:.0f} MiB")
    print(f"ratio: {peaks['long'] / peaks['short']:.3f}")
    return 0


def make_videos(workspace: Path, lengths: dict[str, int]) -> None:
    """Writes a data set `videos` whose sequences repeat the same few synthetic frames."""
    images = workspace / "dataset_images" / "videos"
    (images / "distinct").mkdir(parents=True)
    clip = SyntheticClip(seed=0, frames=DISTINCT, height=480, width=854, objects=3)
    for index, (image, _) in enumerate(clip):
        Image.fromarray(image).save(images / "distinct" / f"{index}.jpg")
    labels = clip.frame(0)[1]
    masks = {object_id: run_length.encode(labels == object_id) for object_id in np.unique(labels).tolist() if object_id}
    sequences = []
    for name, length in lengths.items():
        (images / name).mkdir()
        for index in range(length):
            (images / name / f"{index:05d}.jpg").symlink_to(images / "distinct" / f"{index % DISTINCT}.jpg")
        sequences.append(InferenceSequence(name, tuple(f"{name}/{index:05d}.jpg" for index in range(length)), {0: masks}))
    (workspace / "dataset_json_annotations").mkdir()
    write_inference_json(workspace / "dataset_json_annotations" / "videos.json", sequences)


def peak_memory(workspace: Path, checkpoint: Path, sequence: str) -> int:
    """Peak resident memory in bytes of a run of the program on one sequence."""
    program = [sys.executable, str(ROOT / "hodor/inference/main.py"), str(checkpoint)]
    process = subprocess.Popen(
        [*program, "--dataset", "videos", "--seqs", sequence, "--min_image_dim", "128", "--device", "cpu"],
        env=os.environ | {"HODOR_WORKSPACE_DIR": str(workspace)},
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"the program failed on {sequence}")
    return usage.ru_maxrss * 1024


if __name__ == "__main__":
    run(main)

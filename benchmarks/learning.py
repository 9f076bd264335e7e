"""Does it learn? A compact network is trained on static synthetic images only and judged on synthetic videos it has never seen.

    python benchmarks/learning.py --folder learning

Beside it stand copying the first mask and warping it by optical flow. Writes learning.json and learning.png into the folder.
"""

import json
import os
import re
import time
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from baselines import ROOT, copied_mask, flow_warped_mask, follow, judge, program
from matplotlib import pyplot as plt
from PIL import Image

from hodor.formats.label_maps import davis_palette, write_label_map
from hodor.program import ArgumentParser, run
from hodor.synthetic import SyntheticClip, write_davis_folder

HEIGHT, WIDTH, OBJECTS = 96, 160, 3
CONFIG = ROOT / "benchmarks/learning.yaml"
FIRST_TRAINING_SEED = 100_000  # the videos have seeds from 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; see `--help`."""
    parser = ArgumentParser(description="Trains a compact network on synthetic images and judges it on synthetic videos.")
    parser.add_argument("--folder", type=Path, required=True, help="where everything goes")
    parser.add_argument("--images", type=int, default=2000, help="training images (default: 2000)")
    parser.add_argument("--videos", type=int, default=12, help="held-out videos of 24 frames (default: 12)")
    parser.add_argument("--iterations", type=int, default=2500, help="optimizer steps of 8 samples (default: 2500)")
    parser.add_argument("--processes", type=int, default=2, help="processes that train together (default: 2)")
    parser.add_argument(
        "--precision", choices=["float32", "bf16"], default="bf16", help="of training; bf16 suits newer processors (default)"
    )
    options = parser.parse_args(arguments)
    folder = options.folder.resolve()
    os.environ["HODOR_WORKSPACE_DIR"] = str(folder / "workspace")
    (folder / "workspace").mkdir(parents=True, exist_ok=True)
    make_data(folder, options.images, options.videos)
    started = time.perf_counter()
    train(options.iterations, options.processes, options.precision)
    minutes = (time.perf_counter() - started) / 60
    truth = folder / "videos/Annotations/480p"
    masks = {
        "copying the first mask": follow("videos", copied_mask, folder / "copy"),
        "warping it by optical flow": follow("videos", flow_warped_mask, folder / "flow"),
        "HODOR, static images only": segment(folder, options.iterations),
    }
    scores = {name: judge(results, truth)["J&F"] for name, results in masks.items()}
    curve = loss_curve(folder)
    (folder / "learning.json").write_text(json.dumps({"J&F": scores, "minutes": minutes, "loss": curve}, indent=1))
    draw(folder / "learning.png", curve, scores)
    print(f"trained {options.iterations} iterations in {minutes:.1f} minutes with {options.processes} processes")
    for name, value in scores.items():
        print(f"J&F {100 * value:5.1f}  {name}")
    return 0


def make_data(folder: Path, images: int, videos: int) -> None:
    """Writes images with instance masks and videos with true masks, and converts both."""
    for name in ("images", "masks"):
        (folder / "static" / name).mkdir(parents=True, exist_ok=True)
    for index in range(images):
        clip = SyntheticClip(FIRST_TRAINING_SEED + index, frames=1, height=HEIGHT, width=WIDTH, objects=OBJECTS)
        image, labels = clip.frame(0)
        Image.fromarray(image).save(folder / f"static/images/{index:05d}.jpg", quality=95)
        write_label_map(folder / f"static/masks/{index:05d}.png", labels, davis_palette())
    clips = [SyntheticClip(seed, frames=24, height=HEIGHT, width=WIDTH, objects=OBJECTS) for seed in range(videos)]
    write_davis_folder(folder / "videos", [(f"video{seed:02d}", clip) for seed, clip in enumerate(clips)])
    program("-m", "hodor.convert", "images", folder / "static/images", folder / "static/masks", "--name", "static")
    program("-m", "hodor.convert", "davis", folder / "videos", "--name", "videos")


def train(iterations: int, processes: int, precision: str) -> None:
    """Trains `benchmarks/learning.yaml` on the images, one thread per process."""
    os.environ["OMP_NUM_THREADS"] = "1"
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    settings = {
        "DATA.DATASETS": "{static: 1.0}",
        "INPUT.MAX_IMAGE_AREA": HEIGHT * WIDTH,
        "TRAINING.TOTAL_ITERATIONS": iterations,
        "TRAINING.LR_SCHEDULERS.STEP.STEPS": f"[{iterations * 7 // 10}, {iterations * 9 // 10}]",
        "TRAINING.MIN_REF_MASK_AREA": 100,
    }
    overrides = [part for key, value in settings.items() for part in (f"--cfg.{key}", value)]
    options = ["--allow_multigpu", "--device", "cpu", "--num_cpu_workers", "0", "--max_samples_per_gpu", "4"]
    options += ["--precision", precision, "--display_interval", "10"]
    program(*launcher, ROOT / "hodor/training/main.py", "--cfg", CONFIG, *options, *overrides)
    del os.environ["OMP_NUM_THREADS"]


def segment(folder: Path, iterations: int) -> Path:
    """Masks of the videos by the trained network."""
    checkpoint = folder / f"workspace/checkpoints/learning/{iterations:06d}.pth"
    program(ROOT / "hodor/inference/main.py", checkpoint, "--dataset", "videos", "--min_image_dim", HEIGHT, "--device", "cpu")
    return checkpoint.parent / "videos_inference/results"


def loss_curve(folder: Path) -> list[tuple[int, float]]:
    """(iteration, mean loss of the ten iterations before) from the log."""
    log = (folder / "workspace/checkpoints/learning/logs/out.log").read_text()
    return [(int(match[1]), float(match[2])) for match in re.finditer(r" (\d+)/\d+ +loss ([\d.]+)", log)]


def draw(path: Path, curve: list[tuple[int, float]], scores: dict[str, float]) -> None:
    """The loss over the iterations, and the scores as bars."""
    mpl.use("Agg")
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.5), layout="constrained")
    left.plot(*zip(*curve, strict=True), color="#3b6fb5")
    left.set(xlabel="iteration (8 samples each)", ylabel="loss", title="training on static images")
    bars = right.barh(list(scores), [100 * value for value in scores.values()], color=["#b0b4bb", "#8a8f98", "#3b6fb5"])
    right.bar_label(bars, fmt="%.1f", padding=3)
    right.set(xlabel="J&F", xlim=(0, 100), title="held-out videos")
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    run(main)

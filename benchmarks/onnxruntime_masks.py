"""Masks and time of onnxruntime against PyTorch's: frames in a folder, an object from the first on, another from a later one.

hodor export compact --out compact_onnx
python benchmarks/onnxruntime_masks.py compact compact_onnx DAVIS/JPEGImages/480p/bear DAVIS/Annotations/480p/bear/00000.png
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import hodor
from hodor.program import ArgumentParser, run

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))
from track_with_onnxruntime import track


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program; see `--help`."""
    parser = ArgumentParser(description="Compares the masks and the time of onnxruntime and PyTorch at some sizes.")
    parser.add_argument("checkpoint")
    parser.add_argument("onnx", type=Path, help="what hodor export wrote of it")
    parser.add_argument("frames", type=Path, help="a folder of images")
    parser.add_argument("mask", type=Path, help="of an object in the first")
    parser.add_argument("--count", type=int, default=16, metavar="N", help="frames (default: 16)")
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[192, 256], metavar="N", help="shorter sides (default: 192 256)"
    )
    options = parser.parse_args(arguments)
    frames = [np.array(Image.open(path)) for path in sorted(options.frames.iterdir())[: options.count]]
    first = (np.array(Image.open(options.mask)) > 0).astype(np.uint8)
    later = np.zeros_like(first)
    later[: first.shape[0] // 3, : first.shape[1] // 3] = 2  # whatever is there is an object, too
    given = {0: first, len(frames) // 4: later}
    checkpoint = hodor.load(options.checkpoint)
    for size in options.sizes:
        segmenter = hodor.Segmenter.of(checkpoint, min_dim=size, max_dim=2 * size, guided_edges=False, device="cpu")
        ours, seconds = _timed(segmenter.step(frame, given.get(t)).numpy() for t, frame in enumerate(frames))
        theirs, seconds_there = _timed(track(options.onnx, frames, given, min_dim=size, max_dim=2 * size))
        equal = [float((one == other).mean()) for one, other in zip(ours, theirs, strict=True)]
        shares = [float((np.stack(ours) == each).mean()) for each in (1, 2)]
        print(
            f"shorter side {size}, {len(frames)} frames, {torch.get_num_threads()} threads: equal in "
            f"{100 * np.mean(equal):.4f} % of all pixels, {100 * min(equal):.4f} % of the worst frame; "
            f"objects cover {100 * shares[0]:.1f} and "
            f"{100 * shares[1]:.1f} %; seconds per frame {seconds:.3f} with PyTorch, {seconds_there:.3f} with onnxruntime"
        )
    return 0


def _timed(masks):
    """The masks, and the median time of one."""
    found, took = [], []
    begin = time.perf_counter()
    for each in masks:
        found.append(each)
        took.append(time.perf_counter() - begin)
        begin = time.perf_counter()
    return found, float(np.median(took))


if __name__ == "__main__":
    run(main)

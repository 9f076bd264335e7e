"""The shipped network live: frames per second of a 480p video, with 1 and 5 objects, in float32 and bf16.

    python benchmarks/live.py --output live.json

Of each combination it measures, in turns within one run,
* the network alone: a frame in memory to its label map, with a full temporal window;
* end to end: a video file is decoded, its objects are followed, coloured pictures of them are encoded as another video file;
and compares the former with the floor: the frame's direct arithmetic at the speed of a large convolution of the same precision.
"""

import dataclasses
import itertools
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from plain_twin import ratios
from torch.nn import functional as F

import hodor
from hodor.benchmark.bench import Video, in_progress
from hodor.benchmark.measuring import countable, direct_gflop, in_turns
from hodor.checkpoints.checkpoint import Checkpoint
from hodor.config import load_config
from hodor.devices import keep_freed_memory
from hodor.inference.segmenter import Segmenter
from hodor.media.videos import write_video
from hodor.modelling.build import build_model
from hodor.program import ArgumentParser, run

SIZE = (480, 854)
CHANNELS, HEIGHT, WIDTH = 128, 120, 214  # of the large convolution
PRECISIONS = {"float32": torch.float32, "bf16": torch.bfloat16}
Key = tuple[str, str, int]
"""What is measured ("network", "end to end" or "convolution"), precision, objects."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; see `--help`."""
    parser = ArgumentParser(description="Measures how many frames per second the small network follows on this machine's CPU.")
    parser.add_argument("--checkpoint", default="compact", help="weights, or a configuration (.yaml) with random ones")
    parser.add_argument("--objects", type=int, nargs="+", default=[1, 5], help="numbers of objects (default: 1 5)")
    parser.add_argument("--frames", type=int, default=40, help="of the video (default: 40)")
    parser.add_argument("--rounds", type=int, default=3, help="of each measurement (default: 3)")
    parser.add_argument("--output", type=Path, help="JSON with every number")
    options = parser.parse_args(arguments)
    keep_freed_memory()
    checkpoint = opened(options.checkpoint)
    videos = {count: Video.drawn(SIZE, count, frames=options.frames) for count in options.objects}
    runs: dict[Key, Callable[[], object]] = {}
    gflop = {}
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        for precision, (count, video) in itertools.product(PRECISIONS, videos.items()):
            file = Path(folder) / f"{count}.mp4"
            write_video(file, video.frames)
            segmenter = partial(Segmenter.of, checkpoint, precision=precision, device="cpu")
            step = in_progress(segmenter(), video, checkpoint.config.inference.temporal_window)
            runs["network", precision, count] = partial(several, step, options.frames)
            runs["end to end", precision, count] = partial(overlaid, segmenter(), file, video, Path(folder) / "overlay.mp4")
            runs["convolution", precision, 0] = partial(several, convolution(PRECISIONS[precision]), options.frames)
            counted = Segmenter.of(dataclasses.replace(checkpoint, model=countable(checkpoint.model)), device="cpu")
            gflop[count] = direct_gflop(in_progress(counted, video, 1))
        took = in_turns(runs, torch.device("cpu"), rounds=options.rounds)
    rows = [row(key, took, gflop, options.frames) for key in runs if key[0] != "convolution"]
    print(
        f"{torch.get_num_threads()} threads, {SIZE[1]}x{SIZE[0]}, medians of {options.rounds} rounds of {options.frames} frames"
    )
    for each in rows:
        against = f", {each['against_floor']:.2f} times the floor" if "against_floor" in each else ""
        count = f"{each['objects']} object{'s' * (each['objects'] > 1)}"
        print(f"{each['measured']}, {each['precision']}, {count}: {each['frames_per_second']:.1f}/s{against}")
    if options.output is not None:
        options.output.write_text(json.dumps(rows, indent=1) + "\n")
    return 0


def opened(name: str) -> Checkpoint:
    """A checkpoint by path or name, or random weights for a configuration."""
    if name.endswith(".yaml"):
        config = load_config(Path(name))
        torch.manual_seed(0)
        checkpoint = Checkpoint(build_model(config).eval(), config, name=Path(name).stem)
    else:
        checkpoint = hodor.load(name)
    checkpoint.model.requires_grad_(False)  # operations are counted
    return checkpoint


def several(step: Callable[[], object], count: int) -> None:
    """Does a step so many times."""
    for _ in range(count):
        step()


def convolution(dtype: torch.dtype) -> Callable[[], object]:
    """A large 3x3 convolution, in the order in which the processor likes its channels."""
    order = torch.channels_last
    image = torch.rand(1, CHANNELS, HEIGHT, WIDTH).to(dtype, memory_format=order)
    weight = torch.rand(CHANNELS, CHANNELS, 3, 3).to(dtype, memory_format=order)
    return partial(F.conv2d, image, weight, padding=1)


def overlaid(segmenter: Segmenter, file: Path, video: Video, output: Path) -> None:
    """From a video file to a video file of coloured pictures."""

    def pictures() -> Iterator[np.ndarray]:
        segmenter.reset()
        for index, frame in enumerate(hodor.read_video(file)):
            labels = segmenter.step(frame, video.masks if index == 0 else None)
            yield hodor.draw(frame, labels.numpy(), confidences=segmenter.confidences)

    write_video(output, pictures())


def row(key: Key, took: dict[Key, dict[str, Any]], gflop: dict[int, float], frames: int) -> dict[str, Any]:
    """The numbers of one combination."""
    measured, precision, count = key
    found = {"measured": measured, "precision": precision, "objects": count, "seconds": took[key]["median"] / frames}
    found["frames_per_second"] = 1 / found["seconds"]
    if measured == "network":
        same = ratios(took[key], took["convolution", precision, 0])["median"]  # how many of those convolutions a frame takes
        found["against_floor"] = same * 18e-9 * CHANNELS**2 * HEIGHT * WIDTH / gflop[count]
    return found


if __name__ == "__main__":
    run(main)

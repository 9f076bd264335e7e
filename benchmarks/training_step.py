"""One training iteration on the CPU: time and peak memory against the plain way, each in a process of its own.

    python benchmarks/training_step.py                                                      # the paper's static recipe
    python benchmarks/training_step.py --cfg configs/compact.yaml --height 192 --width 320 --precision bf16

The plain way computes the same by the network's plain twin, without sharing steps between cycles, keeping freed memory, or a
fused optimizer.
"""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from plain_twin import plain_twin

from hodor.config import load_config
from hodor.data.loader import TrainingBatch
from hodor.devices import Precision, keep_freed_memory, precision_context
from hodor.modelling.build import build_model
from hodor.program import ArgumentParser, run
from hodor.training.criterion import criterion
from hodor.training.cycles import PlannedStep
from hodor.training.recipe import build_plans
from hodor.training.unroll import unroll

ROOT = Path(__file__).parent.parent
WAYS = ("ours", "plain")
EVEN_STEPS = 6  # of the plan that `unshared` knows


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; see `--help`."""
    parser = ArgumentParser(description="Times one training iteration of one sample, ours against the plain way.")
    parser.add_argument(
        "--cfg", type=Path, default=ROOT / "configs/static.yaml", help="the recipe (default: configs/static.yaml)"
    )
    parser.add_argument("--precision", choices=["float32", "bf16"], default="float32", help="of both ways (default: float32)")
    parser.add_argument("--height", type=int, default=256)
    parser.add_argument("--width", type=int, default=448)
    parser.add_argument("--rounds", type=int, default=3, help="measured pairs (default: 3)")
    parser.add_argument("--only", choices=WAYS, help="measure one way in this process and print it as JSON")
    options = parser.parse_args(arguments)
    if options.only:
        print(json.dumps(measure(options.only, options.cfg, options.precision, (options.height, options.width))))
        return 0
    given = ["--cfg", options.cfg, "--precision", options.precision, "--height", options.height, "--width", options.width]
    rounds = [{way: in_process(way, [str(each) for each in given]) for way in WAYS} for _ in range(options.rounds)]
    for way in WAYS:
        seconds = sorted(each[way]["seconds"] for each in rounds)
        memory = max(each[way]["gib"] for each in rounds)
        images = rounds[0][way]["images"] / seconds[len(seconds) // 2]
        print(
            f"{way:6} {seconds[len(seconds) // 2]:6.2f} s per sample  {images:5.2f} images/s  {memory:5.2f} GiB  "
            f"loss {rounds[0][way]['loss']:.6f}"
        )
    ratios = sorted(each["plain"]["seconds"] / each["ours"]["seconds"] for each in rounds)
    print(
        f"plain / ours: time {ratios[len(ratios) // 2]:.2f}, memory {rounds[0]['plain']['gib'] / rounds[0]['ours']['gib']:.2f}"
    )
    return 0


def in_process(way: str, given: list[str]) -> dict[str, float]:
    """Measures a way in a fresh process."""
    output = subprocess.run([sys.executable, __file__, "--only", way, *given], check=True, capture_output=True, text=True)
    result: dict[str, float] = json.loads(output.stdout)
    return result


def measure(way: str, path: Path, precision: Precision, size: tuple[int, int]) -> dict[str, float]:
    """Seconds, images, peak memory and loss of one iteration of one sample with two objects, after one for warming up."""
    is_plain = way == "plain"
    if not is_plain:
        keep_freed_memory()
    config = load_config(path)
    torch.manual_seed(0)
    model = build_model(config).train()
    for module in model.modules():  # both ways shall draw nothing, to be comparable
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if isinstance(module, torch.nn.MultiheadAttention):
            module.dropout = 0.0
    plan = build_plans(config)[0]
    alone = unshared(plan) if len(plan) == EVEN_STEPS else plan
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=not is_plain)
    batch = example(*size, 1 + config.training.num_other_frames)
    seconds = loss = 0.0
    network = plain_twin(model) if is_plain else model
    for _ in range(2):
        started = time.perf_counter()
        torch.manual_seed(1)
        optimizer.zero_grad()
        with precision_context(torch.device("cpu"), precision):
            predictions = unroll(network, batch, alone if is_plain else plan, config.training)
        if is_plain and alone is not plan:
            del predictions[3]  # of the shared step that was made twice, one doesn't count in the loss
        found = criterion(predictions, config.training)
        found.total.backward()
        optimizer.step()
        seconds, loss = time.perf_counter() - started, loss or found.total.item()
    images = batch.images.shape[1]
    return {
        "seconds": seconds,
        "images": images,
        "gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "loss": loss,
    }


def unshared(plan: list[PlannedStep]) -> list[PlannedStep]:
    """The even plan of two other frames with [0]->1 made once per cycle, as without sharing; steps are [0]->0, [0]->1, ..."""
    first, forward, back, ahead, *rest = plan
    again = PlannedStep(forward.sources, forward.target, 4, forward.source_frames)
    renumbered = [
        PlannedStep(
            tuple({2: 4, 4: 5, 5: 6}.get(source, source) for source in step.sources),
            step.target,
            None if step.descriptors is None else step.descriptors + 1,
            step.source_frames,
        )
        for step in (ahead, *rest)
    ]
    return [first, forward, back, again, *renumbered]


def example(height: int, width: int, frames: int) -> TrainingBatch:
    """One clip of so many frames with two objects."""
    labels = torch.zeros(1, frames, height, width, dtype=torch.uint8)
    labels[..., height // 8 : height // 2, width // 8 : width // 2] = 1
    labels[..., height // 2 : height * 7 // 8, width // 2 : width * 7 // 8] = 2
    images = torch.rand(1, frames, 3, height, width, generator=torch.Generator().manual_seed(0)) * 255
    presence = torch.ones(1, frames, 2, dtype=torch.bool)
    return TrainingBatch(images, torch.ones_like(labels, dtype=torch.bool), labels, presence, ["example"])


if __name__ == "__main__":
    run(main)

"""What the network's own kernels bring: a frame by the network against its plain twin, with the same weights and memory.

    python benchmarks/plain_twin.py --checkpoint PATH

The twin computes deformable convolutions by torchvision, products with weights as PyTorch does, soft-masked attention with
projected keys and values, and nothing is prepared for inference.
"""

import copy
import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any
from unittest import mock

import torch
from torch import nn

from hodor.benchmark.bench import Bench
from hodor.benchmark.measuring import Times, in_turns
from hodor.checkpoints.weights import locate_existing
from hodor.devices import Precision, keep_freed_memory
from hodor.inference.segmenter import Segmenter
from hodor.modelling.kernels.deformable_convolution import DeformableConvolution, by_torchvision
from hodor.modelling.kernels.linear import Linear
from hodor.modelling.model import HODOR
from hodor.modelling.soft_masked_attention import SoftMaskedAttention
from hodor.program import ArgumentParser, run


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the study; see `--help`."""
    parser = ArgumentParser(description="Times a frame by the network and by its plain twin, and compares what they find.")
    parser.add_argument("--checkpoint", type=Path, help="the network (default: the paper's with random weights, as fast)")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--precision", choices=["float32", "bf16"], default="float32")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see whether everything works")
    parser.add_argument("--output", type=Path, help="JSON with every number")
    options = parser.parse_args(arguments)
    keep_freed_memory()
    checkpoint = None if options.checkpoint is None else locate_existing(options.checkpoint)
    found = compared(Bench(checkpoint, options.device, options.precision, quick=options.quick))
    against, agreement = found["plain_against_ours"], found["agreement"]
    print(f"time of the plain twin / ours: {against['median']:.2f} (of the best rounds {against['minimum']:.2f})")
    print(
        f"the same label in {100 * agreement['equal_pixels']:.3f} % of pixels; "
        f"logits differ by {agreement['logits_difference']:.1e} of their norm"
    )
    if options.output is not None:
        options.output.write_text(json.dumps(found, indent=1) + "\n")
    return 0


def compared(bench: Bench) -> dict[str, Any]:
    """Seconds of a frame in turns, their ratio, and how well both agree."""
    ours = bench.segmenter()
    with unprepared():
        theirs = bench.segmenter(plain_twin(bench.model))
    runs = {"network": bench.step(ours), "plain": bench.step(theirs)}
    took = in_turns(runs, bench.device, rounds=bench.sizes.rounds, repeats=bench.repeats)
    agreement = agreement_of(ours, theirs, bench.video().frames)
    return took | {"plain_against_ours": ratios(took["plain"], took["network"]), "agreement": agreement}


def plain_twin(model: HODOR) -> HODOR:
    """A network with the same weights (not copied) and results, computed by what PyTorch and torchvision bring."""
    twin: HODOR = copy.deepcopy(model, {id(weights): weights for weights in model.parameters()})
    for module in twin.modules():
        if isinstance(module, DeformableConvolution):
            vars(module).update(forward=partial(_deformable, module.offsets, module.convolution))
        elif isinstance(module, Linear):
            vars(module).update(forward=partial(nn.Linear.forward, module))
        elif isinstance(module, SoftMaskedAttention):
            module.spares_projections = False
    return twin


def unprepared() -> AbstractContextManager[object]:
    """A context in which segmenters are made that use their network as it is, as plain twins want it."""

    def as_it_is(model: HODOR, precision: Precision, *, compiled: bool) -> tuple[HODOR, Precision]:
        assert not compiled
        return model, precision

    return mock.patch("hodor.inference.seeing.made_ready", as_it_is)


def ratios(slower: Times, faster: Times) -> dict[str, float]:
    """How much longer the one took: {"median": of the rounds' own ratios, "minimum": ratio of both minima}."""
    each = [a / b for a, b in zip(slower["rounds"], faster["rounds"], strict=True)]
    return {"median": median(each), "minimum": slower["minimum"] / faster["minimum"]}


def agreement_of(ours: Segmenter, theirs: Segmenter, frames: Sequence[Any]) -> dict[str, Any]:
    """Compares two segmenters on frames, with the same memory.

    Returns:
        equal_pixels: share of pixels with the same label.
        logits_difference: the largest, over frames, norm of the difference over norm of the latter's logits.
        largest_difference: of any logit, over the root mean square of the frame's logits.
    """
    state, equal, relative, largest = ours.state_dict(), [], [], []
    for image in frames:
        (labels, logits), (their_labels, their_logits) = (_found(each, state, image) for each in (ours, theirs))
        difference = logits - their_logits
        equal.append((labels == their_labels).float().mean().item())
        relative.append((difference.norm() / their_logits.norm()).item())
        largest.append((difference.abs().max() / their_logits.square().mean().sqrt()).item())
    agreement = {"frames": len(equal), "equal_pixels": sum(equal) / len(equal)}
    return agreement | {"logits_difference": max(relative), "largest_difference": max(largest)}


def _found(segmenter: Segmenter, state: dict[str, Any], image: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """The label map and the logits of a frame."""
    logits: list[torch.Tensor] = []
    hook = segmenter.network.decoder.register_forward_hook(lambda module, given, result: logits.append(result.double()))
    segmenter.load_state_dict(state)
    labels = segmenter.step(image)
    hook.remove()
    return labels, logits[0]


def _deformable(offsets: nn.Conv2d, convolution: nn.Conv2d, x: torch.Tensor) -> torch.Tensor:
    assert convolution.bias is not None
    return by_torchvision(x, offsets(x), convolution.weight, convolution.bias)


if __name__ == "__main__":
    run(main)

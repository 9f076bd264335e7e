"""Where the time of a frame goes: the parts of the network, and what reading and writing files adds.

python benchmarks/parts_of_a_frame.py --checkpoint PATH
"""

import itertools
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hodor.benchmark.bench import Bench
from hodor.benchmark.measuring import Times, idle_at, times
from hodor.devices import keep_freed_memory
from hodor.formats import run_length
from hodor.formats.inference_json import InferenceSequence
from hodor.inference.results import ResultsFolder
from hodor.inference.sequences import segment_sequence
from hodor.media.images import write_image
from hodor.program import ArgumentParser, run
from hodor.synthetic.clip import JPEG_QUALITY

PARTS = ("prepare", "extract_features", "segment", "describe", "label_map")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and prints as JSON; see `--help`."""
    parser = ArgumentParser(description="Times the parts of a frame, and frames from JPEG to PNG, in seconds per frame.")
    parser.add_argument("--checkpoint", type=Path, help="the network (default: the paper's with random weights)")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", choices=["float32", "bf16"], default="float32")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see whether everything works")
    options = parser.parse_args(arguments)
    keep_freed_memory()
    bench = Bench(options.checkpoint, options.device, options.precision, quick=options.quick)
    print(json.dumps({"parts": parts(bench), "with_files": with_files(bench)}, indent=2))
    return 0


def parts(bench: Bench) -> dict[str, Times]:
    """The time between the ends of the network's three modules in a step, by the names of `PARTS`."""
    segmenter = bench.segmenter()
    network, step = segmenter.network, bench.step(segmenter)
    ends: list[float] = []

    def ended(*_: object) -> None:
        ends.append(idle_at(bench.device))

    hooks = [network.feature_extractor.register_forward_pre_hook(ended)]
    hooks += [part.register_forward_hook(ended) for part in (network.feature_extractor, network.decoder, network.encoder)]
    rounds = []
    for _ in range(bench.sizes.rounds):
        ends.clear()
        ended()
        step()
        ended()
        rounds.append([end - start for start, end in itertools.pairwise(ends)])
    for hook in hooks:
        hook.remove()
    return {name: times(taken) for name, taken in zip(PARTS, zip(*rounds, strict=True), strict=True)}


def with_files(bench: Bench) -> dict[str, Any]:
    """A sequence of JPEGs to palette PNGs as the inference program does it: seconds per frame, first frame included."""
    count, video = (3 if bench.quick else 12) * bench.repeats, bench.video()
    paths = tuple(f"{index:05d}.jpg" for index in range(count))
    masks = {object_id: run_length.encode(mask) for object_id, mask in video.masks.items()}
    sequence = InferenceSequence("video", paths, {0: masks})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path, image in zip(paths, itertools.cycle(video.frames), strict=False):
            write_image(folder / path, image, JPEG_QUALITY)
        with ResultsFolder(folder / "output").writing(sequence, {}) as write:
            timing = segment_sequence(bench.segmenter(), sequence, folder, write)
    return {"frames": count, "seconds": timing.total / count, "network_seconds": timing.network / count}


if __name__ == "__main__":
    run(main)

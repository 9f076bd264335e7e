"""Inputs at the edge of what can be: each must come out right, or be refused in one line. Notes time and peak memory.

    python benchmarks/stress.py --output stress.json
    python benchmarks/stress.py --only black covered          # or some of the cases

Every case is a process of its own. The clip of 20 000 frames takes the most time, the frame of 8000 x 8000 the most memory.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hodor.formats import run_length
from hodor.formats.label_maps import davis_palette, read_label_map, write_label_map
from hodor.media.images import write_image
from hodor.media.videos import write_video
from hodor.program import ArgumentParser, run
from hodor.synthetic import SyntheticClip

LONG = 20_000
_ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Case:
    """A command and what must come of it.

    Attributes:
        command: words of `hodor`; relative paths lie in the case's folder.
        masks: the folder of label maps that must be there, and how many; None = it must be refused.
        check: says what is wrong with the first and the last label map, [H, W] uint8; "" if nothing is.
    """

    command: Sequence[object]
    masks: tuple[str, int] | None
    check: Callable[[np.ndarray, np.ndarray], str] = lambda first, last: ""


def _track(frames: str, *more: object) -> list[object]:
    return ["track", frames, "--masks", "first.png", "--min_image_dim", 32, "--out", "out", "--format", *more]


def _write_clip(folder: Path, frames: Sequence[np.ndarray], labels: np.ndarray) -> None:
    for index, frame in enumerate(frames):
        write_image(folder / f"frames/{index}.png", frame)
    write_label_map(folder / "first.png", labels, davis_palette())


def _long(folder: Path) -> Case:
    """A small clip, which is played to and fro until it has 20 000 frames."""
    clip = list(SyntheticClip(0, 50, 32, 48, 2))
    images = [image for image, _ in (*clip, *clip[::-1])]
    write_video(folder / "long.mp4", (images[index % len(images)] for index in range(LONG)))
    write_label_map(folder / "first.png", clip[0][1], davis_palette())
    return Case(_track("long.mp4"), ("out/masks", LONG))


def _many(folder: Path) -> Case:
    """255 objects of one pixel each, side by side in a JSON of `hodor infer`."""
    frame = np.random.default_rng(0).integers(0, 255, (32, 48, 3), np.uint8)
    for index in range(3):
        write_image(folder / f"dataset_images/many/a/{index}.png", frame)
    masks = {}
    for number in range(1, 256):
        mask = np.zeros((32, 48), bool)
        mask.flat[4 * number] = True
        masks[str(number)] = run_length.encode(mask)
    sequence = {"id": "a", "image_paths": [f"a/{index}.png" for index in range(3)], "segmentations": {"0": masks}}
    (folder / "dataset_json_annotations").mkdir()
    (folder / "dataset_json_annotations/many.json").write_text(json.dumps({"sequences": [sequence]}))
    command = ["infer", "compact", "--dataset", "many", "--min_image_dim", 32, "--output_dir", folder / "out"]
    return Case(command, ("out/results/a", 3), lambda first, _: "" if len(np.unique(first)) == 256 else "objects are missing")


def _one_by_one(folder: Path) -> Case:
    _write_clip(folder, [np.full((1, 1, 3), 90, np.uint8)] * 3, np.ones((1, 1), np.uint8))
    return Case(_track("frames"), ("out/masks", 3), lambda first, _: "" if first.item() == 1 else "what was given is lost")


def _large(folder: Path) -> Case:
    ramp = np.add.outer(np.arange(8000), np.arange(8000)).astype(np.uint8)
    labels = np.zeros((8000, 8000), np.uint8)
    labels[2000:4000, 2000:6000] = 1
    _write_clip(folder, [np.repeat(ramp[..., None], 3, 2)] * 2, labels)
    return Case(_track("frames"), ("out/masks", 2), lambda first, _: "" if np.array_equal(first, labels) else "another mask")


def _too_large(folder: Path) -> Case:
    write_image(folder / "frames/0.png", np.zeros((9000, 9000, 3), np.uint8))
    write_label_map(folder / "first.png", np.ones((9000, 9000), np.uint8), davis_palette())
    return Case(_track("frames"), None)


def _pixel(folder: Path) -> Case:
    labels = np.zeros((48, 80), np.uint8)
    labels[0, 0], labels[47, 79] = 1, 2
    _write_clip(folder, [image for image, _ in SyntheticClip(0, 4, 48, 80, 2)], labels)
    return Case(_track("frames"), ("out/masks", 4), lambda first, _: "" if np.array_equal(first, labels) else "another mask")


def _covered(folder: Path) -> Case:
    _write_clip(folder, [image for image, _ in SyntheticClip(0, 4, 48, 80, 2)], np.ones((48, 80), np.uint8))
    return Case(_track("frames", "video"), ("out/masks", 4), lambda first, _: "" if first.all() else "the mask has holes")


def _black(folder: Path) -> Case:
    labels = np.zeros((48, 80), np.uint8)
    labels[10:20, 10:20] = 1
    _write_clip(folder, [np.zeros((48, 80, 3), np.uint8)] * 4, labels)
    return Case(_track("frames", "video"), ("out/masks", 4))


def _weights(value: float) -> Callable[[Path], Case]:
    """Weights of the package, one of which is no number."""

    def case(folder: Path) -> Case:
        import hodor  # noqa: PLC0415 (torch takes seconds to import)
        from hodor.checkpoints.checkpoint import save_checkpoint  # noqa: PLC0415

        checkpoint = hodor.load("compact")
        next(iter(checkpoint.model.decoder.parameters())).data.view(-1)[0] = value
        save_checkpoint(folder / "bad.safetensors", checkpoint)
        _black(folder)
        return Case([*_track("frames"), "--checkpoint", "bad.safetensors"], None)

    return case


CASES: Mapping[str, Callable[[Path], Case]] = {
    "frames_20000": _long, "objects_255": _many, "image_1x1": _one_by_one, "image_8000x8000": _large,
    "image_9000x9000": _too_large, "objects_of_one_pixel": _pixel, "covered": _covered, "black": _black,
    "weights_nan": _weights(float("nan")), "weights_infinite": _weights(float("inf")),
}  # fmt: skip


def measure(name: str, folder: Path) -> dict[str, Any]:
    """Runs a case. Gives {"problem": "" if all is well, "said": last line, "seconds", "peak_mib"}."""
    case = CASES[name](folder)
    words = [sys.executable, "-m", "hodor", *map(str, case.command)]
    environment = os.environ | {"HODOR_WORKSPACE_DIR": str(folder), "PYTHONPATH": str(_ROOT)}
    begun = time.monotonic()
    with (folder / "said").open("w") as said:
        process = subprocess.Popen(words, cwd=folder, env=environment, stdout=said, stderr=said)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    text = (folder / "said").read_text()
    last = text.splitlines()[-1] if text else ""
    result = {"said": last, "seconds": round(time.monotonic() - begun, 1), "peak_mib": usage.ru_maxrss >> 10}
    return {"problem": _problem(case, folder, process.returncode, text)} | result


def _problem(case: Case, folder: Path, code: int, text: str) -> str:
    if "Traceback" in text:
        return "a traceback"
    if case.masks is None:
        errors = [line for line in text.splitlines() if line.startswith("error: ")]
        return "" if code == 1 and len(errors) == 1 else f"exit code {code} and {len(errors)} errors instead of one"
    place, count = case.masks
    masks = sorted((folder / place).glob("*.png"), key=lambda path: int(path.stem))
    if code or len(masks) != count:
        return f"exit code {code} and {len(masks)} masks instead of {count}"
    return case.check(read_label_map(masks[0]), read_label_map(masks[-1]))


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the cases; see `--help`. Returns the exit code: 1 if one came out wrong."""
    parser = ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES), metavar="CASE", help="(default: all)")
    parser.add_argument("--output", type=Path, default=Path("stress.json"), metavar="FILE", help="(default: %(default)s)")
    options: Namespace = parser.parse_args(arguments)
    report: dict[str, Any] = json.loads(options.output.read_text()) if options.output.is_file() else {}
    for name in options.only:
        with tempfile.TemporaryDirectory() as folder:
            report[name] = measure(name, Path(folder))
        options.output.write_text(json.dumps(report, indent=1))
        print(f"{name}: {report[name]}", flush=True)
    return 1 if any(each["problem"] for each in report.values()) else 0


if __name__ == "__main__":
    run(main)

"""Contact sheets of training samples: what the network will see, before hours are spent.

hodor show --cfg configs/static.yaml --output samples --samples 24
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from hodor.config import load_config
from hodor.errors import HodorError
from hodor.media.drawing import draw
from hodor.media.images import write_image
from hodor.program import ArgumentParser, parse_with_overrides, run
from hodor.workspace import Workspace

if TYPE_CHECKING:
    from hodor.data.samples import TrainingSample

_ROWS = 6
_CAPTION = 16
_GAP = 4


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program; see `--help`. Raises HodorError where the configuration or a data set is missing or broken."""
    parser = ArgumentParser(prog="python -m hodor.data.show", description="Draws training samples with their masks.")
    add = parser.add_argument
    add("--cfg", type=Path, required=True, metavar="FILE", help="the configuration, such as configs/static.yaml")
    add("--output", type=Path, required=True, metavar="DIR", help="folder for the pictures")
    add("--samples", type=int, default=24, metavar="N", help="how many samples to draw (default: 24)")
    add("--first", type=int, default=0, metavar="N", help="number of the first sample (default: 0)")
    options, overrides = parse_with_overrides(parser, arguments)
    if options.samples < 1 or options.first < 0:
        raise HodorError("--samples must be at least 1 and --first at least 0")
    config = load_config(options.cfg, overrides)
    from hodor.data.training_data import build_training_data  # noqa: PLC0415 (torch takes seconds to import)

    data = build_training_data(config, Workspace.from_environment(), samples_per_batch=1)
    end = options.first + options.samples
    for start in range(options.first, end, _ROWS):
        samples = [data[data.stream[number][0]] for number in range(start, min(start + _ROWS, end))]
        path = options.output / f"samples_{start:06d}.png"
        write_image(path, contact_sheet(samples))
        print(f"wrote {path}")
    return 0


def contact_sheet(samples: "Sequence[TrainingSample]") -> np.ndarray:
    """One row per sample, its frames side by side: objects tinted, what is not of the image striped. `[H, W, 3]` uint8."""
    rows = [_row(sample) for sample in samples]
    width = max(row.shape[1] for row in rows)
    return np.concatenate([np.pad(row, ((0, _GAP), (0, width - row.shape[1]), (0, 0)), constant_values=255) for row in rows])


def _row(sample: "TrainingSample") -> np.ndarray:
    frames = []
    for image, valid, labels in zip(sample.images, sample.valid.numpy(), sample.labels.numpy(), strict=True):
        pixels = image.permute(1, 2, 0).clamp(0, 255).byte().numpy()
        stripes = np.add.outer(np.arange(valid.shape[0]), np.arange(valid.shape[1])) % 8 < 2
        pixels = np.where((~valid & stripes)[..., None], np.uint8(160), pixels)
        frames.append(np.pad(draw(pixels, labels), ((0, 0), (0, _GAP), (0, 0)), constant_values=255))
    picture = np.concatenate(frames, axis=1)
    caption = Image.new("RGB", (picture.shape[1], _CAPTION), "white")
    present = ["".join(str(index + 1) if there else "-" for index, there in enumerate(row)) for row in sample.presence.tolist()]
    ImageDraw.Draw(caption).text((2, 2), f"{sample.names[0]}   objects present: {' | '.join(present)}", fill="black")
    return np.concatenate([np.asarray(caption), picture])


if __name__ == "__main__":
    run(main)

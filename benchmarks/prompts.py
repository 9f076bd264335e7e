"""How good the masks of a box and of a click are: their overlap with masks that people made.

    python benchmarks/prompts.py ~/DAVIS                          first frames and masks of all sequences
    python benchmarks/prompts.py ~/coco/val2017 --coco ~/coco/annotations/instances_val2017.json --count 60

A box is the smallest one around the true mask, or that with each side moved by up to 5 % of its length; a click is the pixel
farthest from the mask's border. The overlap J is |A and B| / |A or B|.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from pycocotools.coco import COCO

from hodor.errors import HodorError
from hodor.formats.label_maps import read_label_map
from hodor.media.boxes import bounding_box
from hodor.media.cutting import mask_of_box, mask_of_click
from hodor.media.images import read_image
from hodor.program import ArgumentParser, run

_MIN_SHARE = 0.01  # of its photograph, of an object of COCO that is pointed at
_JITTER = 0.05  # of the sides of a box
Example = tuple[np.ndarray, np.ndarray]  # image [H, W, 3] uint8, mask [H, W] bool
Corners = tuple[int, int, int, int]  # x0, y0, x1, y1


def davis_examples(folder: Path) -> Iterator[Example]:
    """The first frame of each sequence, and its largest object, of a folder in DAVIS' layout."""
    for masks in sorted(path for path in folder.glob("Annotations/*/*") if path.is_dir()):
        mask = min(masks.glob("*.png"))
        frame = folder / "JPEGImages" / masks.parent.name / masks.name / f"{mask.stem}.jpg"
        labels = read_label_map(mask)
        if labels.any():
            yield read_image(frame), labels == np.bincount(labels[labels > 0]).argmax()


def coco_examples(folder: Path, annotations: Path, count: int) -> Iterator[Example]:
    """The largest object of photographs in COCO's format, `count` of them from the whole set."""
    coco = COCO(str(annotations))
    images = sorted(coco.imgs.values(), key=lambda image: image["id"])
    for image in images[:: max(1, len(images) // count)]:
        area = image["height"] * image["width"]
        objects = [each for each in coco.imgToAnns[image["id"]] if not each["iscrowd"] and each["area"] > _MIN_SHARE * area]
        if objects:
            mask = coco.annToMask(max(objects, key=lambda each: float(each["area"]))) > 0
            yield read_image(folder / image["file_name"]), mask


def corners(mask: np.ndarray) -> Corners:
    """The smallest box around a mask."""
    x, y, width, height = bounding_box(mask) or (0, 0, 0, 0)
    return x, y, x + width, y + height


def jittered(box: Corners, seed: int) -> Corners:
    """A box whose sides were moved."""
    x0, y0, x1, y1 = box
    random = np.random.default_rng(seed)
    shift = np.round(random.uniform(-_JITTER, _JITTER, 4) * [x1 - x0, y1 - y0, x1 - x0, y1 - y0])
    return tuple((np.array(box) + shift.astype(int)).tolist())  # type: ignore[return-value]


def innermost(mask: np.ndarray) -> tuple[int, int]:
    """The pixel (x, y) of a mask that is farthest from its border."""
    distance = cv2.distanceTransform(np.pad(mask.astype(np.uint8), 1), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    y, x = np.unravel_index(distance.argmax(), mask.shape)
    return int(x), int(y)


PROMPTS: dict[str, Callable[[np.ndarray, np.ndarray, int], np.ndarray]] = {
    "box": lambda image, mask, _: mask_of_box(image, corners(mask)),
    "box, 5 % off": lambda image, mask, seed: mask_of_box(image, jittered(corners(mask), seed)),
    "click": lambda image, mask, _: mask_of_click(image, [innermost(mask)]),
}


def main(words: Sequence[str] | None = None) -> int:
    """Prints the table; returns the exit code 0.

    Raises:
        HodorError: there are no images with masks.
    """
    parser = ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR", help="DAVIS, or COCO's photographs")
    parser.add_argument("--coco", type=Path, metavar="FILE", help="annotations of the photographs in DIR")
    parser.add_argument("--count", type=int, default=60, help="of photographs of COCO (default: %(default)s)")
    arguments = parser.parse_args(words)
    cv2.setNumThreads(1)
    found = coco_examples(arguments.folder, arguments.coco, arguments.count) if arguments.coco else None
    examples = list(found or davis_examples(arguments.folder))
    if not examples:
        raise HodorError(f"{arguments.folder}: no sequences in it (Annotations/*/*/*.png)")
    print(f"{'':14} images  mean J  median  above 0.8  seconds")
    for name, cut in PROMPTS.items():
        start = time.perf_counter()
        masks = [cut(image, mask, index) for index, (image, mask) in enumerate(examples)]
        seconds = (time.perf_counter() - start) / len(examples)
        scores = np.array([(a & b).sum() / (a | b).sum() for a, (_, b) in zip(masks, examples, strict=True)])
        row = f"{scores.mean():7.3f} {np.median(scores):7.3f} {(scores > 0.8).mean():10.2f} {seconds:8.2f}"
        print(f"{name:14} {len(scores):6d} {row}", flush=True)
    return 0


if __name__ == "__main__":
    run(main)

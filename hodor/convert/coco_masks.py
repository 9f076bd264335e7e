"""COCO's `segmentation` values (polygons, compressed and uncompressed run lengths) as run-length strings."""

from typing import Any

import numpy as np
from pycocotools import mask as coco

from hodor.convert.instances import Instance
from hodor.formats import run_length

_FEWEST_NUMBERS = 6  # three corners


def encode_segmentation(segmentation: Any, height: int, width: int) -> tuple[Instance | None, int]:
    """Turns one object's segmentation into a mask, as pycocotools' `annToMask` does.

    Args:
        segmentation: a list of polygons [x, y, x, y, ...] in pixels, whose union is the object, or
            {"size": [height, width], "counts": run lengths as a string or as a list of numbers}.
        height: of the image.
        width: of the image.

    Returns:
        The object, None if not a single pixel belongs to it, and the number of polygons with fewer than three corners,
        which were left out.

    Raises:
        ValueError: it is something else, or doesn't fit the image.
    """
    degenerate = 0
    if isinstance(segmentation, dict):
        codes = [_code_of_run_lengths(segmentation, height, width)]
    elif isinstance(segmentation, list):
        polygons = [_checked_polygon(polygon, height, width) for polygon in segmentation]
        usable = [polygon for polygon in polygons if len(polygon) >= _FEWEST_NUMBERS]
        degenerate = len(polygons) - len(usable)
        codes = coco.frPyObjects(usable, height, width) if usable else []
    else:
        raise ValueError(f"must be a list of polygons or run lengths, found {type(segmentation).__name__}")
    if not codes:
        return None, degenerate
    code = coco.merge(codes)
    area = int(coco.area(code))
    if not area:
        return None, degenerate
    left, top, box_width, box_height = (int(value) for value in coco.toBbox(code))
    return Instance(code["counts"].decode("ascii"), area, (left, top, box_width, box_height)), degenerate


def _checked_polygon(polygon: Any, height: int, width: int) -> list[float]:
    if not isinstance(polygon, list) or len(polygon) % 2:
        raise ValueError("a polygon must be a list of pairs x, y")
    if not set(map(type, polygon)) <= {int, float}:
        raise ValueError("a polygon's coordinates must be numbers")
    margin = max(height, width)  # far corners would cost pycocotools memory without end
    for values, size in ((polygon[0::2], width), (polygon[1::2], height)):
        far = [value for value in values if not -margin <= value <= size + margin]
        if far:
            raise ValueError(
                f"a polygon's corner has the coordinate {far[0]!r:.40}, far outside of the image ({width}x{height})"
            )
    return polygon


def _code_of_run_lengths(segmentation: dict[str, Any], height: int, width: int) -> dict[str, Any]:
    counts, size = segmentation.get("counts"), segmentation.get("size")
    if size != [height, width]:
        raise ValueError(f"run lengths have the size {size!r:.40}, the image has [{height}, {width}] (height, width)")
    if isinstance(counts, str):
        run_length.decode(counts, height, width)  # pycocotools would read beyond a bad string's end
        return {"size": size, "counts": counts.encode("ascii")}
    if not isinstance(counts, list) or not all(isinstance(run, int) and 0 <= run <= height * width for run in counts):
        raise ValueError("'counts' must be a run-length string or a list of run lengths")
    if sum(counts) != height * width:
        raise ValueError(f"the run lengths cover {sum(counts)} pixels instead of {height} x {width} = {height * width}")
    code: dict[str, Any] = coco.frPyObjects({"size": size, "counts": np.array(counts, dtype=np.uint32)}, height, width)
    return code

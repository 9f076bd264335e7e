"""Small training sets on disk, made of synthetic clips."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from hodor.formats import run_length
from hodor.synthetic import SyntheticClip

SIZES = ((48, 64), (64, 48), (50, 66), (48, 48))


def image_record(image_path: str, masks: Sequence[np.ndarray], **further: Any) -> dict[str, Any]:
    """An image as it stands in the JSON, without the keys that may be missing."""
    height, width = masks[0].shape
    segmentations = [run_length.encode(mask) for mask in masks]
    return {"image_path": image_path, "height": height, "width": width, "segmentations": segmentations, **further}


def box_masks(height: int, width: int, *boxes: tuple[int, int, int, int]) -> list[np.ndarray]:
    """Masks `[H, W]` bool of boxes (x, y, w, h)."""
    masks = []
    for x, y, box_width, box_height in boxes:
        mask = np.zeros((height, width), dtype=bool)
        mask[y : y + box_height, x : x + box_width] = True
        masks.append(mask)
    return masks


def write_json(root: Path, name: str, content: Mapping[str, Any]) -> Path:
    path = root / "dataset_json_annotations" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def write_image(root: Path, name: str, image_path: str, image: np.ndarray) -> Path:
    path = root / "dataset_images" / name / image_path
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
    return path


def write_photographs(root: Path, name: str = "coco_2017_train", count: int = 8) -> Path:
    """A set of synthetic photographs with 1, 2, 3, 1, ... objects in a few sizes; returns the JSON."""
    records = []
    for index in range(count):
        height, width = SIZES[index % len(SIZES)]
        image, labels = SyntheticClip(index, 1, height, width, 1 + index % 3).frame(0)
        write_image(root, name, f"{index}.png", image)
        ids = [object_id for object_id in np.unique(labels).tolist() if object_id]
        records.append(image_record(f"{index}.png", [labels == object_id for object_id in ids]))
    return write_json(root, name, {"images": records})


def write_videos(
    root: Path,
    name: str,
    lengths: Sequence[int],
    *,
    images: str | None = None,
    objects: int = 2,
    size: tuple[int, int] = (48, 64),
) -> Path:
    """A set of synthetic videos with every frame annotated; returns the JSON."""
    sequences = []
    for number, length in enumerate(lengths):
        clip = SyntheticClip(number, length, *size, objects)
        paths, tracks = [], []
        for index, (image, labels) in enumerate(clip):
            paths.append(f"video{number}/{index:05d}.png")
            write_image(root, images or name, paths[-1], image)
            ids = [object_id for object_id in np.unique(labels).tolist() if object_id]
            tracks.append({str(i): {"seg": run_length.encode(labels == i)} for i in ids})
        sequences.append({"id": f"video{number}", "height": size[0], "width": size[1], "image_paths": paths, "tracks": tracks})
    return write_json(root, name, {"sequences": sequences})

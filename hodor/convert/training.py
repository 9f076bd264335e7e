"""Training data: images and videos with their objects' masks, boxes and areas as they stand in the JSON."""

import argparse
import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from pycocotools import mask as coco
from tqdm import tqdm

from hodor.convert.clips import Clip
from hodor.convert.output import Converted, Target, publish
from hodor.devices import usable_cores
from hodor.formats.label_maps import VOID, present_ids
from hodor.parallel import ordered_map

OBJECT_CATEGORY = 1
OBJECT_LABELS = {OBJECT_CATEGORY: "object"}  # of data sets that don't say what their objects are
_FEWEST_FOR_PROCESSES = 8
_log = logging.getLogger(__name__)


def described(mask: np.ndarray | dict[str, Any]) -> dict[str, Any]:
    """An object's mask, [H, W] bool or as pycocotools encodes it, as a track says it: run lengths, box and area in pixels.

    The box is the smallest that holds the mask, [x, y, width, height].
    """
    code = mask if isinstance(mask, dict) else coco.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"seg": code["counts"].decode("ascii"), "box": coco.toBbox(code).astype(int).tolist(), "area": int(coco.area(code))}


def image_record(
    path: str, size: tuple[int, int], objects: Sequence[Mapping[str, Any]], categories: Sequence[int], **further: Any
) -> dict[str, Any]:
    """An image of `size` (height, width) with its objects, as `described`, which have at least one pixel."""
    return {
        **further,
        "image_path": path,
        "height": size[0],
        "width": size[1],
        "categories": categories,
        "segmentations": [each["seg"] for each in objects],
        "areas": [each["area"] for each in objects],
        "bboxes": [each["box"] for each in objects],
    }


def add_workers_argument(parser: argparse.ArgumentParser) -> None:
    """Adds --num_workers."""
    default = usable_cores()
    parser.add_argument("--num_workers", type=int, default=default, help=f"processes to use (default: all {default} cores)")


def add_video_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what `publish_videos` needs."""
    parser.add_argument(
        "--all_frames",
        action="store_true",
        help="list frames without a mask too: only for sparse (cyclic) training, where one mask per video is enough; "
        "dense training would take their objects for background",
    )
    add_workers_argument(parser)


def publish_videos(arguments: argparse.Namespace, name: str, clips: Sequence[Clip]) -> None:
    """Converts videos, several at once, and writes them; all or nothing."""
    target = Target(arguments, name, {clip.name: clip.frames_folder for clip in clips})
    listed = {each.category for clip in clips for each in (clip.listed or {}).values()}
    labels = dict(enumerate(sorted(listed), OBJECT_CATEGORY)) or OBJECT_LABELS
    numbers = {category: number for number, category in labels.items()}
    convert = partial(_convert_video, numbers=numbers, all_frames=arguments.all_frames)
    workers = arguments.num_workers if len(clips) >= _FEWEST_FOR_PROCESSES else 1
    bar = tqdm(ordered_map(convert, clips, workers), total=len(clips), desc="converting", unit="video", disable=None)
    counts = publish(target, labels, bar)
    _log.info("%d videos, %d frames, %d objects", counts["records"], counts["frames"], counts["objects"])
    if counts["unannotated"]:
        _log.info("%d frames without a mask are %s", counts["unannotated"], "listed" if arguments.all_frames else "left out")


def _convert_video(clip: Clip, *, numbers: Mapping[str, int], all_frames: bool) -> Converted:
    """Reads all masks of a video; `all_frames`: frames without a mask are listed too. Counts those as "unannotated"."""
    wanted = clip.listed
    tracks: dict[int, dict[int, dict[str, Any]]] = {}
    seen: set[int] = set()
    for index in clip.masks:
        labels = clip.labels(index)
        ids = present_ids(labels)
        seen.update(ids)
        taken = [object_id for object_id in ids if object_id != VOID and (wanted is None or object_id in wanted)]
        tracks[index] = {object_id: described(labels == object_id) for object_id in taken}
    shown = sorted({object_id for track in tracks.values() for object_id in track})
    never = sorted(set(wanted or ()) - set(shown))
    warnings = [f"{clip.masks_folder}: no mask shows object {i}, which meta.json lists; it is left out" for i in never]
    if not shown:
        found = "no object that meta.json lists" if wanted else "no object"
        if VOID in seen and not wanted:
            found = "only 255, which is DAVIS 2016's object: add --year 2016"
        warnings = [f"{clip.masks_folder}: the masks show {found}; the video is left out"]
    listed = range(len(clip.frames)) if all_frames else sorted(tracks)
    record = {
        "id": clip.name,
        "height": clip.size[0],
        "width": clip.size[1],
        "image_paths": [clip.paths[index] for index in listed],
        "categories": {i: numbers[wanted[i].category] if wanted else OBJECT_CATEGORY for i in shown},
        "tracks": [tracks.get(index, {}) for index in listed],
    }
    return Converted(record, {"unannotated": len(clip.frames) - len(tracks)} if shown else {}, warnings)

"""Training data: images and videos with their objects' masks, boxes and areas as they stand in the JSON, and its writing."""

import argparse
import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from hodor.convert.clips import find_masks, read_clip, read_labels
from hodor.convert.output import IMAGES, Target
from hodor.devices import usable_cores
from hodor.errors import HodorError
from hodor.files import written_aside
from hodor.formats import run_length
from hodor.formats.label_maps import VOID, present_ids
from hodor.media.boxes import bounding_box
from hodor.parallel import ordered_map

OBJECT_CATEGORY = 1
OBJECT_LABELS = {str(OBJECT_CATEGORY): "object"}  # of data sets that don't say what their objects are
_FEWEST_FOR_PROCESSES = 8
_log = logging.getLogger(__name__)


class Instance(NamedTuple):
    """An object in an image.

    Attributes:
        segmentation: its mask, a run-length string.
        area: the number of its pixels, at least 1.
        box: (x, y, width, height) in pixels, the smallest that holds the mask.
    """

    segmentation: str
    area: int
    box: tuple[int, int, int, int]

    @classmethod
    def from_mask(cls, mask: np.ndarray) -> "Instance":
        """Describes a mask `[H, W]` bool that is not empty."""
        box = bounding_box(mask)
        assert box is not None
        return cls(run_length.encode(mask), int(np.count_nonzero(mask)), box)


def image_record(
    path: str, size: tuple[int, int], instances: Sequence[Instance], categories: Sequence[int], **further: Any
) -> dict[str, Any]:
    """An image of `size` (height, width) with its objects."""
    return {
        **further,
        "image_path": path,
        "height": size[0],
        "width": size[1],
        "categories": list(categories),
        "segmentations": [instance.segmentation for instance in instances],
        "areas": [instance.area for instance in instances],
        "bboxes": [list(instance.box) for instance in instances],
    }


def publish(target: Target, source: Path, labels: Mapping[str, str], records: Iterable[Mapping[str, Any]]) -> Counter[str]:
    """Writes the JSON, one line a record, and makes the images reachable; nothing is written if a record can't be made.

    Args:
        target: where they go.
        source: the folder that the records' image paths are relative to.
        labels: names of the categories by their numbers.
        records: images, or videos whose frames lie in folders of their names; taken one at a time.

    Returns:
        The numbers of "records", "frames" and "objects".

    Raises:
        HodorError: there is no record, or other images lie where these should go.
    """
    files: dict[str, list[str]] = {}
    counts: Counter[str] = Counter()
    with _complete_or_absent(target.annotations) as aside:
        with aside.open("w", encoding="ascii") as file:
            file.write(f'{{"meta": {json.dumps({"category_labels": dict(labels)})},\n"{target.kind}": [')
            for record in records:
                file.write(("," if counts else "") + "\n" + json.dumps(record))
                if target.kind == IMAGES:
                    frames = [record["image_path"]]
                    files.setdefault("", []).extend(frames)
                else:
                    frames = [path.split("/", 1)[1] for path in record["image_paths"]]
                    files[record["id"]] = frames
                counts.update(records=1, frames=len(frames), objects=len(record["categories"]))
            file.write("\n]}\n")
        if not counts:
            raise HodorError(f"{source}: nothing in it shows an object, so there is nothing to learn from")
        target.place((name, source / name, names) for name, names in files.items())
    _log.info("wrote %s (images: %s)", target.annotations, target.images)
    return counts


@contextmanager
def _complete_or_absent(path: Path) -> Iterator[Path]:
    """`written_aside`, which also takes away the folder that was made for the file if it fails."""
    is_new = not path.parent.exists()
    try:
        with written_aside(path) as aside:
            yield aside
    except BaseException:
        if is_new:
            with suppress(OSError):
                path.parent.rmdir()
        raise


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


def publish_videos(
    videos: Mapping[str, Mapping[int, int] | None],
    frames: Path,
    masks: Path,
    *,
    labels: Mapping[str, str],
    target: Target,
    arguments: argparse.Namespace,
    binary: bool = False,
) -> None:
    """Converts videos, several at once, and writes them; nothing is written if one is bad.

    Args:
        videos: by their names, which are also the names of their folders, the objects to take with their categories;
            None = all, each of OBJECT_CATEGORY.
        frames: the folder of their folders of frames.
        masks: the folder of their folders of masks, which are called like their frames.
        labels: names of the categories by their numbers.
        target: where they go.
        arguments: of `add_video_arguments`.
        binary: everything that is not black is object 1; otherwise pixel values are ids, and 255 is background.

    Raises:
        HodorError: a video is bad, none shows an object, or other frames lie where these should go.
    """
    target.refuse_links(frames, videos)
    convert = partial(_convert_video, frames=frames, masks=masks, binary=binary, all_frames=arguments.all_frames)
    workers = arguments.num_workers if len(videos) >= _FEWEST_FOR_PROCESSES else 1
    unannotated = 0

    def records() -> Iterator[Mapping[str, Any]]:
        """The videos that show an object, as they stand in the JSON; warns, and counts frames without a mask."""
        nonlocal unannotated
        converted = ordered_map(convert, list(videos.items()), workers)
        for record, warnings, without in tqdm(converted, total=len(videos), desc="converting", unit="video", disable=None):
            for line in warnings:
                _log.warning("%s", line)
            if record is not None:
                unannotated += without
                yield record

    counts = publish(target, frames, labels, records())
    _log.info("%d videos, %d frames, %d objects", counts["records"], counts["frames"], counts["objects"])
    if unannotated:
        _log.info("%d frames without a mask are %s", unannotated, "listed" if arguments.all_frames else "left out")


def _convert_video(
    video: tuple[str, Mapping[int, int] | None], *, frames: Path, masks: Path, binary: bool, all_frames: bool
) -> tuple[Mapping[str, Any] | None, list[str], int]:
    """Reads all masks of a video; `all_frames`: those without a mask are listed too.

    Returns:
        The video as it stands in the JSON, None if no mask shows an object; warnings; how many frames have no mask.
    """
    name, wanted = video
    clip = read_clip(name, frames / name)
    tracks: dict[int, dict[str, dict[str, Any]]] = {}
    seen: set[int] = set()
    for index, path in find_masks(clip, masks / name):
        labels = read_labels(path, clip.frames[index], clip.size, binary=binary)
        ids = present_ids(labels)
        seen.update(ids)
        taken = [i for i in ids if i != VOID and (wanted is None or i in wanted)]
        instances = {object_id: Instance.from_mask(labels == object_id) for object_id in taken}
        tracks[index] = {
            str(i): {"seg": found.segmentation, "box": list(found.box), "area": found.area} for i, found in instances.items()
        }
    categories, warnings = _shown_objects(wanted, seen, masks / name)
    listed = range(len(clip.frames)) if all_frames else sorted(tracks)
    record = {
        "id": clip.id,
        "height": clip.size[0],
        "width": clip.size[1],
        "image_paths": [f"{clip.id}/{clip.frames[index].name}" for index in listed],
        "categories": {str(object_id): category for object_id, category in categories.items()},
        "tracks": [tracks.get(index, {}) for index in listed],
    }
    return record if categories else None, warnings, len(clip.frames) - len(tracks)


def _shown_objects(wanted: Mapping[int, int] | None, seen: set[int], masks: Path) -> tuple[dict[int, int], list[str]]:
    """The categories of the objects that are shown, and warnings about the others."""
    if wanted is None:
        categories = dict.fromkeys(sorted(seen - {VOID}), OBJECT_CATEGORY)
        hint = "only 255, which is DAVIS 2016's object: add --year 2016" if VOID in seen else "no object"
        return categories, [] if categories else [f"{masks}: the masks show {hint}; the video is left out"]
    categories = {object_id: wanted[object_id] for object_id in sorted(wanted) if object_id in seen}
    if not categories:
        return categories, [f"{masks}: no mask shows an object that meta.json lists; the video is left out"]
    never = sorted(set(wanted) - seen)
    return categories, [f"{masks}: no mask shows object {i}, which meta.json lists; it is left out" for i in never]

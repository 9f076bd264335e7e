"""Videos with masks for many frames as training data: in every frame each object's mask, box and area."""

import argparse
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from hodor.convert.clips import find_masks, read_clip
from hodor.convert.instances import OBJECT_CATEGORY, Instance
from hodor.convert.masks import object_ids, read_labels
from hodor.convert.output import add_output_arguments, add_workers_argument
from hodor.convert.training_output import TrainingSet
from hodor.formats.label_maps import VOID
from hodor.parallel import ordered_map

_log = logging.getLogger(__name__)
_FEWEST_FOR_PROCESSES = 8


@dataclass(frozen=True)
class VideoJob:
    """A video to convert.

    Attributes:
        id: its name, which is also the name of its folders.
        frames: the folder of its frames.
        masks: the folder of its masks, called like their frames.
        binary: everything that is not black is object 1; otherwise pixel values are ids, and 255 is background.
        categories: the objects to take with their categories; None = all, each of OBJECT_CATEGORY.
        all_frames: frames without a mask are listed too, without objects.
    """

    id: str
    frames: Path
    masks: Path
    binary: bool
    categories: Mapping[int, int] | None
    all_frames: bool


@dataclass(frozen=True)
class ConvertedVideo:
    """What became of a video.

    Attributes:
        record: the video as it stands in the JSON; None = no mask shows an object.
        warnings: lines for the user.
        unannotated: how many frames have no mask.
    """

    record: Mapping[str, Any] | None
    warnings: tuple[str, ...]
    unannotated: int


def add_training_arguments(parser: argparse.ArgumentParser, name_help: str) -> None:
    """Adds what `publish_videos` and `VideoJob` need."""
    parser.add_argument(
        "--all_frames",
        action="store_true",
        help="list frames without a mask too: only for sparse (cyclic) training, where one mask per video is enough; "
        "dense training would take their objects for background",
    )
    add_workers_argument(parser)
    add_output_arguments(parser, name_help=name_help)


def publish_videos(
    jobs: Sequence[VideoJob],
    source: Path,
    labels: Mapping[str, str],
    target: TrainingSet,
    num_workers: int,
    *,
    all_frames: bool,
) -> None:
    """Converts videos, several at once, and writes them; nothing is written if one is bad.

    Args:
        jobs: the videos, in the order they are written.
        source: the folder of their folders of frames.
        labels: names of the categories by their numbers.
        target: where they go.
        num_workers: how many processes work.
        all_frames: frames without a mask are listed, so they are no news.

    Raises:
        HodorError: a video is bad, none shows an object, or other frames lie where these should go.
    """
    target.refuse_links(source, (job.id for job in jobs))
    totals = {"frames": 0, "objects": 0, "unannotated": 0}

    def records() -> Iterator[Mapping[str, Any]]:
        """The records of the videos that show an object, in order; logs each video's warnings and adds to the totals.

        Raises:
            HodorError: a video is bad.
        """
        workers = num_workers if len(jobs) >= _FEWEST_FOR_PROCESSES else 1
        converted = ordered_map(convert_video, jobs, workers)
        for video in tqdm(converted, total=len(jobs), desc="converting", unit="video", disable=None):
            for line in video.warnings:
                _log.warning("%s", line)
            if video.record is not None:
                totals["frames"] += len(video.record["image_paths"])
                totals["objects"] += len(video.record["categories"])
                totals["unannotated"] += video.unannotated
                yield video.record

    count = target.publish(source, labels, records())
    _log.info("%d videos, %d frames, %d objects", count, totals["frames"], totals["objects"])
    if totals["unannotated"]:
        _log.info("%d frames without a mask are %s", totals["unannotated"], "listed" if all_frames else "left out")


def convert_video(job: VideoJob) -> ConvertedVideo:
    """Reads all masks of a video.

    Raises:
        HodorError: a frame or mask is missing or bad.
    """
    clip = read_clip(job.id, job.frames)
    tracks: dict[int, dict[str, Any]] = {}
    seen: set[int] = set()
    for index, path in find_masks(clip, job.masks):
        labels = read_labels(clip, index, path, binary=job.binary)
        ids = object_ids(labels)
        seen.update(ids)
        wanted = [i for i in ids if i != VOID and (job.categories is None or i in job.categories)]
        instances = {object_id: Instance.from_mask(labels == object_id) for object_id in wanted}
        tracks[index] = {str(object_id): instance.as_track() for object_id, instance in instances.items() if instance}
    warnings, categories = _objects(job, seen)
    unannotated = len(clip.frames) - len(tracks)
    if not categories:
        return ConvertedVideo(None, warnings, unannotated)
    listed = range(len(clip.frames)) if job.all_frames else sorted(tracks)
    record = {
        "id": clip.id,
        "height": clip.height,
        "width": clip.width,
        "image_paths": [f"{clip.id}/{clip.frames[index].name}" for index in listed],
        "categories": categories,
        "tracks": [tracks.get(index, {}) for index in listed],
    }
    return ConvertedVideo(record, warnings, unannotated)


def _objects(job: VideoJob, seen: set[int]) -> tuple[tuple[str, ...], dict[str, int]]:
    """Warnings about objects that are never shown, and the categories of the others."""
    if job.categories is None:
        categories = {str(object_id): OBJECT_CATEGORY for object_id in sorted(seen - {VOID})}
        hint = "only 255, which is DAVIS 2016's object: add --year 2016" if VOID in seen else "no object"
        return () if categories else (f"{job.masks}: the masks show {hint}; the video is left out",), categories
    categories = {str(object_id): job.categories[object_id] for object_id in sorted(job.categories) if object_id in seen}
    if not categories:
        return (f"{job.masks}: no mask shows an object that meta.json lists; the video is left out",), categories
    never = sorted(set(job.categories) - seen)
    return tuple(f"{job.masks}: no mask shows object {i}, which meta.json lists; it is left out" for i in never), categories

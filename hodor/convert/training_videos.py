"""Videos with masks for many frames as training data: in every frame each object's mask, box and area."""

import argparse
import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from hodor.convert.clips import find_masks, read_clip
from hodor.convert.masks import object_ids, read_labels
from hodor.convert.output import Target, add_output_arguments, add_workers_argument
from hodor.convert.training_json import OBJECT_CATEGORY, Instance, video_record
from hodor.formats.label_maps import VOID
from hodor.parallel import ordered_map

_log = logging.getLogger(__name__)
_FEWEST_FOR_PROCESSES = 8


class Video(NamedTuple):
    """A video to convert.

    Attributes:
        id: its name, which is also the name of its folders.
        categories: the objects to take with their categories; None = all, each of OBJECT_CATEGORY.
    """

    id: str
    categories: Mapping[int, int] | None = None


class ConvertedVideo(NamedTuple):
    """What became of a video.

    Attributes:
        record: the video as it stands in the JSON; None = no mask shows an object.
        warnings: lines for the user.
        unannotated: how many frames have no mask.
    """

    record: Mapping[str, Any] | None
    warnings: Sequence[str]
    unannotated: int


def add_training_arguments(parser: argparse.ArgumentParser, name_help: str) -> None:
    """Adds what `publish_videos` needs."""
    parser.add_argument(
        "--all_frames",
        action="store_true",
        help="list frames without a mask too: only for sparse (cyclic) training, where one mask per video is enough; "
        "dense training would take their objects for background",
    )
    add_workers_argument(parser)
    add_output_arguments(parser, name_help=name_help)


def publish_videos(
    videos: Sequence[Video],
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
        videos: in the order they are written.
        frames: the folder of their folders of frames.
        masks: the folder of their folders of masks, which are called like their frames.
        labels: names of the categories by their numbers.
        target: where they go.
        arguments: of `add_training_arguments`.
        binary: everything that is not black is object 1; otherwise pixel values are ids, and 255 is background.

    Raises:
        HodorError: a video is bad, none shows an object, or other frames lie where these should go.
    """
    target.refuse_links(frames, (video.id for video in videos))
    convert = partial(convert_video, frames=frames, masks=masks, binary=binary, all_frames=arguments.all_frames)
    workers = arguments.num_workers if len(videos) >= _FEWEST_FOR_PROCESSES else 1
    frame_count = object_count = unannotated = 0

    def records() -> Iterator[Mapping[str, Any]]:
        nonlocal frame_count, object_count, unannotated
        converted = ordered_map(convert, videos, workers)
        for video in tqdm(converted, total=len(videos), desc="converting", unit="video", disable=None):
            for line in video.warnings:
                _log.warning("%s", line)
            if video.record is not None:
                frame_count += len(video.record["image_paths"])
                object_count += len(video.record["categories"])
                unannotated += video.unannotated
                yield video.record

    count = target.publish(frames, labels, records())
    _log.info("%d videos, %d frames, %d objects", count, frame_count, object_count)
    if unannotated:
        _log.info("%d frames without a mask are %s", unannotated, "listed" if arguments.all_frames else "left out")


def convert_video(video: Video, *, frames: Path, masks: Path, binary: bool, all_frames: bool) -> ConvertedVideo:
    """Reads all masks of a video; arguments as in `publish_videos`. `all_frames`: those without a mask are listed too.

    Raises:
        HodorError: a frame or mask is missing or bad.
    """
    clip = read_clip(video.id, frames / video.id)
    tracks: dict[int, dict[int, Instance]] = {}
    seen: set[int] = set()
    for index, path in find_masks(clip, masks / video.id):
        labels = read_labels(path, clip.frames[index], clip.size, binary=binary)
        ids = object_ids(labels)
        seen.update(ids)
        wanted = [i for i in ids if i != VOID and (video.categories is None or i in video.categories)]
        instances = {object_id: Instance.from_mask(labels == object_id) for object_id in wanted}
        tracks[index] = {object_id: instance for object_id, instance in instances.items() if instance}
    categories, warnings = _shown_objects(video, seen, masks / video.id)
    record = None
    if categories:
        listed = range(len(clip.frames)) if all_frames else sorted(tracks)
        objects = {clip.frames[index].name: tracks.get(index, {}) for index in listed}
        record = video_record(clip.id, clip.size, categories, objects)
    return ConvertedVideo(record, warnings, len(clip.frames) - len(tracks))


def _shown_objects(video: Video, seen: set[int], masks: Path) -> tuple[dict[int, int], list[str]]:
    """The categories of the objects that are shown, and warnings about the others."""
    if video.categories is None:
        categories = dict.fromkeys(sorted(seen - {VOID}), OBJECT_CATEGORY)
        hint = "only 255, which is DAVIS 2016's object: add --year 2016" if VOID in seen else "no object"
        return categories, [] if categories else [f"{masks}: the masks show {hint}; the video is left out"]
    categories = {object_id: video.categories[object_id] for object_id in sorted(video.categories) if object_id in seen}
    if not categories:
        return categories, [f"{masks}: no mask shows an object that meta.json lists; the video is left out"]
    never = sorted(set(video.categories) - seen)
    return categories, [f"{masks}: no mask shows object {i}, which meta.json lists; it is left out" for i in never]

"""From the configuration to the samples of training and the order in which they are used."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hodor.config import Config
from hodor.data.batching import BatchStream, ItemGroup, item_groups
from hodor.data.samples import JoinedSamples, TrainingSamples
from hodor.data.static_samples import StaticImageSamples
from hodor.data.video_samples import DenseVideoSamples, SparseVideoSamples
from hodor.errors import HodorError
from hodor.files import inside
from hodor.formats.training_json import read_annotated_images, read_annotated_videos
from hodor.workspace import Workspace

STATIC_IMAGE, SPARSE_VIDEO, DENSE_VIDEO = "static_image", "sparse_video", "dense_video"
CLIP_DELTA_FACTORS = {"davis_train": 2.0}
"""What TRAINING.MAX_CLIP_DELTA is multiplied by: DAVIS has 24 frames per second, YouTube-VOS 6 annotated ones."""


_COMMANDS = {
    "coco_2017_train": "hodor convert coco train2017 annotations/instances_train2017.json",
    "davis_train": "hodor convert davis_training DAVIS",
    "youtube_vos_2019_train": "hodor convert youtube_vos_training train",
}
"""What makes the data sets of the paper known."""


@dataclass(frozen=True)
class TrainingData:
    """Everything to train on: what makes samples from requests, and the batches as lists of requests."""

    dataset: TrainingSamples
    stream: BatchStream


def build_training_data(config: Config, workspace: Workspace, *, samples_per_batch: int, seed: int = 0) -> TrainingData:
    """Reads the data sets that a configuration (INPUT, TRAINING and DATA) names, for batches as one process loads them at once.

    Raises:
        HodorError: a value can't be, the shares don't sum to 1, or a data set is missing, broken or has nothing to learn from.
    """
    config.check_training()
    shares = {name: share for name, share in _shares(config).items() if share}
    parts = {name: _samples(config, workspace, name) for name in shares}
    dataset = JoinedSamples(list(parts.values()))
    groups: list[ItemGroup] = []
    for first_item, name in zip(dataset.starts.tolist(), shares, strict=False):
        groups += item_groups(
            parts[name].num_objects,
            parts[name].aspect_ratios,
            config.training.num_instances,
            share=shares[name],
            first_item=first_item,
            by_count=config.training.mode != SPARSE_VIDEO,
        )
    return TrainingData(dataset, BatchStream(groups, samples_per_batch, seed))


def _shares(config: Config) -> Mapping[str, float]:
    """{name of a data set: its share of the batches}."""
    dense, sparse = config.data.dense_video_split, config.data.sparse_video_split
    key, shares = {
        STATIC_IMAGE: ("DATA.DATASETS", {"coco_2017_train": 1.0}),
        DENSE_VIDEO: ("DATA.DENSE_VIDEO_SPLIT", {"youtube_vos_2019_train": dense.ytvos, "davis_train": dense.davis}),
        SPARSE_VIDEO: ("DATA.SPARSE_VIDEO_SPLIT", {"youtube_vos_2019_train": sparse.youtube_vos, "davis_train": sparse.davis}),
    }[config.training.mode]
    if config.data.datasets:
        key, shares = "DATA.DATASETS", dict(config.data.datasets)
    if min(shares.values()) < 0 or abs(sum(shares.values()) - 1) > 1e-6:
        raise HodorError(
            f"{key}: the shares {list(shares.values())} must be at least 0 and sum to 1, not {sum(shares.values()):g}"
        )
    return shares


def _samples(config: Config, workspace: Workspace, name: str) -> TrainingSamples:
    inside(Path(), name, "DATA.DATASETS")
    annotations, folder = workspace.annotations(name), workspace.images(name)
    if not annotations.exists():
        converter = "images IMAGES_DIR MASKS_DIR" if config.training.mode == STATIC_IMAGE else "davis_training DAVIS_LIKE_DIR"
        command = _COMMANDS.get(name, f"hodor convert {converter} --name {name}")
        raise HodorError(f"{annotations}: no such file; make it: {command}")
    if not folder.is_dir() and annotations.exists():
        raise HodorError(f"{folder}: no such folder of images, which {annotations} needs; convert the data set again")
    training = config.training
    if training.mode == STATIC_IMAGE:
        return StaticImageSamples(read_annotated_images(annotations, folder), training, config.input.max_image_area)
    kind = SparseVideoSamples if training.mode == SPARSE_VIDEO else DenseVideoSamples
    videos = read_annotated_videos(annotations, folder)
    return kind(videos, training, config.input, _max_clip_delta(config, name))


def _max_clip_delta(config: Config, name: str) -> int:
    """How far the other frames of a clip are from its reference, in frames of a data set.

    Raises:
        HodorError: so few are too few to choose from.
    """
    training = config.training
    factor = {**CLIP_DELTA_FACTORS, **dict(config.data.clip_delta_factors)}.get(name, 1.0)
    max_delta = round(factor * training.max_clip_delta)
    choice = max_delta if training.mode == SPARSE_VIDEO else max_delta - training.min_clip_delta
    if choice < training.num_other_frames:
        raise HodorError(
            f"TRAINING.MAX_CLIP_DELTA: {training.max_clip_delta} (times {factor:g} for {name}) leaves {max(choice, 0)} "
            f"frames to choose {training.num_other_frames} from; raise it"
        )
    return max_delta

"""From the configuration to the samples of training and the order in which they are used."""

from dataclasses import dataclass
from pathlib import Path

from hodor.config import Config
from hodor.data.batching import BatchStream, ItemGroup, item_groups
from hodor.data.samples import SampleRequest, TrainingSample, TrainingSamples
from hodor.data.static_samples import StaticImageSamples
from hodor.data.video_samples import VideoSamples
from hodor.errors import HodorError
from hodor.files import inside
from hodor.formats.training_json import read_training_json
from hodor.workspace import Workspace

_CLIP_DELTA_FACTORS = {"davis_train": 2.0}  # of 24 frames per second; YouTube-VOS has 6 annotated ones
_COMMANDS = {  # make the data sets of the paper known
    "coco_2017_train": "hodor convert coco train2017 annotations/instances_train2017.json",
    "davis_train": "hodor convert davis_training DAVIS",
    "youtube_vos_2019_train": "hodor convert youtube_vos_training train",
}


@dataclass(frozen=True)
class TrainingData:
    """Everything to train on: the data sets, which make samples from requests, and the batches as lists of requests."""

    parts: list[TrainingSamples]
    stream: BatchStream

    def __getitem__(self, request: SampleRequest) -> TrainingSample:
        """Makes the sample of a request; raises as `TrainingSamples` do."""
        return self.parts[request.part][request]


def build_training_data(config: Config, workspace: Workspace, *, samples_per_batch: int) -> TrainingData:
    """Reads the data sets that a configuration (INPUT, TRAINING and DATA) names, for batches as one process loads them at once.

    Raises:
        HodorError: a value can't be, the shares don't sum to 1, or a data set is missing, broken or has nothing to learn from.
    """
    config.check_training()
    most, by_count = config.training.num_instances, config.training.mode != "sparse_video"
    parts: list[TrainingSamples] = []
    groups: list[ItemGroup] = []
    for name, share in _shares(config).items():
        if share:
            part = _samples(config, workspace, name)
            arrays = part.num_objects, part.aspect_ratios
            groups += item_groups(*arrays, most, share=share, part=len(parts), by_count=by_count)
            parts.append(part)
    return TrainingData(parts, BatchStream(groups, samples_per_batch, config.training.seed))


def _shares(config: Config) -> dict[str, float]:
    """{name of a data set: its share of the batches}."""
    dense, sparse = config.data.dense_video_split, config.data.sparse_video_split
    key, shares = {
        "static_image": ("DATA.DATASETS", {"coco_2017_train": 1.0}),
        "dense_video": ("DATA.DENSE_VIDEO_SPLIT", {"youtube_vos_2019_train": dense.ytvos, "davis_train": dense.davis}),
        "sparse_video": (
            "DATA.SPARSE_VIDEO_SPLIT",
            {"youtube_vos_2019_train": sparse.youtube_vos, "davis_train": sparse.davis},
        ),
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
    training = config.training
    annotations, folder = workspace.annotations(name), workspace.images(name)
    if not annotations.exists():
        converter = "images IMAGES_DIR MASKS_DIR" if training.mode == "static_image" else "davis_training DAVIS_LIKE_DIR"
        command = _COMMANDS.get(name, f"hodor convert {converter} --name {name}")
        raise HodorError(f"{annotations}: no such file; make it: {command}")
    if not folder.is_dir():
        raise HodorError(f"{folder}: no such folder of images, which {annotations} needs; convert the data set again")
    if training.mode == "static_image":
        return StaticImageSamples(read_training_json(annotations, folder, "images"), training, config.input.max_image_area)
    return VideoSamples(
        read_training_json(annotations, folder, "sequences"), training, config.input, _max_clip_delta(config, name)
    )


def _max_clip_delta(config: Config, name: str) -> int:
    """How far the other frames of a clip are from its reference, in frames of a data set."""
    training = config.training
    factor = {**_CLIP_DELTA_FACTORS, **dict(config.data.clip_delta_factors)}.get(name, 1.0)
    max_delta = round(factor * training.max_clip_delta)
    choice = max_delta if training.mode == "sparse_video" else max_delta - training.min_clip_delta
    if choice < training.num_other_frames:
        raise HodorError(
            f"TRAINING.MAX_CLIP_DELTA: {training.max_clip_delta} (times {factor:g} for {name}) leaves {max(choice, 0)} "
            f"frames to choose {training.num_other_frames} from; raise it"
        )
    return max_delta

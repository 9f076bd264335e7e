"""Samples of small data sets, and what every sample must satisfy."""

import torch

from hodor.config import InputConfig, TrainingConfig
from hodor.config.schema import AugmentationConfig
from hodor.data.samples import SampleRequest
from hodor.data.static_samples import StaticImageSamples
from hodor.data.video_samples import VideoSamples
from hodor.formats.training_json import read_training_json

AS_IT_IS = {"flip_share": 0.0, "hue": 0, "saturation": 0, "contrast": 0.0, "brightness": 0.0}


def training_section(
    mode="static_image",
    num_other_frames=2,
    min_delta=1,
    min_area=20,
    min_side=3,
    only_reference=False,
    filter_every_frame=False,
    all_present=False,
    last_annotated=False,
    **augmentations,
):
    return TrainingConfig(
        mode=mode,
        num_other_frames=num_other_frames,
        min_clip_delta=min_delta,
        min_ref_mask_area=min_area,
        min_ref_mask_dim=min_side,
        intermediate_frame_gt_available=not only_reference,
        filter_every_frame=filter_every_frame,
        apply_loss_on_intermediate_frames=not all_present,
        sparse_reference="last" if last_annotated else "middle",
        augmentations=AugmentationConfig(**augmentations),
    )


def static_samples(root, name="coco_2017_train", area=4096, **changes):
    images = read_training_json(root / "dataset_json_annotations" / f"{name}.json", root / "dataset_images" / name, "images")
    return StaticImageSamples(images, training_section(**changes), area)


def dense_samples(videos, max_delta=6, mode="dense_video", **changes):
    return VideoSamples(videos, training_section(mode, **changes), InputConfig(min_dim=48, max_dim=96), max_delta)


def sparse_samples(videos, **changes):
    return dense_samples(videos, mode="sparse_video", **changes)


def videos_in(root, name="set"):
    return read_training_json(root / "dataset_json_annotations" / f"{name}.json", root / "dataset_images" / name, "sequences")


def assert_sound(sample, num_objects, others=2):
    frames, _, height, width = sample.images.shape
    assert frames == 1 + others and sample.images.dtype == torch.float32
    assert sample.images.is_contiguous() and sample.images.min() >= 0 and sample.images.max() <= 255
    assert sample.valid.shape == sample.labels.shape == (frames, height, width)
    assert (sample.valid.dtype, sample.labels.dtype, sample.presence.dtype) == (torch.bool, torch.uint8, torch.bool)
    assert sample.presence.shape == (frames, num_objects) and sample.labels.max() <= num_objects
    assert not sample.labels[~sample.valid].any()
    assert not sample.images.movedim(1, -1)[~sample.valid].any()


def assert_presence_is_what_is_seen(sample):
    for frame, present in zip(sample.labels, sample.presence, strict=True):
        assert [bool((frame == i + 1).any()) for i in range(len(present))] == present.tolist()


def assert_equal(first, second):
    assert all(torch.equal(a, b) for a, b in zip(first[:4], second[:4], strict=True)) and first.names == second.names


def all_requests(samples, seeds=3):
    for item in range(len(samples.num_objects)):
        for seed in range(seeds):
            for count in range(1, int(samples.num_objects[item]) + 1):
                yield SampleRequest(item, count, seed)

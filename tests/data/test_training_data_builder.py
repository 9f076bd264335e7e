"""From the configuration to training data; every key acts, every mistake is named."""

import dataclasses
from collections import Counter

import numpy as np
import pytest
from support.small_training_sets import write_json, write_photographs, write_videos

from hodor.config import Config, load_config, to_yaml
from hodor.config.layering import from_yaml
from hodor.data.samples import SampleRequest
from hodor.data.training_data import build_training_data
from hodor.errors import HodorError
from hodor.workspace import Workspace

STATIC = {
    "TRAINING.MODE": "static_image",
    "TRAINING.NUM_OTHER_FRAMES": "2",
    "TRAINING.MIN_REF_MASK_AREA": "20",
    "TRAINING.MIN_REF_MASK_DIM": "3",
    "INPUT.MAX_IMAGE_AREA": "4096",
    "INPUT.MIN_DIM": "48",
    "INPUT.MAX_DIM": "96",
    "TRAINING.MAX_CLIP_DELTA": "5",
}
DENSE = {**STATIC, "TRAINING.MODE": "dense_video"}
SPARSE = {**STATIC, "TRAINING.MODE": "sparse_video"}


def configured(tmp_path, keys):
    path = tmp_path / "empty.yaml"
    path.write_text("")
    return load_config(path, list(keys.items()))


def build(tmp_path, keys, samples_per_batch=2):
    return build_training_data(configured(tmp_path, keys), Workspace(tmp_path), samples_per_batch=samples_per_batch)


def complaint(tmp_path, keys):
    with pytest.raises(HodorError) as caught:
        build(tmp_path, keys)
    message = str(caught.value)
    assert "\n" not in message and len(message) < 500
    return message


def write_both_video_sets(tmp_path):
    write_videos(tmp_path, "youtube_vos_2019_train", [9] * 3)
    write_videos(tmp_path, "davis_train", [14] * 2, images="davis_trainval")


def test_places_of_training_sets(tmp_path):
    workspace = Workspace(tmp_path)
    for name in ("coco_2017_train", "davis_train", "youtube_vos_2019_train", "mine"):
        assert workspace.annotations(name) == tmp_path / f"dataset_json_annotations/{name}.json"
        images = "davis_trainval" if name == "davis_train" else name
        assert workspace.images(name) == tmp_path / f"dataset_images/{images}"


def test_photographs(tmp_path):
    write_photographs(tmp_path)
    data = build(tmp_path, STATIC)
    batches = [data.stream[number] for number in range(3000)]
    counts = Counter(batch[0].num_objects for batch in batches)
    assert set(counts) == {1, 2, 3} and max(counts.values()) - min(counts.values()) < 30
    sample = data[batches[0][0]]
    assert sample.images.shape[0] == 3 and 3900 < sample.labels[0].numel() <= 4096


@pytest.mark.parametrize(("keys", "factor"), [(DENSE, 1), (SPARSE, 1)])
def test_videos_are_mixed_by_their_shares_and_davis_reaches_twice_as_far(tmp_path, keys, factor):
    write_both_video_sets(tmp_path)
    data = build(tmp_path, keys)
    requests = [request for number in range(10_000) for request in data.stream[number]]
    from_davis = sum(request.part == 1 for request in requests) / len(requests)
    assert from_davis == pytest.approx(0.2, abs=0.005)
    reach = [1 + part._max_delta for part in data.parts]
    assert reach == [6, 11]


def test_clip_delta_factors(tmp_path):
    write_both_video_sets(tmp_path)
    data = build(tmp_path, {**DENSE, "DATA.CLIP_DELTA_FACTORS": "{davis_train: 1, youtube_vos_2019_train: 1.5}"})
    assert [part._max_delta for part in data.parts] == [8, 5]


def test_shares_of_nothing_are_not_even_read(tmp_path):
    write_videos(tmp_path, "youtube_vos_2019_train", [9])
    data = build(tmp_path, {**DENSE, "DATA.DENSE_VIDEO_SPLIT": "{YTVOS: 1, DAVIS: 0}"})
    assert len(data.parts) == 1


def test_any_data_sets_by_name(tmp_path):
    write_photographs(tmp_path, "mine")
    write_photographs(tmp_path, "yours", count=4)
    data = build(tmp_path, {**STATIC, "DATA.DATASETS": "{mine: 0.25, yours: 0.75}"})
    requests = [data.stream[number][0] for number in range(10_000)]
    assert sum(request.part == 0 for request in requests) == pytest.approx(2500, abs=5)
    assert "dataset_images/yours" in data[SampleRequest(0, 1, 0, part=1)].names[0]


def test_the_mapping_of_data_sets_survives_a_round_trip():
    config = Config()
    datasets = (("mine", 0.25), ("1e5", 0.75))
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, datasets=datasets))
    assert from_yaml(to_yaml(config), "here") == config and hash(config) == hash(from_yaml(to_yaml(config), "here"))


@pytest.mark.parametrize(
    ("value", "expected"),
    [("5", "DATA.DATASETS must be a mapping of names to numbers, not 5"), ("[a]", "a mapping of names to numbers, not ['a']"),
     ("{a: b}", "DATA.DATASETS.a must be a number, not 'b'"), ("{5: 1}", "a name in DATA.DATASETS must be a text, not 5")],
)  # fmt: skip
def test_mappings_of_the_wrong_type(tmp_path, value, expected):
    with pytest.raises(HodorError) as caught:
        configured(tmp_path, {"DATA.DATASETS": value})
    assert expected in str(caught.value)


OUT_OF_RANGE = [
    (STATIC, "TRAINING.MODE", "video", "static_image, sparse_video or dense_video, not 'video'"),
    (STATIC, "TRAINING.MODE", "''", "static_image, sparse_video or dense_video, not ''"),
    (SPARSE, "TRAINING.SPARSE_REFERENCE", "first", "middle or last, not 'first'"),
    (STATIC, "TRAINING.NUM_INSTANCES", "0", "1..255, not 0"),
    (STATIC, "TRAINING.NUM_OTHER_FRAMES", "-1", "at least 0, not -1"),
    (STATIC, "INPUT.MAX_IMAGE_AREA", "10", "at least 1024, not 10"),
    (DENSE, "INPUT.MIN_DIM", "20", "at least 32 for videos, not 20"),
    (DENSE, "INPUT.MAX_DIM", "40", "at least INPUT.MIN_DIM = 48, not 40"),
    (DENSE, "TRAINING.MIN_CLIP_DELTA", "0", "at least 1, not 0"),
    (STATIC, "TRAINING.AUGMENTATIONS.STATIC.FLIP_SHARE", "1.5", "0..1, not 1.5"),
    (STATIC, "TRAINING.AUGMENTATIONS.STATIC.HUE", "-3", "0..255, not -3"),
    (STATIC, "TRAINING.AUGMENTATIONS.STATIC.CROP_FACTORS", "[]", "numbers above 0, at most 1, not []"),
    (STATIC, "TRAINING.AUGMENTATIONS.STATIC.CROP_FACTORS", "[0.5, 1.5]", "numbers above 0, at most 1, not [0.5, 1.5]"),
    (STATIC, "TRAINING.AUGMENTATIONS.STATIC.PERSPECTIVE", "[0.2, 0.1]", "two numbers from 0 to 0.25, the smaller one first"),
    (STATIC, "TRAINING.AUGMENTATIONS.STATIC.MARGIN", "[0.2, 0.5]", "two numbers from 0 to 0.45"),
    (STATIC, "TRAINING.AUGMENTATIONS.STATIC.STRONG_KINDS", "[0, 0, 0]", "three weights, not all 0"),
    (DENSE, "TRAINING.AUGMENTATIONS.VIDEO.SHEAR", "90", "0..60, not 90"),
]  # fmt: skip


@pytest.mark.parametrize(("keys", "key", "value", "expected"), OUT_OF_RANGE, ids=[case[1] for case in OUT_OF_RANGE])
def test_values_that_cant_be_are_named_by_their_key(tmp_path, keys, key, value, expected):
    write_both_video_sets(tmp_path)
    assert f"{key} must be {expected}" in complaint(tmp_path, {**keys, key: value})


@pytest.mark.parametrize(
    ("keys", "value", "expected"),
    [
        (DENSE, "2", "2 (times 1 for youtube_vos_2019_train) leaves 1 frames to choose 2 from"),
        (SPARSE, "1", "leaves 1 frames to choose 2 from; raise it"),
    ],
)
def test_too_few_frames_to_choose_from(tmp_path, keys, value, expected):
    write_both_video_sets(tmp_path)
    message = complaint(tmp_path, {**keys, "TRAINING.MAX_CLIP_DELTA": value})
    assert message.startswith("TRAINING.MAX_CLIP_DELTA: ") and expected in message


@pytest.mark.parametrize(
    ("keys", "key", "value"),
    [
        (STATIC, "DATA.DATASETS", "{a: 0.5, b: 0.4}"),
        (STATIC, "DATA.DATASETS", "{a: 1.5, b: -0.5}"),
        (DENSE, "DATA.DENSE_VIDEO_SPLIT", "{YTVOS: 0.4, DAVIS: 0.1}"),
        (SPARSE, "DATA.SPARSE_VIDEO_SPLIT", "{YOUTUBE_VOS: 0.4, DAVIS: 0.1}"),
    ],
)
def test_shares_must_sum_to_1(tmp_path, keys, key, value):
    message = complaint(tmp_path, {**keys, key: value})
    assert message.startswith(f"{key}: the shares ") and "must be at least 0 and sum to 1, not" in message


def test_missing_files(tmp_path):
    path = tmp_path / "dataset_json_annotations" / "coco_2017_train.json"
    assert complaint(tmp_path, STATIC).startswith(f"{path}: no such file; make it: hodor convert coco")
    assert "youtube_vos_2019_train.json: no such file" in complaint(tmp_path, DENSE)
    write_json(tmp_path, "coco_2017_train", {"images": []})
    assert f"{tmp_path / 'dataset_images' / 'coco_2017_train'}: no such folder of images" in complaint(tmp_path, STATIC)
    assert "'../x' must be a path inside" in complaint(tmp_path, {**STATIC, "DATA.DATASETS": "{../x: 1}"})


def test_sets_of_the_wrong_kind(tmp_path):
    write_photographs(tmp_path, "mine")
    assert "holds images, not videos" in complaint(tmp_path, {**DENSE, "DATA.DATASETS": "{mine: 1}"})
    write_videos(tmp_path, "films", [5])
    assert "holds videos, not images" in complaint(tmp_path, {**STATIC, "DATA.DATASETS": "{films: 1}"})


@pytest.mark.parametrize("keys", [STATIC, DENSE])
def test_switches_act(tmp_path, keys):
    write_photographs(tmp_path)
    write_both_video_sets(tmp_path)
    off = {f"TRAINING.AUGMENTATIONS.{name}": "false" for name in ("COLOR", "CROPPING", "VIDEO_GEOMETRIC")}
    section = "STATIC" if keys is STATIC else "VIDEO"
    part = build(tmp_path, {**keys, **off, f"TRAINING.AUGMENTATIONS.{section}.FLIP_SHARE": "0"}).parts[0]
    images = [part[SampleRequest(0, 1, seed)].images[0] for seed in range(6)]
    if keys is STATIC:  # the reference never changes
        assert all((image == images[0]).all() for image in images)
    else:
        assert len({image.sum().item() for image in images}) == 1
    changed = build(tmp_path, keys).parts[0]
    assert len({changed[SampleRequest(0, 1, seed)].images[0].sum().item() for seed in range(6)}) > 4


def test_masks_of_other_frames_and_their_presence_are_switches(tmp_path):
    write_both_video_sets(tmp_path)
    hidden = build(tmp_path, {**DENSE, "TRAINING.INTERMEDIATE_FRAME_GT_AVAILABLE": "false"})[SampleRequest(0, 1, 0)]
    assert hidden.presence.all() and not hidden.labels[1:].any()
    everywhere = build(tmp_path, {**DENSE, "TRAINING.APPLY_LOSS_ON_INTERMEDIATE_FRAMES": "false"}).parts[0]
    assert all(everywhere[SampleRequest(item, 1, 0)].presence.all() for item in range(len(everywhere.num_objects)))
    last = build(tmp_path, {**SPARSE, "TRAINING.SPARSE_REFERENCE": "last"}).parts[0]
    assert last.draw_frames(0, np.random.default_rng(0))[0] == 8
    filtered = build(tmp_path, {**DENSE, "TRAINING.FILTER_EVERY_FRAME": "true"}).parts[0]
    assert filtered._training.filter_every_frame

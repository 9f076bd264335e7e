"""Is what a configuration says about training data possible? Each complaint names the key."""

from typing import Any

from hodor.config import Config
from hodor.config.strengths import StaticStrengths, VideoStrengths
from hodor.data.scenes import MAX_OBJECTS
from hodor.errors import HodorError

STATIC_IMAGE, SPARSE_VIDEO, DENSE_VIDEO = "static_image", "sparse_video", "dense_video"
_MODES = (STATIC_IMAGE, SPARSE_VIDEO, DENSE_VIDEO)
_REFERENCES = ("middle", "last")
_SHARES = (
    "flip_share",
    "strong_share",
    "copy_warp_share",
    "crop_share",
    "perspective_share",
    "kept_area",
    "contrast",
    "pasted_stretch",
)


def check_training_data_config(config: Config) -> None:
    """Checks every value that training data depends on.

    Raises:
        HodorError: one of them can't be.
    """
    training = config.training
    _one_of("TRAINING.MODE", training.mode, _MODES)
    _one_of("TRAINING.SPARSE_REFERENCE", training.sparse_reference, _REFERENCES)
    _at_least("TRAINING.NUM_INSTANCES", training.num_instances, 1, MAX_OBJECTS)
    _at_least("TRAINING.NUM_OTHER_FRAMES", training.num_other_frames, 0)
    _at_least("TRAINING.MIN_REF_MASK_AREA", training.min_ref_mask_area, 0)
    _at_least("TRAINING.MIN_REF_MASK_DIM", training.min_ref_mask_dim, 0)
    if training.mode == STATIC_IMAGE:
        _at_least("INPUT.MAX_IMAGE_AREA", config.input.max_image_area, 1024)
        _check_strengths("TRAINING.AUGMENTATIONS.STATIC", training.augmentations.static)
        return
    _at_least("INPUT.MIN_DIM", config.input.min_dim, 32)
    _at_least("INPUT.MAX_DIM", config.input.max_dim, config.input.min_dim)
    _check_strengths("TRAINING.AUGMENTATIONS.VIDEO", training.augmentations.video)
    _at_least("TRAINING.MIN_CLIP_DELTA", training.min_clip_delta, 1)


def _check_strengths(section: str, strengths: StaticStrengths | VideoStrengths) -> None:
    for name, value in vars(strengths).items():
        key = f"{section}.{name.upper()}"
        for number in value if isinstance(value, tuple) else (value,):
            _at_least(key, number, 0, 1 if name in _SHARES else 255)
    for name in ("crop_factors", "whole_crop_factors"):
        factors = getattr(strengths, name)
        if not factors or not all(0 < factor <= 1 for factor in factors):
            raise HodorError(f"{section}.{name.upper()}: {list(factors)} must be numbers above 0, at most 1")
    _check_range(f"{section}.PERSPECTIVE", strengths.perspective, 0.25)
    _at_least(f"{section}.SHEAR", strengths.shear, 0, 60)
    if isinstance(strengths, StaticStrengths):
        _check_range(f"{section}.MARGIN", strengths.margin, 0.45)
        _check_range(f"{section}.PASTED_AREA", strengths.pasted_area, 1)
        _at_least(f"{section}.COPY_SHEAR", strengths.copy_shear, 0, 60)
        if len(strengths.strong_kinds) != 3 or not sum(strengths.strong_kinds):
            raise HodorError(f"{section}.STRONG_KINDS: {list(strengths.strong_kinds)} must be three weights, not all 0")


def _one_of(key: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise HodorError(f"{key}: {value!r} must be {', '.join(choices[:-1])} or {choices[-1]}")


def _at_least(key: str, value: Any, low: float, high: float = float("inf")) -> None:
    if not low <= value <= high:
        raise HodorError(f"{key}: {value} must be {f'at least {low}' if high == float('inf') else f'{low}..{high}'}")


def _check_range(key: str, value: tuple[float, ...], high: float) -> None:
    if len(value) != 2 or not 0 <= value[0] <= value[1] <= high:
        raise HodorError(f"{key}: {list(value)} must be two numbers from 0 to {high}, the smaller one first")

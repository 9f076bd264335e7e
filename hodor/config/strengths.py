"""How strong augmentations are: every number of them, with the values that the published models were trained with.

The configuration shows these classes as TRAINING.AUGMENTATIONS.STATIC and .VIDEO. Shares are probabilities.
"""

from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field

from hodor.config.declaration import Section, key, must

Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Strength: TypeAlias = Annotated[float, Field(ge=0, le=255)]
Number: TypeAlias = Annotated[int, Field(ge=0, le=255)]
Shear: TypeAlias = Annotated[float, Field(ge=0, le=60)]
Factors: TypeAlias = Annotated[
    tuple[float, ...],
    must("numbers above 0, at most 1", lambda factors: len(factors) > 0 and all(0 < factor <= 1 for factor in factors)),
]
Kinds: TypeAlias = Annotated[
    tuple[Strength, ...], must("three weights, not all 0", lambda kinds: len(kinds) == 3 and sum(kinds) > 0)
]


def _pair(low: float, high: float) -> AfterValidator:
    """The ends of a range between two numbers."""
    words = f"two numbers from {low} to {high}, the smaller one first"
    return must(words, lambda ends: len(ends) == 2 and low <= ends[0] <= ends[1] <= high)


class ColourStrengths(Section):
    """Changes of colour."""

    hue: Number = key(12, "largest change, in 255ths of a turn")
    saturation: Number = key(12, "largest change of S in HSV")
    contrast: Share = key(0.05, "largest change of the factor of contrast from 1")
    brightness: Strength = key(25.0, "largest number that is added to the light channel")


class CropStrengths(Section):
    """Crops, which are enlarged to the size of the frame."""

    crop_factors: Factors = key((0.6, 0.7, 0.8), "of each side, tried in turn until every object keeps enough")
    whole_crop_factors: Factors = key((0.6, 0.7, 0.8, 0.9), "then these, for a crop that holds all objects")
    kept_area: Share = key(0.5, "the part of its area that every object must keep in the reference")


class StaticStrengths(ColourStrengths, CropStrengths):
    """Clips made of one photograph."""

    flip_share: Share = key(0.5, "of mirrored clips")
    strong_share: Share = key(0.5, "of clips with an untouched reference and strongly changed copies; the others are crops")
    strong_kinds: Kinds = key((1.0, 1.0, 1.0), "weights of affine maps, perspectives and centred crops as strong changes")
    shift: Strength = key(0.25, "of affine maps: largest part of the width and, separately, of the height")
    rotation: Strength = key(20.0, "of affine maps: largest angle in degrees")
    shear: Shear = key(10.0, "of affine maps: largest angle in degrees")
    scale: Strength = key(0.0, "of affine maps: largest change of size, a factor between 1 / (1 + this) and 1 + this")
    perspective: Annotated[tuple[float, ...], _pair(0, 0.25)] = key(
        (0.10, 0.12), "range of the scale of the corners' ways inwards, in parts of the sides"
    )
    margin: Annotated[tuple[float, ...], _pair(0, 0.45)] = key((0.10, 0.25), "range of the part cut off each side by crops")
    copy_warp_share: Share = key(0.5, "of cropped copies that are turned as well")
    copy_rotation: Strength = key(10.0, "of these: largest angle in degrees")
    copy_shear: Shear = key(5.0, "of these: largest angle in degrees")
    pasted_objects: Number = key(0, "most objects cut out of other photographs and pasted in, which move on their own")
    pasted_area: Annotated[tuple[float, ...], _pair(0, 1)] = key((0.02, 0.2), "range of their size, in parts of the frame")
    pasted_shift: Strength = key(0.2, "of each frame after the reference: largest part of the width, of the height")
    pasted_rotation: Strength = key(20.0, "largest angle in degrees")
    pasted_stretch: Share = key(0.2, "largest change of width and, separately, height, as a part of them")
    exposure: Share = key(0.0, "largest change of each frame's gain in R, G and B, and of its curve")
    blur_share: Share = key(0.0, "of frames that are blurred by motion")
    blur: Share = key(0.03, "its largest length, in parts of the longer side")
    compression_share: Share = key(0.0, "of frames that went through JPEG")
    compression_quality: Annotated[tuple[int, ...], _pair(1, 100)] = key((30, 90), "range of its quality")


class VideoStrengths(ColourStrengths, CropStrengths):
    """Clips of videos; the same for all frames."""

    brightness: Strength = key(20.0, "largest number that is added to the light channel")
    flip_share: Share = key(0.5, "of mirrored clips")
    crop_share: Share = key(0.5, "of cropped clips; the others are warped")
    perspective_share: Share = key(0.5, "of warped clips that get a perspective; the others get an affine map")
    rotation: Strength = key(20.0, "of affine maps: largest angle in degrees")
    shear: Shear = key(10.0, "of affine maps: largest angle in degrees")
    perspective: Annotated[tuple[float, ...], _pair(0, 0.25)] = key(
        (0.08, 0.10), "range of the scale of the corners' ways inwards, in parts of the sides"
    )
    warp_tries: Number = key(3, "draws of a warp before the clip stays as it is")

"""How strong augmentations are: every number of them, with the values that the published models were trained with.

The configuration shows these classes as TRAINING.AUGMENTATIONS.STATIC and .VIDEO. Shares are probabilities.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class ColourStrengths:
    """Changes of colour.

    Attributes:
        hue: largest change, in 255ths of a turn.
        saturation: largest change of S in HSV, on the scale 0..255.
        contrast: largest change of the factor of contrast from 1.
        brightness: largest number that is added to the light channel, on the scale 0..255.
    """

    hue: int = 12
    saturation: int = 12
    contrast: float = 0.05
    brightness: float = 25.0


@dataclass(frozen=True)
class CropStrengths:
    """Crops, which are enlarged to the size of the frame. Factors apply to each side.

    Attributes:
        crop_factors: tried in turn for the reference frame, until every object keeps enough.
        whole_crop_factors: tried in turn after these, for a crop that holds all objects.
        kept_area: the part of its area that every object must keep.
    """

    crop_factors: tuple[float, ...] = (0.6, 0.7, 0.8)
    whole_crop_factors: tuple[float, ...] = (0.6, 0.7, 0.8, 0.9)
    kept_area: float = 0.5


@dataclass(frozen=True)
class StaticStrengths(ColourStrengths, CropStrengths):
    """Clips made of one photograph.

    Attributes:
        flip_share: of mirrored clips.
        strong_share: of clips whose reference is untouched and whose copies change strongly; the others are crops.
        strong_kinds: how often copies of strong clips get an affine map, a perspective, a centred crop; relative weights.
        shift: of affine maps, largest part of the width and, separately, of the height.
        rotation: of affine maps, largest angle in degrees.
        shear: of affine maps, largest angle in degrees.
        scale: of affine maps, largest change of size: a factor between 1 / (1 + scale) and 1 + scale.
        perspective: range of the scale of the corners' ways inwards, in parts of the sides.
        margin: range of the part cut off each side by centred crops.
        copy_warp_share: of cropped copies that are turned as well.
        copy_rotation: of these, largest angle in degrees.
        copy_shear: of these, largest angle in degrees.
        pasted_objects: most objects that are cut out of other photographs and pasted in; they move on their own.
        pasted_area: range of their size, in parts of the frame's area.
        pasted_shift: their largest way from frame to frame, in parts of the width and, separately, of the height.
        pasted_rotation: largest angle in degrees.
        pasted_stretch: largest change of width and, separately, height, as a part of them.
        exposure: largest change of each frame's gain in R, G and B, and of its curve, as a part of them.
        blur_share: of frames that are blurred by motion.
        blur: its largest length, in parts of the longer side.
        compression_share: of frames that went through JPEG.
        compression_quality: range of its quality, 1..100.
    """

    flip_share: float = 0.5
    strong_share: float = 0.5
    strong_kinds: tuple[float, ...] = (1.0, 1.0, 1.0)
    shift: float = 0.25
    rotation: float = 20.0
    shear: float = 10.0
    scale: float = 0.0
    perspective: tuple[float, ...] = (0.10, 0.12)
    margin: tuple[float, ...] = (0.10, 0.25)
    copy_warp_share: float = 0.5
    copy_rotation: float = 10.0
    copy_shear: float = 5.0
    pasted_objects: int = 0
    pasted_area: tuple[float, ...] = (0.02, 0.2)
    pasted_shift: float = 0.2
    pasted_rotation: float = 20.0
    pasted_stretch: float = 0.2
    exposure: float = 0.0
    blur_share: float = 0.0
    blur: float = 0.03
    compression_share: float = 0.0
    compression_quality: tuple[int, ...] = (30, 90)


@dataclass(frozen=True)
class VideoStrengths(ColourStrengths, CropStrengths):
    """Clips of videos.

    Attributes:
        flip_share: of mirrored clips.
        crop_share: of cropped clips; the others are warped.
        perspective_share: of warped clips that get a perspective; the others get an affine map.
        rotation: of affine maps, largest angle in degrees.
        shear: of affine maps, largest angle in degrees.
        perspective: range of the scale of the corners' ways inwards, in parts of the sides.
        warp_tries: draws of a warp before the clip stays as it is.
    """

    brightness: float = 20.0
    flip_share: float = 0.5
    crop_share: float = 0.5
    perspective_share: float = 0.5
    rotation: float = 20.0
    shear: float = 10.0
    perspective: tuple[float, ...] = (0.08, 0.10)
    warp_tries: int = 3

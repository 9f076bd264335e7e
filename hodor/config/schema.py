"""What can be configured: every key once, with its type, range, default and meaning.

The keys and their meaning are those of the files that lie beside original checkpoints; the strengths of augmentations are those
that the published models were trained with. `python -m hodor.config` writes `configs/default.yaml` from this.
"""

from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field

from hodor.config.declaration import NamedNumbers, Section, key, must
from hodor.errors import HodorError


def _pair(low: float, high: float) -> AfterValidator:
    """The ends of a range between two numbers."""
    words = f"two numbers from {low} to {high}, the smaller one first"
    return must(words, lambda ends: len(ends) == 2 and low <= ends[0] <= ends[1] <= high)


Layers: TypeAlias = Annotated[int, must("at least 1, at most 64", lambda count: 1 <= count <= 64)]
Rates: TypeAlias = Annotated[tuple[float, ...], must("at least 0", lambda rates: min(rates, default=0) >= 0)]
Channels: TypeAlias = Annotated[tuple[float, ...], must("three numbers (B, G, R)", lambda values: len(values) == 3)]
Deviations: TypeAlias = Annotated[Channels, must("three numbers above 0 (B, G, R)", lambda values: min(values) > 0)]
Cells: TypeAlias = Annotated[int, must("one of 1, 2, 4, 9, 12, 16", {1, 2, 4, 9, 12, 16}.__contains__)]
Width: TypeAlias = Annotated[int, must("a multiple of 32 up to 4096", lambda width: width in range(32, 4097, 32))]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Certainty: TypeAlias = Annotated[float, Field(ge=0, lt=1)]
Strength: TypeAlias = Annotated[float, Field(ge=0, le=255)]
Number: TypeAlias = Annotated[int, Field(ge=0, le=255)]
Shear: TypeAlias = Annotated[float, Field(ge=0, le=60)]
Inwards: TypeAlias = Annotated[tuple[float, ...], _pair(0, 0.25)]
Factors: TypeAlias = Annotated[
    tuple[float, ...], must("numbers above 0, at most 1", lambda factors: min(factors, default=0) > 0 and max(factors) <= 1)
]
Kinds: TypeAlias = Annotated[
    tuple[Strength, ...], must("three weights, not all 0", lambda kinds: len(kinds) == 3 and sum(kinds) > 0)
]
_LARGEST_NETWORK = 64 * 1024**2
_SMALLEST_FRAME = 32


class InputConfig(Section, place="INPUT"):
    """How images reach the network."""

    image_mean: Channels = key((0.406, 0.456, 0.485), "B, G, R; in 0..1 with NORMALIZE_TO_UNIT_SCALE, else in 0..255")
    image_std: Deviations = key((0.225, 0.224, 0.229), "likewise")
    rgb_input: bool = key(True, "the network sees R, G, B (else B, G, R)")
    normalize_to_unit_scale: bool = key(True, "divide pixels by 255 before normalising")
    min_dim: int = key(448, "shorter side in pixels (inference, videos in training)", ge=1, le=8192)
    max_dim: int = key(768, "limit of the longer side in pixels", ge=1, le=16384)
    max_image_area: int = key(300000, "pixels of photographs in training", ge=1024)
    num_query_frames: int = key(-1, "without effect; it stands in old files")

    def __post_init__(self) -> None:
        if self.max_dim < self.min_dim:
            raise ValueError(f"INPUT.MAX_DIM must be at least INPUT.MIN_DIM = {self.min_dim}, not {self.max_dim}")


class ModelConfig(Section, place="MODEL"):
    """The network. What is not in the files of original checkpoints has the paper's value as default."""

    transformer_pre_normalize: bool = key(False, "normalise branches' inputs instead of their sums")
    encoder_layers: Layers = key(5)
    decoder_layers: Layers = key(5)
    num_attn_heads: int = key(8, "attention heads of encoder and decoder, a divisor of WIDTH")
    num_bg_descriptors: Cells = key(9, "cells of the background grid: 1, 2, 4, 9, 12 or 16")
    num_catch_all_queries: Annotated[int, must("0 or 1", {0, 1}.__contains__)] = key(1, '1 = a channel for "no descriptor"')
    pos_encodings_in_fmq: bool = key(True, "the encoder's keys know where their pixel is; false in all recipes")
    pos_encodings_in_fqm: bool = key(True, "the decoder's queries know where their pixel is")
    backbone: str = key("swin_tiny", "swin_compact, swin_tiny, swin_small, swin_base, or a model of timm (resnet10t)", new=True)
    width: Width = key(256, "channels of features and descriptors, a multiple of 32", new=True)
    attention_masking: Literal["none", "hard", "soft_fixed", "soft_learnable"] = key("soft_learnable", new=True)
    descriptor_interaction: bool = key(True, "descriptors attend to each other", new=True)
    deformable_convolutions: bool = key(True, "the decoder's 3x3 convolutions choose where they look", new=True)
    dropout: float = key(0.1, "share dropped in training", new=True, ge=0, lt=1)
    dropout_on_attention_logits: bool = key(True, "as the published models were trained; false = on weights", new=True)
    pretrained_backbone: str = key(
        "swin_tiny_pretrained.pth",
        "what training starts from: a file of a detector or of a model of timm (relative names under pretrained_backbones/), "
        "package:NAME (weights inside an installed package), timm (downloads weights for ImageNet) or none",
        new=True,
    )
    frozen_batch_norm: bool = key(False, "batch norms of timm's models keep the statistics that they come with", new=True)

    def __post_init__(self) -> None:
        if self.num_attn_heads < 1 or self.width % self.num_attn_heads:
            raise ValueError(f"MODEL.NUM_ATTN_HEADS must be a divisor of MODEL.WIDTH = {self.width}, not {self.num_attn_heads}")
        layers = self.encoder_layers + self.decoder_layers
        if layers * self.width**2 > _LARGEST_NETWORK:
            raise ValueError(f"MODEL.WIDTH = {self.width} is too much for {layers} layers; lower one of them")


class InferenceConfig(Section, place="INFERENCE"):
    """Settings that a checkpoint is meant to be used with; command lines override them."""

    temporal_window: int = key(7, "how many earlier frames are remembered", new=True, ge=1)
    permanent_reference: bool = key(False, "never forget what objects looked like where their masks were given", new=True)
    min_confidence: Certainty = key(
        0.0,
        "masks of a lower mean probability aren't remembered, so that what hides an object isn't mistaken for it; 0 = all are",
        new=True,
    )
    long_term_interval: int = key(0, "also remember every n-th frame beyond the window, at most 8; 0 = none", new=True, ge=0)
    presence_threshold: Certainty = key(0.0, "described objects less likely in a frame are not in it", new=True)
    guided_edges: bool = key(False, "lead the edges of masks along those of the frame", new=True)


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


class StaticStrengths(ColourStrengths, CropStrengths, place="TRAINING.AUGMENTATIONS.STATIC"):
    """Clips made of one photograph."""

    flip_share: Share = key(0.5, "of mirrored clips")
    strong_share: Share = key(0.5, "of clips with an untouched reference and strongly changed copies; the others are crops")
    strong_kinds: Kinds = key((1.0, 1.0, 1.0), "weights of affine maps, perspectives and centred crops as strong changes")
    shift: Strength = key(0.25, "of affine maps: largest part of the width and, separately, of the height")
    rotation: Strength = key(20.0, "of affine maps: largest angle in degrees")
    shear: Shear = key(10.0, "of affine maps: largest angle in degrees")
    scale: Strength = key(0.0, "of affine maps: largest change of size, a factor between 1 / (1 + this) and 1 + this")
    perspective: Inwards = key((0.10, 0.12), "range of the scale of the corners' ways inwards, in parts of the sides")
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


class VideoStrengths(ColourStrengths, CropStrengths, place="TRAINING.AUGMENTATIONS.VIDEO"):
    """Clips of videos; the same for all frames."""

    brightness: Strength = key(20.0, "largest number that is added to the light channel")
    flip_share: Share = key(0.5, "of mirrored clips")
    crop_share: Share = key(0.5, "of cropped clips; the others are warped")
    perspective_share: Share = key(0.5, "of warped clips that get a perspective; the others get an affine map")
    rotation: Strength = key(20.0, "of affine maps: largest angle in degrees")
    shear: Shear = key(10.0, "of affine maps: largest angle in degrees")
    perspective: Inwards = key((0.08, 0.10), "range of the scale of the corners' ways inwards, in parts of the sides")
    warp_tries: Number = key(3, "draws of a warp before the clip stays as it is")


class AugmentationConfig(Section, place="TRAINING.AUGMENTATIONS"):
    """Which augmentations training samples get, and how strong they are."""

    color: bool = key(True, "changes of colour")
    cropping: bool = key(True, "half of the clips are crops; without, photographs are all warped, videos stay as they are")
    video_geometric: bool = key(True, "the other half of the clips of videos is warped")
    static: StaticStrengths = key(StaticStrengths(), new=True)
    video: VideoStrengths = key(VideoStrengths(), new=True)


class WarmupConfig(Section, place="TRAINING.LR_SCHEDULERS.WARMUP"):
    """Linear warm-up, then constant."""

    warmup_iters: int = key(10000, ge=0)
    warmup_lr_init: float = key(1e-7, "the rate at iteration 0", ge=0)


class StepConfig(Section, place="TRAINING.LR_SCHEDULERS.STEP"):
    """Linear warm-up, then the rate is multiplied by a decay rate at each of the steps."""

    warmup_iters: int = key(10000, ge=0)
    warmup_lr_init: float = key(5e-7, "the rate at iteration 0", ge=0)
    base_lr: float = key(1e-4, "without effect; it stands in old files")
    steps: tuple[int, ...] = key((100000, 160000), "iterations")
    decay_rates: Rates = key((0.1, 0.1), "one for each of the steps")


class SchedulersConfig(Section, place="TRAINING.LR_SCHEDULERS"):
    """Settings of the learning rate schedules; LR_SCHEDULER picks one."""

    warmup: WarmupConfig = key(WarmupConfig())
    step: StepConfig = key(StepConfig())


class LossWeights(Section, place="TRAINING.LOSS_WEIGHTS"):
    """Weights of the parts of the loss."""

    dice: float = key(1.0, ge=0)
    cross_entropy: float = key(1.0, ge=0)

    def __post_init__(self) -> None:
        if self.dice == self.cross_entropy == 0:
            raise ValueError("TRAINING.LOSS_WEIGHTS: DICE and CROSS_ENTROPY can't both be 0, there would be nothing to learn")


class ValidationConfig(Section, place="TRAINING.VALIDATION"):
    """Judging the network on videos while it is trained; the weights with the best J&F are kept as best.pth."""

    dataset: str = key("", "name of a data set of videos, converted into the workspace; empty = none")
    ground_truth: str = key("", "folder of its true masks, <sequence>/<frame>.png; relative to the workspace")
    interval: int = key(10000, "iterations between validations", ge=0)
    min_dim: int = key(0, "shorter side of the frames; 0 = INPUT.MIN_DIM; MAX_DIM is scaled likewise", ge=0, le=8192)


class TrainingConfig(Section, place="TRAINING"):
    """How the network is trained. Numbers of pixels are areas or sides in the original image."""

    mode: Literal["", "static_image", "sparse_video", "dense_video"] = key("")
    num_instances: int = key(4, "the largest number of objects in a sample", ge=1, le=255)
    num_other_frames: int = key(0, "frames of a clip besides the reference", ge=0)
    base_lr: float = key(1e-4, ge=0)
    total_iterations: int = key(300000, ge=1)
    batch_size: int = key(8, "samples per iteration, of all processes together", ge=1)
    accumulate_gradients: bool = key(True, "processes may take their samples in turn")
    detach_intermediate_masks: bool = key(True, "no gradient flows through the masks that a cycle passes on")
    min_clip_delta: int = key(1, "dense: least distance of the other frames from the reference", ge=1)
    max_clip_delta: int = key(10, "dense: they are nearer than this; sparse: at most as far as this")
    min_ref_mask_area: int = key(5000, "photographs: objects have more pixels; videos: at least so many in the reference", ge=0)
    min_ref_mask_dim: int = key(100, "likewise for both sides of their boxes", ge=0)
    filter_every_frame: bool = key(False, "dense: objects too small in another frame become background there", new=True)
    sparse_reference: Literal["middle", "last"] = key("middle", "the annotated frame that is used", new=True)
    intermediate_frame_gt_available: bool = key(True, "the other frames' masks are used")
    apply_loss_on_intermediate_frames: bool = key(True, "predictions for other frames than the reference count in the loss")
    augmentations: AugmentationConfig = key(AugmentationConfig())
    lr_scheduler: Literal["none", "warmup", "step"] = key("step")
    lr_schedulers: SchedulersConfig = key(SchedulersConfig())
    weight_decay: float = key(0.01, "of AdamW, on all parameters", new=True, ge=0)
    backbone_lr_factor: float = key(1.0, "what the rate is multiplied by for the backbone", new=True, ge=0)
    weight_average: float = key(
        0.0, "decay per iteration of a moving average of the weights, which is what is used; 0 = none", new=True, ge=0, lt=1
    )
    cycles: tuple[Annotated[tuple[str, ...], Field(strict=False)], ...] = key(
        (), "one list of cycles per kind of iteration, which take turns; [] = the paper's", new=True
    )
    cycles_alternate_within_batches: bool = key(False, "a micro-batch's number counts towards whose turn it is", new=True)
    loss_weights: LossWeights = key(LossWeights(), new=True)
    dice: Literal["pooled", "per_object"] = key("pooled", "over objects, as the published models were trained", new=True)
    activation_checkpointing: bool = key(False, "less memory, more time", new=True)
    seed: int = key(0, "of the weights, the samples and dropout", new=True, ge=0)
    validation: ValidationConfig = key(ValidationConfig(), new=True)


class DenseVideoSplit(Section, place="DATA.DENSE_VIDEO_SPLIT"):
    """Shares of the data sets in dense video training; they sum to 1."""

    ytvos: float = key(0.8)
    davis: float = key(0.2)


class SparseVideoSplit(Section, place="DATA.SPARSE_VIDEO_SPLIT"):
    """Shares of the data sets in sparse (cyclic) video training; they sum to 1."""

    youtube_vos: float = key(0.8)
    davis: float = key(0.2)


class DataConfig(Section, place="DATA"):
    """What the network is trained on."""

    dense_video_split: DenseVideoSplit = key(DenseVideoSplit())
    sparse_video_split: SparseVideoSplit = key(SparseVideoSplit())
    datasets: NamedNumbers = key((), "any data sets instead of the usual ones: {mine: 0.3, coco_2017_train: 0.7}", new=True)
    clip_delta_factors: NamedNumbers = key(
        (), "of MAX_CLIP_DELTA by data set; not named here: davis_train 2, others 1", new=True
    )


class Config(Section):
    """Everything."""

    input: InputConfig = key(InputConfig())
    model: ModelConfig = key(ModelConfig())
    inference: InferenceConfig = key(InferenceConfig(), new=True)
    training: TrainingConfig = key(TrainingConfig())
    data: DataConfig = key(DataConfig())

    def check_training(self) -> None:
        """Raises HodorError, with the name of the key, where a value can't be what inference allows but training doesn't."""
        if not self.training.mode:
            raise HodorError("TRAINING.MODE must be static_image, sparse_video or dense_video, not ''")
        if self.training.mode != "static_image" and self.input.min_dim < _SMALLEST_FRAME:
            raise HodorError(f"INPUT.MIN_DIM must be at least {_SMALLEST_FRAME} for videos, not {self.input.min_dim}")
        step = self.training.lr_schedulers.step
        if self.training.lr_scheduler == "step" and len(step.steps) != len(step.decay_rates):
            raise HodorError("TRAINING.LR_SCHEDULERS.STEP: STEPS and DECAY_RATES must be equally long")

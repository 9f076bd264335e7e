"""What can be configured. A field's YAML key is its name in upper case; its default is that of `configs/default.yaml`.

The keys and their meaning are those of the files that lie beside original checkpoints. A recipe (`configs/static.yaml`, ...)
overrides many of the defaults; no program runs on the defaults alone.
"""

from dataclasses import dataclass, field
from typing import TypeAlias

from hodor.config.strengths import StaticStrengths, VideoStrengths

NamedNumbers: TypeAlias = tuple[tuple[str, float], ...]
"""Numbers by names of the user's choice, a mapping in YAML."""


@dataclass(frozen=True)
class InputConfig:
    """How images reach the network.

    Attributes:
        image_mean: of the channels in the order B, G, R; in 0..1 with `normalize_to_unit_scale`, else in 0..255.
        image_std: likewise.
        rgb_input: whether the network sees R, G, B (else B, G, R).
        normalize_to_unit_scale: divide pixels by 255 before normalising.
        min_dim: length that the shorter side is brought to, in pixels (inference and video training).
        max_dim: the longer side's limit, in pixels.
        max_image_area: pixels that training images are brought to (static images).
        num_query_frames: without effect; it stands in old files.
    """

    image_mean: tuple[float, ...] = (0.406, 0.456, 0.485)
    image_std: tuple[float, ...] = (0.225, 0.224, 0.229)
    rgb_input: bool = True
    normalize_to_unit_scale: bool = True
    min_dim: int = 448
    max_dim: int = 768
    max_image_area: int = 300000
    num_query_frames: int = -1


@dataclass(frozen=True)
class ModelConfig:
    """The network. What is not in the files of original checkpoints has the paper's value as default.

    Attributes:
        transformer_pre_normalize: normalise branches' inputs instead of their sums.
        encoder_layers: depth of the encoder.
        decoder_layers: depth of the decoder.
        num_attn_heads: attention heads of both.
        num_bg_descriptors: cells of the background grid: 1, 2, 4, 9, 12 or 16.
        num_catch_all_queries: 1 = a channel for "none of the descriptors", 0 = without.
        pos_encodings_in_fmq: encoder's attention keys know where their pixel is.
        pos_encodings_in_fqm: decoder's queries know where their pixel is.
        backbone: swin_compact, swin_tiny, swin_small, swin_base, or the name of a model of timm.
        width: channels of features and descriptors, a multiple of 32.
        attention_masking: none, hard, soft_fixed or soft_learnable.
        descriptor_interaction: descriptors attend to each other.
        deformable_convolutions: the decoder's 3x3 convolutions choose where they look.
        dropout: share dropped in training.
        dropout_on_attention_logits: the decoder drops attention logits, as the published models were trained; else weights.
        pretrained_backbone: what training starts from: a file of a detector or of one of timm's models (relative names under
            `pretrained_backbones/`), package:NAME (the weights inside an installed package), timm (which downloads weights for
            ImageNet) or none.
        frozen_batch_norm: batch norms of timm's models keep the statistics that they come with, as detectors' do.
    """

    transformer_pre_normalize: bool = False
    encoder_layers: int = 5
    decoder_layers: int = 5
    num_attn_heads: int = 8
    num_bg_descriptors: int = 9
    num_catch_all_queries: int = 1
    pos_encodings_in_fmq: bool = True
    pos_encodings_in_fqm: bool = True
    backbone: str = "swin_tiny"
    width: int = 256
    attention_masking: str = "soft_learnable"
    descriptor_interaction: bool = True
    deformable_convolutions: bool = True
    dropout: float = 0.1
    dropout_on_attention_logits: bool = True
    pretrained_backbone: str = "swin_tiny_pretrained.pth"
    frozen_batch_norm: bool = False


@dataclass(frozen=True)
class AugmentationConfig:
    """Which augmentations training samples get, and how strong they are.

    Attributes:
        color: changes of colour.
        cropping: half of the clips are crops; without, those of photographs are warped too, those of videos stay as they are.
        video_geometric: the other half of the clips of videos is warped.
        static: numbers for clips made of photographs.
        video: numbers for clips of videos.
    """

    color: bool = True
    cropping: bool = True
    video_geometric: bool = True
    static: StaticStrengths = field(default_factory=StaticStrengths)
    video: VideoStrengths = field(default_factory=VideoStrengths)


@dataclass(frozen=True)
class WarmupConfig:
    """Linear warm-up, then constant. Attributes: iterations, and the rate at iteration 0."""

    warmup_iters: int = 10000
    warmup_lr_init: float = 1e-7


@dataclass(frozen=True)
class StepConfig:
    """Linear warm-up, then the rate is multiplied by `decay_rates[k]` at iteration `steps[k]`. `base_lr` has no effect."""

    warmup_iters: int = 10000
    warmup_lr_init: float = 5e-7
    base_lr: float = 1e-4
    steps: tuple[int, ...] = (100000, 160000)
    decay_rates: tuple[float, ...] = (0.1, 0.1)


@dataclass(frozen=True)
class SchedulersConfig:
    """Settings of the learning rate schedules; `TRAINING.LR_SCHEDULER` picks one."""

    warmup: WarmupConfig = field(default_factory=WarmupConfig)
    step: StepConfig = field(default_factory=StepConfig)


@dataclass(frozen=True)
class LossWeights:
    """Weights of the parts of the loss."""

    dice: float = 1.0
    cross_entropy: float = 1.0


@dataclass(frozen=True)
class ValidationConfig:
    """Judging the network on videos while it is trained; the weights with the best J&F are kept as `best.pth`.

    Attributes:
        dataset: name of a data set of videos to segment, converted into the workspace; empty = none.
        ground_truth: folder of its true masks, <sequence>/<frame>.png; relative to the workspace.
        interval: iterations between validations.
        min_dim: shorter side of the frames; 0 = INPUT.MIN_DIM. The longer side's limit is scaled likewise.
    """

    dataset: str = ""
    ground_truth: str = ""
    interval: int = 10000
    min_dim: int = 0


@dataclass(frozen=True)
class TrainingConfig:
    """How the network is trained. Numbers of pixels are areas or sides in the original image.

    Attributes:
        mode: static_image, sparse_video or dense_video.
        num_instances: the largest number of objects in a sample.
        num_other_frames: frames of a clip besides the reference.
        min_clip_delta: dense: least distance of the other frames from the reference.
        max_clip_delta: dense: they are nearer than this; sparse: at most as far as this.
        min_ref_mask_area: photographs: objects have more pixels than this; videos: at least so many in the reference.
        min_ref_mask_dim: likewise for both sides of their boxes.
        filter_every_frame: dense: objects too small in another frame become background there, as the original had it.
        sparse_reference: the annotated frame that is used: middle (the one closest to it), or last, as the original had it.
        intermediate_frame_gt_available: the other frames' masks are used.
        apply_loss_on_intermediate_frames: predictions for other frames than the reference count in the loss.
        augmentations: of the samples.
        weight_decay: of AdamW, on all parameters.
        backbone_lr_factor: what the learning rate is multiplied by for the backbone.
        weight_average: the decay, per iteration, of an exponential moving average of the weights, which checkpoints then hold
            beside the trained ones and are used with; 0 = none.
        cycles: one list of cycles per kind of iteration, which take turns; empty = those of the paper.
        cycles_alternate_within_batches: a micro-batch's number counts towards whose turn it is, as in the original.
        loss_weights: of Dice and cross-entropy.
        dice: pooled (over objects, as the published models were trained) or per_object.
        activation_checkpointing: compute activations again for the backward pass instead of keeping them.
        seed: of the weights, the samples and dropout.
        validation: on videos, during training.
    """

    mode: str = ""
    num_instances: int = 4
    num_other_frames: int = 0
    base_lr: float = 1e-4
    total_iterations: int = 300000
    batch_size: int = 8
    accumulate_gradients: bool = True
    detach_intermediate_masks: bool = True
    min_clip_delta: int = 1
    max_clip_delta: int = 10
    min_ref_mask_area: int = 5000
    min_ref_mask_dim: int = 100
    filter_every_frame: bool = False
    sparse_reference: str = "middle"
    intermediate_frame_gt_available: bool = True
    apply_loss_on_intermediate_frames: bool = True
    augmentations: AugmentationConfig = field(default_factory=AugmentationConfig)
    lr_scheduler: str = "step"
    lr_schedulers: SchedulersConfig = field(default_factory=SchedulersConfig)
    weight_decay: float = 0.01
    backbone_lr_factor: float = 1.0
    weight_average: float = 0.0
    cycles: tuple[tuple[str, ...], ...] = ()
    cycles_alternate_within_batches: bool = False
    loss_weights: LossWeights = field(default_factory=LossWeights)
    dice: str = "pooled"
    activation_checkpointing: bool = False
    seed: int = 0
    validation: ValidationConfig = field(default_factory=ValidationConfig)


@dataclass(frozen=True)
class DenseVideoSplit:
    """Shares of the data sets in dense video training; they sum to 1."""

    ytvos: float = 0.8
    davis: float = 0.2


@dataclass(frozen=True)
class SparseVideoSplit:
    """Shares of the data sets in sparse (cyclic) video training; they sum to 1."""

    youtube_vos: float = 0.8
    davis: float = 0.2


@dataclass(frozen=True)
class DataConfig:
    """What the network is trained on.

    Attributes:
        dense_video_split: shares of the usual data sets.
        sparse_video_split: likewise.
        datasets: shares of any data sets by name, instead of the usual ones; they sum to 1.
        clip_delta_factors: what `TRAINING.MAX_CLIP_DELTA` is multiplied by, by data set; not named: davis_train 2, others 1.
    """

    dense_video_split: DenseVideoSplit = field(default_factory=DenseVideoSplit)
    sparse_video_split: SparseVideoSplit = field(default_factory=SparseVideoSplit)
    datasets: NamedNumbers = ()
    clip_delta_factors: NamedNumbers = ()


@dataclass(frozen=True)
class Config:
    """Everything: sections INPUT, MODEL, TRAINING and DATA."""

    input: InputConfig = field(default_factory=InputConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    data: DataConfig = field(default_factory=DataConfig)


NEW_KEYS = {
    "MODEL": {
        "BACKBONE",
        "WIDTH",
        "ATTENTION_MASKING",
        "DESCRIPTOR_INTERACTION",
        "DEFORMABLE_CONVOLUTIONS",
        "DROPOUT",
        "DROPOUT_ON_ATTENTION_LOGITS",
        "PRETRAINED_BACKBONE",
        "FROZEN_BATCH_NORM",
    },
    "TRAINING": {
        "FILTER_EVERY_FRAME",
        "SPARSE_REFERENCE",
        "WEIGHT_DECAY",
        "BACKBONE_LR_FACTOR",
        "WEIGHT_AVERAGE",
        "CYCLES",
        "CYCLES_ALTERNATE_WITHIN_BATCHES",
        "LOSS_WEIGHTS",
        "DICE",
        "ACTIVATION_CHECKPOINTING",
        "SEED",
        "VALIDATION",
    },
    "AUGMENTATIONS": {"STATIC", "VIDEO"},
    "DATA": {"DATASETS", "CLIP_DELTA_FACTORS"},
}
"""Keys by section that the original doesn't know. It refuses files with any of them."""

"""What can be configured. A field's YAML key is its name in upper case; its default is that of `configs/default.yaml`.

The keys and their meaning are those of the files that lie beside original checkpoints. A recipe (`configs/static.yaml`, ...)
overrides many of the defaults; no program runs on the defaults alone.
"""

from dataclasses import dataclass, field


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
        backbone: swin_tiny, swin_small or swin_base.
        width: channels of features and descriptors, a multiple of 32.
        attention_masking: none, hard, soft_fixed or soft_learnable.
        descriptor_interaction: descriptors attend to each other.
        deformable_convolutions: the decoder's 3x3 convolutions choose where they look.
        dropout: share dropped in training.
        dropout_on_attention_logits: the decoder drops attention logits, as the published models were trained; else weights.
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


@dataclass(frozen=True)
class AugmentationConfig:
    """Which augmentations training samples get."""

    color: bool = True
    cropping: bool = True
    video_geometric: bool = True


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
class TrainingConfig:
    """How the network is trained. Numbers of pixels are areas or sides in the original image."""

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
    intermediate_frame_gt_available: bool = True
    apply_loss_on_intermediate_frames: bool = True
    augmentations: AugmentationConfig = field(default_factory=AugmentationConfig)
    lr_scheduler: str = "step"
    lr_schedulers: SchedulersConfig = field(default_factory=SchedulersConfig)


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
    """What the network is trained on."""

    dense_video_split: DenseVideoSplit = field(default_factory=DenseVideoSplit)
    sparse_video_split: SparseVideoSplit = field(default_factory=SparseVideoSplit)


@dataclass(frozen=True)
class Config:
    """Everything: sections INPUT, MODEL, TRAINING and DATA."""

    input: InputConfig = field(default_factory=InputConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    data: DataConfig = field(default_factory=DataConfig)

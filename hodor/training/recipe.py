"""From a configuration to what the trainer works with. The only place of this folder, besides the program, that reads it."""

from typing import Any

from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from hodor.config import Config
from hodor.errors import HodorError
from hodor.modelling.model import HODOR
from hodor.training.cycles import DEFAULT_CYCLES, REFERENCE, parse_cycle, plan_cycles
from hodor.training.objective import Objective
from hodor.training.schedule import learning_rate


def build_objective(config: Config) -> Objective:
    """Cycles and loss of a configuration.

    Raises:
        HodorError: values don't fit together; the message names their keys.
    """
    training = config.training
    if training.apply_loss_on_intermediate_frames and not training.intermediate_frame_gt_available:
        raise HodorError(
            "TRAINING.APPLY_LOSS_ON_INTERMEDIATE_FRAMES needs TRAINING.INTERMEDIATE_FRAME_GT_AVAILABLE; set the first to false"
        )
    cycles = training.cycles or DEFAULT_CYCLES.get(training.num_other_frames)
    if cycles is None:
        raise HodorError(
            f"TRAINING.NUM_OTHER_FRAMES = {training.num_other_frames} needs TRAINING.CYCLES; only 0..2 have defaults"
        )
    try:
        plans = [plan_cycles([parse_cycle(text, 1 + training.num_other_frames) for text in texts]) for texts in cycles]
    except ValueError as error:
        raise HodorError(f"TRAINING.CYCLES: {error}") from None
    if not all(plans):
        raise HodorError("TRAINING.CYCLES: a list of cycles is empty")
    judge_others = training.apply_loss_on_intermediate_frames
    if not judge_others and not all(any(step.target == REFERENCE for step in plan) for plan in plans):
        raise HodorError(
            "TRAINING.CYCLES: a list of cycles never comes back to frame 0, so there is nothing to compare with the truth "
            "unless TRAINING.APPLY_LOSS_ON_INTERMEDIATE_FRAMES is true"
        )
    return Objective(
        plans,
        detach_masks=training.detach_intermediate_masks,
        judge_others=judge_others,
        dice_weight=training.loss_weights.dice,
        cross_entropy_weight=training.loss_weights.cross_entropy,
        dice_kind=training.dice,
        recompute=training.activation_checkpointing,
    )


def scheduled_rate(config: Config, iteration: int) -> float:
    """The learning rate of an iteration."""
    training = config.training
    warmup, step = training.lr_schedulers.warmup, training.lr_schedulers.step
    if training.lr_scheduler == "none":
        return training.base_lr
    if training.lr_scheduler == "warmup":
        return learning_rate(
            iteration, training.base_lr, warmup_iterations=warmup.warmup_iters, warmup_initial=warmup.warmup_lr_init
        )
    return learning_rate(
        iteration,
        training.base_lr,
        warmup_iterations=step.warmup_iters,
        warmup_initial=step.warmup_lr_init,
        steps=step.steps,
        decay_rates=step.decay_rates,
    )


def parameter_groups(model: HODOR, backbone_factor: float) -> list[dict[str, Any]]:
    """What the optimizer learns, by what the learning rate is multiplied by (`rate_factor`)."""
    if backbone_factor == 1:
        return [{"params": list(model.parameters()), "rate_factor": 1.0}]
    backbone = list(model.feature_extractor.backbone.parameters())
    own = {id(parameter) for parameter in backbone}
    others = [parameter for parameter in model.parameters() if id(parameter) not in own]
    return [{"params": others, "rate_factor": 1.0}, {"params": backbone, "rate_factor": backbone_factor}]


def weight_average(model: HODOR, decay: float) -> AveragedModel | None:
    """An exponential moving average of a network's weights; None where the decay is 0."""
    return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay)) if decay else None


def micro_batches(config: Config, num_processes: int, max_samples: int) -> tuple[int, int]:
    """How the samples of an iteration are shared out.

    Args:
        config: its `TRAINING.BATCH_SIZE` and `TRAINING.ACCUMULATE_GRADIENTS`.
        num_processes: P.
        max_samples: the most samples that a process takes at once.

    Returns:
        Samples per micro-batch, and micro-batches per process and iteration.

    Raises:
        HodorError: the batch can't be shared out equally, or would need accumulation that is switched off.
    """
    batch = config.training.batch_size
    if batch < 1 or max_samples < 1:
        raise HodorError(f"TRAINING.BATCH_SIZE and --max_samples_per_gpu must be at least 1, not {batch} and {max_samples}")
    if batch % num_processes:
        raise HodorError(f"TRAINING.BATCH_SIZE = {batch} can't be shared equally by {num_processes} processes")
    share = batch // num_processes
    samples = max(count for count in range(1, min(share, max_samples) + 1) if share % count == 0)
    if samples < share and not config.training.accumulate_gradients:
        raise HodorError(
            f"TRAINING.BATCH_SIZE = {batch} is more than {num_processes} processes x --max_samples_per_gpu {max_samples}; "
            "allow TRAINING.ACCUMULATE_GRADIENTS"
        )
    return samples, share // samples

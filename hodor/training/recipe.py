"""What a configuration's numbers come to: plans of cycles, learning rates, sizes of micro-batches."""

from hodor.config import Config
from hodor.errors import HodorError
from hodor.training.cycles import DEFAULT_CYCLES, REFERENCE, PlannedStep, parse_cycle, plan_cycles


def build_plans(config: Config) -> list[list[PlannedStep]]:
    """The steps of each kind of iteration, which take turns.

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
    comes_back = all(REFERENCE in [step.target for step in plan] for plan in plans)
    if not comes_back and not training.apply_loss_on_intermediate_frames:
        raise HodorError(
            "TRAINING.CYCLES: a list of cycles never comes back to frame 0, so there is nothing to compare with the truth "
            "unless TRAINING.APPLY_LOSS_ON_INTERMEDIATE_FRAMES is true"
        )
    return plans


def scheduled_rate(config: Config, iteration: int) -> float:
    """The learning rate of the optimizer step number `iteration`, from 0.

    It is initial + k / warmup * (base - initial) for k <= warmup, then base, times the decay rates of all steps k has reached.
    """
    training, rate = config.training, config.training.base_lr
    if training.lr_scheduler == "none":
        return rate
    step = training.lr_schedulers.step
    warmup = training.lr_schedulers.warmup if training.lr_scheduler == "warmup" else step
    if iteration < warmup.warmup_iters:
        rate = warmup.warmup_lr_init + iteration / warmup.warmup_iters * (training.base_lr - warmup.warmup_lr_init)
    if training.lr_scheduler == "step":
        for at, decay in zip(step.steps, step.decay_rates, strict=True):
            rate *= decay if iteration >= at else 1
    return rate


def micro_batches(config: Config, num_processes: int, max_samples: int) -> tuple[int, int]:
    """Samples per micro-batch, at most `max_samples`, and micro-batches per process and iteration.

    Raises:
        HodorError: the batch can't be shared out equally, or would need accumulation that is switched off.
    """
    batch = config.training.batch_size
    if max_samples < 1:
        raise HodorError(f"--max_samples_per_gpu must be at least 1, not {max_samples}")
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

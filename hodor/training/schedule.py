"""Learning rates as functions of the iteration: nothing to save, nothing that could disagree with the configuration."""

from collections.abc import Sequence


def learning_rate(
    iteration: int,
    base: float,
    *,
    warmup_iterations: int = 0,
    warmup_initial: float = 0.0,
    steps: Sequence[int] = (),
    decay_rates: Sequence[float] = (),
) -> float:
    """The rate of one optimizer step.

    Args:
        iteration: number of the step, from 0.
        base: the rate after the warm-up.
        warmup_iterations: length of the linear warm-up; 0 for none.
        warmup_initial: the rate of iteration 0 in the warm-up.
        steps: iterations from which on the rate is multiplied by the `decay_rates` of the same place.
        decay_rates: as many as there are steps.

    Returns:
        initial + k / warmup * (base - initial) for k <= warmup, then base, times the rates of all steps k has reached.
    """
    rate = base
    if iteration < warmup_iterations:
        rate = warmup_initial + iteration / warmup_iterations * (base - warmup_initial)
    for step, decay in zip(steps, decay_rates, strict=True):
        if iteration >= step:
            rate *= decay
    return rate

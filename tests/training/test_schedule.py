"""The learning rates of the paper's recipes, iteration by iteration."""

from pathlib import Path

import pytest

from hodor.config import load_config
from hodor.training.recipe import scheduled_rate

CONFIGS = Path(__file__).parent.parent.parent / "configs"


@pytest.mark.parametrize(
    ("recipe", "rates"),
    [
        ("static", {0: 1e-7, 1: 1.0999e-7 + 1e-14, 5000: 5.005e-5, 9999: 9.999001e-5, 10000: 1e-4, 10001: 1e-4,
                    99999: 1e-4, 100000: 1e-5, 249999: 1e-5}),
        ("video_sparse", {0: 1e-8, 5000: 5.005e-6, 10000: 1e-5, 10001: 1e-5, 119999: 1e-5}),
        ("video_dense", {0: 1e-8, 5000: 5.005e-6, 10000: 1e-5, 10001: 1e-5, 99999: 1e-5}),
    ],
)  # fmt: skip
def test_the_papers_recipes(recipe, rates):
    config = load_config(CONFIGS / f"{recipe}.yaml")
    for iteration, rate in rates.items():
        assert scheduled_rate(config, iteration) == pytest.approx(rate, rel=1e-6), iteration


def test_the_defaults_have_two_steps():
    config = load_config(CONFIGS / "default.yaml")
    assert [scheduled_rate(config, k) for k in (0, 10000, 100000, 159999, 160000)] == pytest.approx(
        [5e-7, 1e-4, 1e-5, 1e-5, 1e-6]
    )


def test_without_warm_up():
    overrides = [("TRAINING.BASE_LR", "2.0"), ("TRAINING.LR_SCHEDULERS.STEP.WARMUP_ITERS", "0")]
    config = load_config(CONFIGS / "static.yaml", [*overrides, ("TRAINING.LR_SCHEDULERS.STEP.STEPS", "[3, 5]"),
                                                   ("TRAINING.LR_SCHEDULERS.STEP.DECAY_RATES", "[0.5, 0.1]")])  # fmt: skip
    assert [scheduled_rate(config, k) for k in (0, 2, 3, 4, 5)] == pytest.approx([2, 2, 1, 1, 0.1])


def test_none_is_constant():
    config = load_config(CONFIGS / "static.yaml", [("TRAINING.LR_SCHEDULER", "none")])
    assert {scheduled_rate(config, k) for k in (0, 1, 10000, 100000)} == {1e-4}

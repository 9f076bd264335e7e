"""From a configuration to what the trainer works with: every key acts, every mistake is named."""

from pathlib import Path

import pytest

from hodor.config import load_config
from hodor.errors import HodorError
from hodor.training.recipe import build_plans, micro_batches, scheduled_rate

CONFIGS = Path(__file__).parent.parent.parent / "configs"
RECIPES = sorted(CONFIGS.glob("**/*.yaml"))


def configured(recipe="static", **keys):
    overrides = [(f"TRAINING.{key.replace('__', '.')}", str(value)) for key, value in keys.items()]
    return load_config(CONFIGS / f"{recipe}.yaml", overrides)


def targets(config):
    return [[step.target for step in plan] for plan in build_plans(config)]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_file_builds_plans_and_a_schedule(path):
    config = load_config(path)
    assert build_plans(config)
    assert scheduled_rate(config, 10**7) <= config.training.base_lr
    assert micro_batches(config, 1, 2)[0] * micro_batches(config, 1, 2)[1] == config.training.batch_size


@pytest.mark.parametrize(("recipe", "all_frames"), [("static", True), ("video_dense", True), ("video_sparse", False)])
def test_the_papers_recipes(recipe, all_frames):
    config = configured(recipe)
    training = config.training
    assert training.apply_loss_on_intermediate_frames == all_frames
    assert training.detach_intermediate_masks and not training.activation_checkpointing
    assert targets(config) == [[0, 1, 0, 2, 1, 0]] * 2
    assert (training.loss_weights.dice, training.loss_weights.cross_entropy, training.dice) == (1.0, 1.0, "pooled")


@pytest.mark.parametrize(("others", "expected"), [(0, [[0]]), (1, [[0, 1, 0, 0]])])
def test_fewer_other_frames(others, expected):
    assert targets(configured(NUM_OTHER_FRAMES=others)) == expected


def test_cycles_of_the_users_choice():
    config = configured(NUM_OTHER_FRAMES=3, CYCLES='[["[0]->1; [1]->3 | [3]->0"], ["[0]->2"], ["[0]->0"]]')
    assert targets(config) == [[1, 3, 0], [2], [0]]


def test_schedules():
    assert scheduled_rate(configured(LR_SCHEDULER="none"), 0) == 1e-4
    warm = {"LR_SCHEDULER": "warmup", "LR_SCHEDULERS__WARMUP": "{WARMUP_ITERS: 10, WARMUP_LR_INIT: 0}"}
    rates = [scheduled_rate(configured(**warm), k) for k in (0, 5, 10, 100000)]
    assert rates == pytest.approx([0, 5e-5, 1e-4, 1e-4])
    step = {"LR_SCHEDULERS__STEP": "{WARMUP_ITERS: 4, WARMUP_LR_INIT: 2.0e-5, STEPS: [6, 8], DECAY_RATES: [0.5, 0.1]}"}
    rates = [scheduled_rate(configured(**step), k) for k in (0, 2, 5, 6, 8)]
    assert rates == pytest.approx([2e-5, 6e-5, 1e-4, 5e-5, 5e-6])


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"INTERMEDIATE_FRAME_GT_AVAILABLE": "false"}, "TRAINING.APPLY_LOSS_ON_INTERMEDIATE_FRAMES needs"),
        ({"DICE": "mean"}, "TRAINING.DICE must be pooled or per_object, not 'mean'"),
        ({"NUM_OTHER_FRAMES": 3}, "TRAINING.NUM_OTHER_FRAMES = 3 needs TRAINING.CYCLES"),
        ({"CYCLES": '[["[0]->5"]]'}, "TRAINING.CYCLES: cycle '[0]->5': there is no frame 5"),
        ({"CYCLES": '[["[0]->0"], []]'}, "TRAINING.CYCLES: a list of cycles is empty"),
        (
            {"CYCLES": '[["[0]->0"], ["[0]->1"]]', "APPLY_LOSS_ON_INTERMEDIATE_FRAMES": "false"},
            "TRAINING.CYCLES: a list of cycles never comes back to frame 0",
        ),
        ({"LR_SCHEDULER": "cosine"}, "TRAINING.LR_SCHEDULER must be none, warmup or step, not 'cosine'"),
        ({"LR_SCHEDULERS__STEP__STEPS": "[1, 2]"}, "STEPS and DECAY_RATES must be equally long"),
        ({"TOTAL_ITERATIONS": 0}, "TRAINING.TOTAL_ITERATIONS must be at least 1, not 0"),
        ({"BASE_LR": -1}, "TRAINING.BASE_LR must be at least 0, not -1"),
        ({"WEIGHT_DECAY": -0.1}, "TRAINING.WEIGHT_DECAY must be at least 0"),
        ({"SEED": -1}, "TRAINING.SEED must be at least 0, not -1"),
        ({"LOSS_WEIGHTS__DICE": -1}, "TRAINING.LOSS_WEIGHTS.DICE must be at least 0"),
        ({"LOSS_WEIGHTS": "{DICE: 0, CROSS_ENTROPY: 0}"}, "TRAINING.LOSS_WEIGHTS: DICE and CROSS_ENTROPY can't both be 0"),
        ({"LR_SCHEDULERS__STEP__WARMUP_ITERS": -1}, "TRAINING.LR_SCHEDULERS.STEP.WARMUP_ITERS must be at least 0"),
        ({"LR_SCHEDULERS__STEP__DECAY_RATES": "[-0.1]"}, "TRAINING.LR_SCHEDULERS.STEP.DECAY_RATES must be at least 0"),
        ({"VALIDATION__INTERVAL": -5}, "TRAINING.VALIDATION.INTERVAL must be at least 0, not -5"),
    ],
)
def test_mistakes_name_the_key(keys, message):
    with pytest.raises(HodorError) as caught:
        config = configured(**keys)
        config.check_training()
        build_plans(config)
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("batch", "processes", "most", "expected"),
    [
        (8, 1, 2, (2, 4)),
        (8, 2, 2, (2, 2)),
        (8, 4, 2, (2, 1)),
        (8, 8, 2, (1, 1)),
        (8, 1, 100, (8, 1)),
        (8, 1, 3, (2, 4)),
        (7, 1, 3, (1, 7)),
        (6, 2, 2, (1, 3)),
    ],
)
def test_samples_are_shared_out_exactly(batch, processes, most, expected):
    assert micro_batches(configured(BATCH_SIZE=batch), processes, most) == expected


@pytest.mark.parametrize(
    ("keys", "processes", "most", "message"),
    [
        ({}, 3, 2, "TRAINING.BATCH_SIZE = 8 can't be shared equally by 3 processes"),
        ({"BATCH_SIZE": 2}, 4, 2, "TRAINING.BATCH_SIZE = 2 can't be shared equally by 4 processes"),
        ({"BATCH_SIZE": 0}, 1, 2, "TRAINING.BATCH_SIZE must be at least 1, not 0"),
        ({}, 1, 0, "--max_samples_per_gpu must be at least 1, not 0"),
        ({"ACCUMULATE_GRADIENTS": "false"}, 2, 2, "8 is more than 2 processes x --max_samples_per_gpu 2"),
    ],
)
def test_batches_that_cant_be_shared_out(keys, processes, most, message):
    with pytest.raises(HodorError, match=message):
        micro_batches(configured(**keys), processes, most)
    assert micro_batches(configured(ACCUMULATE_GRADIENTS="false"), 4, 2) == (2, 1)

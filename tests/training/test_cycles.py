"""Cycles as data: the table of the paper, and what any cycle means."""

import random

import pytest
import torch

from hodor.training.cycles import DEFAULT_CYCLES, Step, parse_cycle, plan_cycles
from hodor.training.unroll import trackable

# Per kind of iteration: target, frames of the sources, and which step made each source's descriptors (None: the true masks).
TABLE = {
    0: [[(0, {0: None})]],
    1: [[(0, {0: None}), (1, {0: None}), (0, {1: 1}), (0, {0: None, 1: 1})]],
    2: [
        [(0, {0: None}), (1, {0: None}), (0, {1: 1}), (2, {1: 1}), (1, {2: 3}), (0, {1: 4})],
        [(0, {0: None}), (1, {0: None}), (0, {1: 1}), (2, {0: None, 1: 1}), (1, {2: 3}), (0, {1: 4, 2: 3})],
    ],
}


def planned(texts, num_frames):
    return plan_cycles([parse_cycle(text, num_frames) for text in texts])


@pytest.mark.parametrize("others", TABLE)
def test_the_table_of_the_paper(others):
    assert len(DEFAULT_CYCLES[others]) == len(TABLE[others])
    for texts, expected in zip(DEFAULT_CYCLES[others], TABLE[others], strict=True):
        steps = planned(texts, 1 + others)
        made = {step.descriptors: index for index, step in enumerate(steps) if step.descriptors is not None} | {0: None}
        found = [
            (step.target, dict(zip(step.source_frames[-1], (made[number] for number in step.sources), strict=True)))
            for step in steps
        ]
        assert found == expected
        used = {number for step in steps for number in step.sources}
        assert {step.descriptors for step in steps} - {None} == used - {0}
        assert all(step.descriptors is None for step in steps if step.target == 0)


def test_the_histories_of_the_last_steps():
    even, odd = (planned(texts, 3)[-1].source_frames for texts in DEFAULT_CYCLES[2])
    assert even == ((0,), (1,), (2,), (1,))
    assert odd == ((0,), (0, 1), (2,), (1, 2))


def literal(cycles, presence):
    """Follows the rules word by word: [(target, {source frame: its descriptors}, trackable)], descriptors as nested values."""
    results, made = [], {}
    for cycle in cycles:
        described = {0: "truth"}
        known = [True] * len(presence[0])
        for position, step in enumerate(cycle):
            for number in range(len(known)):
                if not any(presence[frame][number] for frame in step.sources):
                    known[number] = False
            trace = cycle[: position + 1]
            if not step.back and trace in made:
                descriptors = made[trace]
            else:
                sources = {frame: described[frame] for frame in step.sources}
                descriptors = (step.target, tuple(sorted(sources.items())), len(results))
                results.append((step.target, sources, tuple(known)))
                if not step.back:
                    made[trace] = descriptors
            if step.target != 0:
                described[step.target] = descriptors
    return results


def carried_out(steps, presence):
    """What a plan comes to, in the same terms."""
    results, made = [], {0: "truth"}
    tensor = torch.tensor(presence)[None]
    for index, step in enumerate(steps):
        sources = {frame: made[number] for frame, number in zip(step.source_frames[-1], step.sources, strict=True)}
        if step.descriptors is not None:
            made[step.descriptors] = (step.target, tuple(sorted(sources.items())), index)
        results.append((step.target, sources, tuple(trackable(tensor, step.source_frames)[0].tolist())))
    return results


def random_cycle(rng, frames, common):
    """A cycle that often begins like another one."""
    steps = list(rng.choice(common))[: rng.randint(0, 3)] if common else []
    while len(steps) < 6:
        described = sorted({0, *(step.target for step in steps)})
        sources = rng.sample(described, rng.randint(1, min(2, len(described))))
        steps.append(Step(tuple(sources), rng.randrange(frames)))
        if rng.random() < 0.25:
            break
    forward = rng.randint(1, len(steps))
    return tuple(step._replace(back=position >= forward) for position, step in enumerate(steps))


def forward_of(cycle):
    return [step for step in cycle if not step.back]


@pytest.mark.parametrize("seed", range(40))
def test_random_cycles_mean_what_the_rules_say(seed):
    rng = random.Random(seed)
    frames = rng.randint(2, 4)
    cycles = []
    for _ in range(rng.randint(2, 5)):
        cycles.append(random_cycle(rng, frames, [forward_of(cycle) for cycle in cycles]))
    presence = [[rng.random() < 0.7 for _ in range(3)] for _ in range(frames)]
    assert carried_out(plan_cycles(cycles), presence) == literal(cycles, presence)


def test_random_cycles_do_share_steps():
    rng = random.Random(0)
    shared = 0
    for _ in range(30):
        cycles = [random_cycle(rng, 3, [])]
        cycles += [random_cycle(rng, 3, [forward_of(cycles[0])]) for _ in range(2)]
        shared += sum(map(len, cycles)) > len(plan_cycles(cycles))
    assert shared > 10


def test_an_object_once_lost_stays_lost_in_its_cycle_only():
    presence = torch.tensor([[[True], [False], [True]]])
    steps = planned(["[0]->1; [1]->2 | [2]->1; [0]->2", "[0]->2 | [2]->1"], 3)
    assert [trackable(presence, step.source_frames).item() for step in steps] == [True, False, False, False, True, True]


def test_an_object_may_be_in_any_of_the_sources_and_samples_are_apart():
    presence = torch.tensor([[[True, False], [False, False]], [[False, True], [True, True]]])
    assert trackable(presence, [(0, 1)]).tolist() == [[True, False], [True, True]]


def test_texts_may_have_spaces():
    cycle = parse_cycle(" [ 0 ]->1 ;[0 , 1] -> 2;|[2]->0", 3)
    assert cycle == (Step((0,), 1), Step((0, 1), 2), Step((2,), 0, back=True))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no step forward"),
        ("| [0]->0", "no step forward"),
        ("[0]->1 | [1]->0 | [0]->0", "at most one bar"),
        ("0->1", "'0->1' is no step such as"),
        ("[]->1", "is no step such as"),
        ("[0]->1 [1]->0", "is no step such as"),
        ("[-1]->0", "is no step such as"),
        ("[0,0]->1", "names a frame twice"),
        ("[0]->3", "there is no frame 3, only 0..2"),
        ("[3]->0", "there is no frame 3, only 0..2"),
        ("[1]->0", "step [1]->0 uses frame 1, which no earlier step segments"),
        ("[0]->1 | [2]->0", "step [2]->0 uses frame 2"),
    ],
)
def test_bad_texts(text, message):
    with pytest.raises(ValueError) as caught:
        parse_cycle(text, 3)
    assert message in str(caught.value) and repr(text) in str(caught.value)

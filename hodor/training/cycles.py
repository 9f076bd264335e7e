"""Cycles: which frames are segmented from which, as data (HODOR section 3.5).

A cycle is a text such as `[0]->1; [1]->2 | [2]->1; [1]->0`. Each step decodes its target with the descriptors of its sources
and describes what it found. Frame 0 is the reference, whose descriptors come from its true masks. Steps left of the bar go
forward; cycles that begin with the same forward steps share them. Steps right of it go back and are never shared.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

DEFAULT_CYCLES: dict[int, tuple[tuple[str, ...], ...]] = {
    0: (("[0]->0",),),
    1: (("[0]->0", "[0]->1 | [1]->0", "[0]->1 | [0,1]->0"),),
    2: (
        ("[0]->0", "[0]->1 | [1]->0", "[0]->1; [1]->2 | [2]->1; [1]->0"),
        ("[0]->0", "[0]->1 | [1]->0", "[0]->1; [0,1]->2 | [2]->1; [1,2]->0"),
    ),
}
"""Number of other frames -> cycles for iterations 0, 1, ..., which take turns."""

_STEP = re.compile(r"\[\s*(\d+(?:\s*,\s*\d+)*)\s*\]\s*->\s*(\d+)")
REFERENCE = 0


class Step(NamedTuple):
    """One step of a cycle as written: frames whose descriptors are used, the frame to segment, and whether it goes back."""

    sources: tuple[int, ...]
    target: int
    back: bool = False


class PlannedStep(NamedTuple):
    """One step as carried out. Descriptors have numbers: 0 those of the reference's true masks, k those of the k-th step made.

    An object that is absent from all of the source frames of this or an earlier step of the cycle can't be followed here.
    """

    sources: tuple[int, ...]  # numbers of the descriptors to decode with
    target: int  # frame to segment
    descriptors: int | None  # number of the descriptors to make of the prediction; None where nobody needs them
    source_frames: tuple[tuple[int, ...], ...]  # those of this and all earlier steps of the cycle, one tuple per step


def parse_cycle(text: str, num_frames: int) -> tuple[Step, ...]:
    """Reads a cycle over frames 0..num_frames - 1.

    Raises:
        ValueError: the text is no cycle, or a step uses a frame that doesn't exist or isn't described yet.
    """
    forward, _, back = text.partition("|")
    written = [(part.strip(), False) for part in forward.split(";")] + [(part.strip(), True) for part in back.split(";")]
    steps: list[Step] = []
    described = {REFERENCE}
    for part, is_back in written:
        if not part:
            continue
        match = _STEP.fullmatch(part)
        if match is None:
            raise ValueError(f"cycle {text!r}: {part!r} is no step such as [0,1]->2; between steps stands ; or at most one bar")
        step = Step(tuple(int(number) for number in match[1].split(",")), int(match[2]), is_back)
        if len(set(step.sources)) != len(step.sources):
            raise ValueError(f"cycle {text!r}: step {part} names a frame twice")
        last = max(*step.sources, step.target)
        if last >= num_frames:
            raise ValueError(f"cycle {text!r}: there is no frame {last}, only 0..{num_frames - 1}")
        unknown = set(step.sources) - described
        if unknown:
            raise ValueError(f"cycle {text!r}: step {part} uses frame {min(unknown)}, which no earlier step segments")
        described.add(step.target)
        steps.append(step)
    if not steps or steps[0].back:
        raise ValueError(f"cycle {text!r}: there is no step forward")
    return tuple(steps)


def plan_cycles(cycles: Sequence[tuple[Step, ...]]) -> list[PlannedStep]:
    """The steps to carry out for some cycles, in order; shared ones once."""
    planned: list[PlannedStep] = []
    shared: dict[tuple[Step, ...], int] = {}  # the number of the last one of some steps forward
    for cycle in cycles:
        latest = {REFERENCE: 0}  # the number of each frame's descriptors
        for length, step in enumerate(cycle, start=1):
            number = shared.get(cycle[:length])
            if number is None:
                number = len(planned) + 1
                sources = tuple(latest[frame] for frame in step.sources)
                planned.append(PlannedStep(sources, step.target, number, tuple(each.sources for each in cycle[:length])))
                if not step.back:
                    shared[cycle[:length]] = number
            if step.target != REFERENCE:
                latest[step.target] = number
    used = {source for step in planned for source in step.sources}
    return [step if step.descriptors in used else step._replace(descriptors=None) for step in planned]

"""Cycles: which frames are segmented from which, as data (HODOR section 3.5).

A cycle is a text such as `[0]->1; [1]->2 | [2]->1; [1]->0`. Each step decodes its target with the descriptors of its sources
and describes what it found. Frame 0 is the reference, whose descriptors come from its true masks. Steps left of the bar go
forward; cycles that begin with the same forward steps share them. Steps right of it go back and are never shared.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Step:
    """One step of a cycle as written: frames whose descriptors are used, and the frame to segment."""

    sources: tuple[int, ...]
    target: int

    def __str__(self) -> str:
        return f"[{','.join(map(str, self.sources))}]->{self.target}"


@dataclass(frozen=True)
class PlannedStep:
    """One step as carried out. Descriptors have numbers: 0 those of the reference's true masks, k those of the k-th step made.

    Attributes:
        sources: numbers of the descriptors to decode with.
        target: frame to segment.
        descriptors: number of the descriptors to make of the prediction; None where nobody needs them.
        source_frames: the frames used by this and all earlier steps of the cycle, one tuple per step; an object that is absent
            from all frames of one of them can't be followed here.
    """

    sources: tuple[int, ...]
    target: int
    descriptors: int | None
    source_frames: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Cycle:
    """Steps forward, which cycles with the same beginning share, and steps back."""

    forward: tuple[Step, ...]
    backward: tuple[Step, ...]


def parse_cycle(text: str, num_frames: int) -> Cycle:
    """Reads a cycle over frames 0..num_frames - 1.

    Raises:
        ValueError: the text is no cycle, or a step uses a frame that doesn't exist or isn't described yet.
    """
    parts = text.split("|")
    if len(parts) > 2:
        raise ValueError(f"cycle {text!r}: at most one bar, between the steps forward and the steps back")
    forward, backward = (_parse_steps(part, text) for part in (*parts, "")[:2])
    if not forward:
        raise ValueError(f"cycle {text!r}: there is no step forward")
    described = {REFERENCE}
    for step in (*forward, *backward):
        for frame in (*step.sources, step.target):
            if frame >= num_frames:
                raise ValueError(f"cycle {text!r}: there is no frame {frame}, only 0..{num_frames - 1}")
        unknown = set(step.sources) - described
        if unknown:
            raise ValueError(f"cycle {text!r}: step {step} uses frame {min(unknown)}, which no earlier step segments")
        described.add(step.target)
    return Cycle(forward, backward)


def plan_cycles(cycles: Sequence[Cycle]) -> list[PlannedStep]:
    """The steps to carry out for some cycles, in order; shared ones once."""
    planned: list[tuple[Step, tuple[int, ...], tuple[tuple[int, ...], ...]]] = []
    made_by: dict[tuple[Step, ...], int] = {}
    for cycle in cycles:
        descriptors = {REFERENCE: 0}
        source_frames: tuple[tuple[int, ...], ...] = ()
        for position, step in enumerate((*cycle.forward, *cycle.backward)):
            source_frames = (*source_frames, step.sources)
            beginning = cycle.forward[: position + 1] if position < len(cycle.forward) else None
            number = made_by.get(beginning) if beginning else None
            if number is None:
                planned.append((step, tuple(descriptors[frame] for frame in step.sources), source_frames))
                number = len(planned)
                if beginning:
                    made_by[beginning] = number
            if step.target != REFERENCE:
                descriptors[step.target] = number
    used = {source for _, sources, _ in planned for source in sources}
    return [
        PlannedStep(sources, step.target, number if number in used else None, source_frames)
        for number, (step, sources, source_frames) in enumerate(planned, start=1)
    ]


def _parse_steps(text: str, whole: str) -> tuple[Step, ...]:
    steps = []
    for part in filter(None, (part.strip() for part in text.split(";"))):
        match = _STEP.fullmatch(part)
        if match is None:
            raise ValueError(f"cycle {whole!r}: {part!r} is no step such as [0,1]->2")
        sources = tuple(int(number) for number in match[1].split(","))
        if len(set(sources)) != len(sources):
            raise ValueError(f"cycle {whole!r}: step {part!r} names a frame twice")
        steps.append(Step(sources, int(match[2])))
    return tuple(steps)

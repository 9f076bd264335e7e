"""Outlines that bend: a body and limbs, each given by its radius in every direction."""

from dataclasses import dataclass

import cv2
import numpy as np

_KINDS = ("ellipse", "polygon", "star", "blob", "ring")
_DIRECTIONS = 256
_ANGLES = np.arange(_DIRECTIONS) * (2 * np.pi / _DIRECTIONS)
REACH = 1.9  # no point of a shape lies farther from its centre, in units of its radius


@dataclass(frozen=True)
class Part:
    """One outline.

    Attributes:
        radii: `[256]` distance of the outline from the part's centre by direction, about 1.
        wobble: rows of (waves around the outline, strength, phase, radians per frame).
        hole: the part of the radius that is cut out of the middle, 0 for none.
        size: of the part, in units of the body's radius.
        direction: where it sits on the body, in radians.
        distance: of its centre from the body's.
        swing: (amplitude in radians, phase, radians per frame) of its turning about where it sits.
    """

    radii: np.ndarray
    wobble: np.ndarray
    hole: float = 0.0
    size: float = 1.0
    direction: float = 0.0
    distance: float = 0.0
    swing: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def inside(self, x: np.ndarray, y: np.ndarray, time: float) -> np.ndarray:
        """How far points lie inside the outline, negative outside, in units of the body's radius.

        Args:
            x: `[H, W]` float32, to the right of the body's centre in units of its radius.
            y: the same, downwards.
            time: the frame.
        """
        amplitude, phase, speed = self.swing
        angle = self.direction + amplitude * np.sin(phase + speed * time)
        cosine, sine = float(np.cos(angle)), float(np.sin(angle))
        along, across = x * cosine + y * sine - self.distance, y * cosine - x * sine
        distance, direction = cv2.cartToPolar(along, across)
        waves, strengths, phases, speeds = self.wobble.T[..., None]
        bent = self.radii * (1 + (strengths * np.cos(waves * _ANGLES + phases + speeds * time)).sum(axis=0))
        position = direction * np.float32(_DIRECTIONS / (2 * np.pi))
        radius = _looked_up((self.size * bent).astype(np.float32), position)
        depth = radius - distance
        return np.minimum(depth, distance - self.hole * radius) if self.hole else depth


@dataclass(frozen=True)
class Shape:
    """A body and its limbs.

    Attributes:
        parts: the body first.
    """

    parts: tuple[Part, ...]

    def inside(self, x: np.ndarray, y: np.ndarray, time: float) -> np.ndarray:
        """How far points `[H, W]` lie inside, negative outside, in units of the radius; arguments as in `Part.inside`."""
        depth = self.parts[0].inside(x, y, time)
        for part in self.parts[1:]:
            np.maximum(depth, part.inside(x, y, time), out=depth)
        return depth


def draw_shape(random: np.random.Generator) -> Shape:
    """Draws a shape of random kind, with up to three limbs."""
    kind = _KINDS[random.integers(len(_KINDS))]
    body = Part(_radii(random, kind), _draw_wobble(random, 0.10), hole=random.uniform(0.4, 0.55) if kind == "ring" else 0.0)
    limbs = 0 if kind == "ring" else int(random.choice([0, 0, 1, 2, 3]))
    first = random.uniform(0, 2 * np.pi)
    return Shape((body, *(_draw_limb(random, first + 2 * np.pi * i / max(limbs, 1)) for i in range(limbs))))


def _draw_limb(random: np.random.Generator, direction: float) -> Part:
    thickness = random.uniform(0.3, 0.5)
    radii = thickness / np.sqrt((thickness * np.cos(_ANGLES)) ** 2 + np.sin(_ANGLES) ** 2)
    swing = (random.uniform(0.2, 0.6), random.uniform(0, 2 * np.pi), random.uniform(0.2, 0.6))
    return Part(radii, _draw_wobble(random, 0.04), 0.0, random.uniform(0.45, 0.6), direction, random.uniform(0.85, 1.0), swing)


def _draw_wobble(random: np.random.Generator, strength: float) -> np.ndarray:
    count = 3
    return np.stack(
        [
            np.arange(2, 2 + count),
            random.uniform(0.2, 1.0, count) * strength,
            random.uniform(0, 2 * np.pi, count),
            random.uniform(-0.5, 0.5, count),
        ],
        axis=1,
    )


def _radii(random: np.random.Generator, kind: str) -> np.ndarray:
    """The outline `[256]` of a body."""
    if kind in {"ellipse", "ring"}:
        ratio = random.uniform(0.5, 1.0)
        return ratio / np.sqrt((ratio * np.cos(_ANGLES)) ** 2 + np.sin(_ANGLES) ** 2)
    if kind == "blob":
        waves = np.arange(2, 6)[:, None]
        return 0.85 + (random.uniform(0.02, 0.12, (4, 1)) * np.cos(waves * _ANGLES + random.uniform(0, 2 * np.pi, (4, 1)))).sum(
            axis=0
        )
    corners = int(random.integers(3, 7)) if kind == "polygon" else int(random.integers(4, 8))
    step = np.pi / corners
    from_edge = np.abs((_ANGLES % (2 * step)) - step)
    if kind == "polygon":
        return np.cos(step) / np.cos(from_edge)
    inner = random.uniform(0.4, 0.6)
    return inner + (1.05 - inner) * from_edge / step


def _looked_up(table: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Values of a table that closes on itself at fractional positions `[H, W]` in 0..len(table), linearly between entries."""
    closed = np.append(table, table[:2])[None]
    return cv2.remap(closed, position, np.zeros_like(position), cv2.INTER_LINEAR)

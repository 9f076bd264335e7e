"""Things that move and bend: an outline of a body and limbs, a smooth path through time, and how both are painted."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike

_KINDS = ("ellipse", "polygon", "star", "blob", "ring")
_DIRECTIONS = 256
_ANGLES = np.arange(_DIRECTIONS) * (2 * np.pi / _DIRECTIONS)
REACH = 1.9  # no point of a shape lies farther from its centre, in units of its radius


def swaying(waves: ArrayLike, time: float) -> np.ndarray:
    """One wave (amplitude, phase, radians per frame) or rows of them, at a frame."""
    amplitude, phase, speed = np.transpose(waves)
    return np.asarray(amplitude * np.sin(phase + speed * time))


@dataclass(frozen=True)
class Shape:
    """A body with its limbs, or a limb. Lengths are in units of the body's radius.

    `radii` [256] are distances of the outline from its own centre by direction, about 1; `wobble` has rows of (waves around the
    outline, strength, phase, radians per frame); `hole` is the part of the radius that is cut out of the middle. A limb of some
    `size` sits on the body in a `direction`, in radians, its centre at a `distance` from the body's, and swings about that: a
    wave (radians, phase, radians per frame).
    """

    radii: np.ndarray
    wobble: np.ndarray
    hole: float = 0.0
    limbs: tuple["Shape", ...] = ()
    size: float = 1.0
    direction: float = 0.0
    distance: float = 0.0
    swing: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def inside(self, x: np.ndarray, y: np.ndarray, time: float) -> np.ndarray:
        """How far points lie inside the outline, negative outside; `x` and `y` `[H, W]` count from the body's centre."""
        angle = self.direction + swaying(self.swing, time)
        cosine, sine = float(np.cos(angle)), float(np.sin(angle))
        along, across = x * cosine + y * sine - self.distance, y * cosine - x * sine
        distance, direction = cv2.cartToPolar(along, across)
        waves, strengths, phases, speeds = self.wobble.T[..., None]
        bent = self.size * (self.radii * (1 + (strengths * np.cos(waves * _ANGLES + phases + speeds * time)).sum(axis=0)))
        position = direction * np.float32(_DIRECTIONS / (2 * np.pi))
        closed = np.append(bent, bent[:2]).astype(np.float32)[None]
        radius = cv2.remap(closed, position, np.zeros_like(position), cv2.INTER_LINEAR)
        depth = radius - distance
        if self.hole:
            depth = np.minimum(depth, distance - self.hole * radius)
        for limb in self.limbs:
            np.maximum(depth, limb.inside(x, y, time), out=depth)
        return depth


def draw_shape(random: np.random.Generator) -> Shape:
    """Draws a shape of random kind, with up to three limbs."""
    kind = _KINDS[random.integers(len(_KINDS))]
    radii, wobble = _radii(random, kind), _draw_wobble(random, 0.10)
    hole = random.uniform(0.4, 0.55) if kind == "ring" else 0.0
    count = 0 if kind == "ring" else int(random.choice([0, 0, 1, 2, 3]))
    first = random.uniform(0, 2 * np.pi)
    return Shape(radii, wobble, hole, tuple(_draw_limb(random, first + 2 * np.pi * i / count) for i in range(count)))


def _draw_limb(random: np.random.Generator, direction: float) -> Shape:
    radii = _ellipse(random.uniform(0.3, 0.5))
    swing = (random.uniform(0.2, 0.6), random.uniform(0, 2 * np.pi), random.uniform(0.2, 0.6))
    wobble = _draw_wobble(random, 0.04)
    return Shape(radii, wobble, 0.0, (), random.uniform(0.45, 0.6), direction, random.uniform(0.85, 1.0), swing)


def _draw_wobble(random: np.random.Generator, strength: float) -> np.ndarray:
    strengths, phases = random.uniform(0.2, 1.0, 3) * strength, random.uniform(0, 2 * np.pi, 3)
    return np.stack([np.arange(2, 5), strengths, phases, random.uniform(-0.5, 0.5, 3)], axis=1)


def _ellipse(ratio: float) -> np.ndarray:
    return ratio / np.sqrt((ratio * np.cos(_ANGLES)) ** 2 + np.sin(_ANGLES) ** 2)


def _radii(random: np.random.Generator, kind: str) -> np.ndarray:
    """The outline `[256]` of a body."""
    if kind in {"ellipse", "ring"}:
        return _ellipse(random.uniform(0.5, 1.0))
    if kind == "blob":
        strengths, phases = random.uniform(0.02, 0.12, (4, 1)), random.uniform(0, 2 * np.pi, (4, 1))
        return 0.85 + (strengths * np.cos(np.arange(2, 6)[:, None] * _ANGLES + phases)).sum(axis=0)
    corners = int(random.integers(3, 7)) if kind == "polygon" else int(random.integers(4, 8))
    step = np.pi / corners
    from_edge = np.abs((_ANGLES % (2 * step)) - step)
    if kind == "polygon":
        return np.cos(step) / np.cos(from_edge)
    inner = random.uniform(0.4, 0.6)
    return inner + (1.05 - inner) * from_edge / step


class Thing:
    """Something that moves on a random path; about every third leaves the frame and returns."""

    def __init__(
        self,
        random: np.random.Generator,
        shape: Shape,
        *,
        label: int,
        home: np.ndarray,
        radius: float,
        frame_size: np.ndarray,
        textures: Sequence[np.ndarray],
        light: np.ndarray,
    ) -> None:
        """Draws its path, from `home`, (x, y) in pixels, and chooses one of `textures`.

        These are [S, S, 3] float32 in 0..255 and continue at their borders. `label` is its id, 0 for things that are nobody's
        object; `radius` the mean in pixels; `frame_size` (width, height); `light` (x, y) where light comes from, of length 1.
        """
        self.label, self.shape, self.radius, self._home, self._light = label, shape, radius, home, light
        strengths = random.uniform(0.08, 0.24, 2) * frame_size
        phases = random.uniform(0, 2 * np.pi, 2)
        towards_middle = np.where((home > frame_size / 2) == (np.sin(phases) > 0), 1, -1)
        self._sway = np.stack([strengths * towards_middle, phases, 2 * np.pi / random.uniform(16, 40, 2)], axis=1)
        self._excursion = np.zeros(2)  # from home to where it is half-way through every `_excursion_frames`
        if random.random() < 0.3:
            heading = random.uniform(0, 2 * np.pi)
            direction = np.array([np.cos(heading), np.sin(heading)])
            to_border = np.where(direction > 0, frame_size - home, home) / np.maximum(np.abs(direction), 1e-6)
            self._excursion = direction * (to_border.min() + 2.5 * radius + strengths.max())
        strengths = random.uniform((0, 0.05, 0.05), (0.2, 0.25, 0.25))  # of changes in size, along and across
        self._pulse = np.stack([strengths, random.uniform(0, 2 * np.pi, 3), random.uniform(0.1, 0.35, 3)], axis=1)
        self._excursion_frames = random.uniform(18, 40)
        self._angle, self._spin = random.uniform(0, 2 * np.pi), random.normal(0, 0.06)
        self.texture = textures[int(random.integers(len(textures)))]
        self._place_on_texture = random.uniform(0, len(self.texture), 2).astype(np.float32)

    def pose(self, time: float) -> tuple[float, float, float, float, float, float]:
        """At a frame: centre (x, y) and radius in pixels, angle in radians, radius along and across as factors."""
        amplitude, phase, speed = self._sway.T
        away = np.sin(np.pi * time / self._excursion_frames) ** 2
        x, y = self._home + amplitude * (np.sin(phase + speed * time) - np.sin(phase)) + away * self._excursion
        size, along, across = 1 + swaying(self._pulse, time)
        return float(x), float(y), float(self.radius * size), self._angle + self._spin * time, float(along), float(across)

    def paint(self, time: int, labels: np.ndarray, picture: np.ndarray | None = None) -> None:
        """Draws it over what is there: its id into `labels` `[H, W]`, its looks into `picture` `[H, W, 3]`."""
        centre_x, centre_y, radius, angle, along, across = self.pose(time)
        reach = REACH * radius * max(along, across) + 1
        left, right = max(0, int(centre_x - reach)), min(labels.shape[1], int(centre_x + reach) + 2)
        top, bottom = max(0, int(centre_y - reach)), min(labels.shape[0], int(centre_y + reach) + 2)
        if left >= right or top >= bottom:
            return
        columns, rows = np.meshgrid(
            np.arange(left, right, dtype=np.float32) - np.float32(centre_x),
            np.arange(top, bottom, dtype=np.float32) - np.float32(centre_y),
        )
        cosine, sine = float(np.cos(angle)), float(np.sin(angle))
        x = (columns * cosine + rows * sine) * np.float32(1 / (radius * along))
        y = (rows * cosine - columns * sine) * np.float32(1 / (radius * across))
        depth = self.shape.inside(x, y, time) * np.float32(radius * min(along, across))
        labels[top:bottom, left:right][depth > 0] = self.label
        if picture is not None:
            below = picture[top:bottom, left:right]
            coverage = np.clip(depth + 0.5, 0, 1)[..., None]
            shadow = np.clip(1 + depth / (2 + 0.15 * radius), 0, 1)[..., None]
            scale = np.float32(len(self.texture) / 4)
            place = x * scale + self._place_on_texture[0], y * scale + self._place_on_texture[1]
            surface = cv2.remap(self.texture, *place, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
            light = columns * np.float32(self._light[0]) + rows * np.float32(self._light[1])  # and darker at the outline
            shade = 0.68 + 0.37 * np.clip(depth / np.float32(0.4 * radius), 0, 1) + light * np.float32(0.28 / radius)
            surface *= shade.astype(np.float32)[..., None]
            below *= 1 - 0.35 * shadow
            below += coverage * (surface - below)

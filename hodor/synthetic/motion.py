"""Where things are at any time: smooth paths that go out of the picture and come back, turning, growing, squeezing."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Pose:
    """Where a thing is: centre (x, y) and radius in pixels, angle in radians, radius along and across as factors."""

    x: float
    y: float
    radius: float
    angle: float
    along: float
    across: float


@dataclass(frozen=True)
class Motion:
    """A path through time. All waves are rows of (amplitude, phase, radians per frame).

    Attributes:
        home: (x, y) in pixels at frame 0.
        radius: in pixels, on average.
        sway: `[2, 3]` waves of x and y in pixels.
        excursion: (x, y) in pixels from home, reached half-way through every `excursion_frames`.
        excursion_frames: how long it is away.
        angle: at frame 0, in radians.
        spin: radians per frame.
        pulse: `[3, 3]` waves of the radius, the stretch along and the stretch across, relative.
    """

    home: np.ndarray
    radius: float
    sway: np.ndarray
    excursion: np.ndarray
    excursion_frames: float
    angle: float
    spin: float
    pulse: np.ndarray

    def pose(self, time: float) -> Pose:
        """The pose at a frame."""
        amplitude, phase, speed = self.sway.T
        away = np.sin(np.pi * time / self.excursion_frames) ** 2
        x, y = self.home + amplitude * (np.sin(phase + speed * time) - np.sin(phase)) + away * self.excursion
        amplitude, phase, speed = self.pulse.T
        size, along, across = 1 + amplitude * np.sin(phase + speed * time)
        return Pose(float(x), float(y), float(self.radius * size), self.angle + self.spin * time, float(along), float(across))


def draw_motion(random: np.random.Generator, home: np.ndarray, radius: float, frame_size: np.ndarray) -> Motion:
    """Draws a path that starts at `home`; about every third leaves the frame and returns.

    Args:
        random: where the choices come from.
        home: (x, y) in pixels.
        radius: in pixels.
        frame_size: (width, height).
    """
    strengths = random.uniform(0.08, 0.24, 2) * frame_size
    phases = random.uniform(0, 2 * np.pi, 2)
    towards_middle = np.where((home > frame_size / 2) == (np.sin(phases) > 0), 1, -1)
    sway = np.stack([strengths * towards_middle, phases, 2 * np.pi / random.uniform(16, 40, 2)], axis=1)
    excursion = np.zeros(2)
    if random.random() < 0.3:
        heading = random.uniform(0, 2 * np.pi)
        direction = np.array([np.cos(heading), np.sin(heading)])
        to_border = np.where(direction > 0, frame_size - home, home) / np.maximum(np.abs(direction), 1e-6)
        excursion = direction * (to_border.min() + 2.5 * radius + strengths.max())
    pulse = np.stack(
        [random.uniform((0, 0.05, 0.05), (0.2, 0.25, 0.25)), random.uniform(0, 2 * np.pi, 3), random.uniform(0.1, 0.35, 3)],
        axis=1,
    )
    return Motion(
        home, radius, sway, excursion, random.uniform(18, 40), random.uniform(0, 2 * np.pi), random.normal(0, 0.06), pulse
    )

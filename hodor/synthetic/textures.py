"""Colours and surfaces of a scene. One small set of colours serves everything in it, so that no colour gives an object away."""

import cv2
import numpy as np

PALETTE_SIZE = 9
_KINDS = {"noise": 0.3, "marble": 0.2, "spots": 0.2, "stripes": 0.2, "checks": 0.1}
_GROUND_KINDS = {"noise": 0.5, "marble": 0.3, "stripes": 0.1, "checks": 0.1}


def scene_palette(random: np.random.Generator) -> np.ndarray:
    """Draws the colours of a scene: muted ones, of two ranges of hues, dark to light. `[9, 3]` float32 in 0..255."""
    hues = (random.uniform(0, 180) + random.normal(0, 30, PALETTE_SIZE) + 75 * (random.random(PALETTE_SIZE) < 0.4)) % 180
    saturations = random.uniform(15, 135, PALETTE_SIZE)
    values = np.linspace(60, 220, PALETTE_SIZE) + random.uniform(-15, 15, PALETTE_SIZE)
    colours = np.stack([hues, saturations, values], axis=1).astype(np.uint8)
    return cv2.cvtColor(colours[None], cv2.COLOR_HSV2RGB)[0].astype(np.float32)


def draw_texture(
    random: np.random.Generator, palette: np.ndarray, size: int, detail: int, *, ground: bool = False
) -> np.ndarray:
    """Draws a surface that continues at its borders: one colour with markings in two others.

    Args:
        random: where the choices come from.
        palette: `[N, 3]` colours in 0..255, of which it takes three.
        ground: calmer, as what lies behind everything.
        size: its height and width.
        detail: how many features (spots, stripes) fit along a side.

    Returns:
        `[size, size, 3]` float32 in 0..255.
    """
    kinds = _GROUND_KINDS if ground else _KINDS
    height = _pattern(random, str(random.choice(list(kinds), p=list(kinds.values()))), size, detail)
    colours = palette[random.permutation(len(palette))[:3]]
    levels = np.array([random.uniform(0.45, 0.6), random.uniform(0.65, 0.8)])[:, None, None]
    steps = np.clip((height - levels) * random.uniform(4, 16) + 0.5, 0, 1)[..., None]
    surface = colours[0] + (0.4 if ground else 0.7) * steps[0] * (colours[1] - colours[0])
    surface += (0.4 if ground else 0.7) * steps[1] * (colours[2] - surface)
    grain = 0.5 * _noise(random, size, detail * 6) + 0.5 * _noise(random, size, detail * 3) - 0.5
    surface += 70 * grain[..., None] + 40 * (_noise(random, size, 3) - 0.5)[..., None]
    return np.clip(surface, 0, 255).astype(np.float32)


def _pattern(random: np.random.Generator, kind: str, size: int, detail: int) -> np.ndarray:
    """A scalar field `[size, size]` around 0.5."""
    rough = 0.6 * _noise(random, size, detail) + 0.4 * _noise(random, size, 2 * detail)
    if kind == "noise":
        return rough
    if kind == "marble":
        return 1 - 2.5 * np.abs(rough - 0.5)
    x, y = np.meshgrid(np.arange(size) / size, np.arange(size) / size)
    bend = 1.5 * rough
    if kind == "stripes":
        slope = int(random.integers(-detail // 2, detail // 2 + 1))
        return 0.5 + 0.4 * np.sin(2 * np.pi * (detail * x + slope * y + bend))
    waves = np.sin(2 * np.pi * (detail / 2 * x * 2 + 0.3 * bend)) * np.sin(2 * np.pi * (detail / 2 * y * 2 + 0.3 * bend))
    return 0.5 + 0.4 * np.sign(waves) * np.abs(waves) ** (0.3 if kind == "checks" else 1.0)


def _noise(random: np.random.Generator, size: int, cells: int) -> np.ndarray:
    """Smooth random values in about 0..1 with `cells` hills along a side, continuing at the borders. `[size, size]` float32."""
    cells = max(2, min(cells, size))
    grid = np.pad(random.random((cells, cells), dtype=np.float32), 2, mode="wrap")
    positions = (2 + np.arange(size, dtype=np.float32) * cells / size).astype(np.float32)
    columns, rows = np.meshgrid(positions, positions)
    return cv2.remap(grid, columns, rows, cv2.INTER_CUBIC)

"""What there is in a clip: the colours, the ground, the light, the things and their order from back to front."""

from functools import cached_property

import cv2
import numpy as np

from hodor.synthetic.things import REACH, Thing, draw_shape, swaying

_PALETTE_SIZE = 9
_KINDS = {"noise": 0.3, "marble": 0.2, "spots": 0.2, "stripes": 0.2, "checks": 0.1}
_GROUND_KINDS = {"noise": 0.5, "marble": 0.3, "stripes": 0.1, "checks": 0.1}
_TEXTURE = 128  # pixels along a side of a thing's texture
_COVER = 0.38  # of the frame by all objects together, if they didn't overlap
_MIN_RADIUS = 2.5
_CLUTTER = 8
_MAX_TEXTURES = 8


class World:
    """A random scene: `things`, from back to front, before a ground over which the camera moves, in a light that flickers."""

    def __init__(self, random: np.random.Generator, height: int, width: int, objects: int) -> None:
        """Draws one with `objects` objects, labelled from 1 on, and a few things that look like them but are none."""
        self._size = height, width
        frame_size = np.array([width, height], dtype=np.float64)
        palette = _scene_palette(random)
        heading = random.uniform(0, 2 * np.pi)
        self._light = np.array([np.cos(heading), np.sin(heading)])  # the direction that it comes from
        count = objects + int(random.integers(1, 3)) + objects // 6
        textures = [
            _draw_texture(random, palette, _TEXTURE, int(random.integers(4, 11)), kinds=_KINDS, strength=0.7)
            for _ in range(int(np.clip((count + 1) // 2, 2, _MAX_TEXTURES)))
        ]
        mean_radius = np.sqrt(_COVER * width * height / (np.pi * objects))
        homes = _spread(random, count, frame_size)
        things: list[Thing] = []
        for index in range(count):
            radius = max(_MIN_RADIUS, min(mean_radius * random.uniform(0.6, 1.15), 0.33 * min(width, height)))
            twin = index >= objects and random.random() < 0.5
            shape = things[int(random.integers(objects))].shape if twin else draw_shape(random)
            label, radius = (index + 1, radius) if index < objects else (0, 0.8 * radius)
            home, light = homes[index], self._light
            thing = Thing(
                random, shape, label=label, home=home, radius=radius, frame_size=frame_size, textures=textures, light=light
            )
            things.append(thing)
        self.things = [things[index] for index in random.permutation(count)]
        self._ground = _draw_ground(random, palette, textures, int(np.clip(1.7 * max(height, width), 96, 1024)))
        strengths = random.uniform(0.3, 1.0, 4) * (0.2 * width, 0.2 * height, 0.12, 0.1)  # of x, y, angle and zoom
        self._camera = np.stack([strengths, *random.uniform((0, 0.1), (6.28, 0.3), (4, 2)).T], axis=1)
        self._flicker = random.uniform((0.0, 0, 0.1), (0.1, 6.28, 0.6))

    def picture_and_labels(self, time: int) -> tuple[np.ndarray, np.ndarray]:
        """One frame: picture `[H, W, 3]` float32 around 0..255 and labels `[H, W]` uint8."""
        picture = self._ground_at(time)
        labels = np.zeros(self._size, np.uint8)
        for thing in self.things:
            thing.paint(time, labels, picture)
        height, width = self._size
        across = np.linspace(-1, 1, width, dtype=np.float32) * np.float32(self._light[0])
        down = np.linspace(-1, 1, height, dtype=np.float32) * np.float32(self._light[1])
        level = np.float32(1 + swaying(self._flicker, time))
        return picture * (level + 0.12 * (across[None] + down[:, None]))[..., None], labels

    @cached_property
    def least_visible(self) -> float:
        """The smallest part of any object that is seen in frame 0, about 0..1."""
        together = np.zeros(self._size, np.uint8)
        for thing in self.things:
            thing.paint(0, together)
        parts = []
        for thing in self.things:
            if thing.label:
                alone = np.zeros_like(together)
                thing.paint(0, alone)
                expected = max(4.0, 2 * thing.radius**2, float(np.count_nonzero(alone)))
                parts.append(np.count_nonzero(together == thing.label) / expected)
        return min(parts)

    def _ground_at(self, time: float) -> np.ndarray:
        """What the camera sees behind all things, `[H, W, 3]` float32 in 0..255."""
        x, y, angle, zoom = swaying(self._camera, time)
        height, width = self._size
        cosine, sine = np.cos(angle) * (1 + zoom), np.sin(angle) * (1 + zoom)
        centre = len(self._ground) / 2
        left, top = centre + x - cosine * width / 2 + sine * height / 2, centre + y - sine * width / 2 - cosine * height / 2
        matrix = np.array([[cosine, -sine, left], [sine, cosine, top]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(self._ground, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_WRAP)


def _spread(random: np.random.Generator, count: int, frame_size: np.ndarray) -> np.ndarray:
    """`[count, 2]` places in the frame that keep their distance: each the best of twelve candidates."""
    places = np.empty((0, 2))
    for _ in range(count):
        candidates = random.uniform(0.12, 0.88, (12, 2)) * frame_size
        gaps = np.linalg.norm(candidates[:, None] - places[None], axis=2).min(axis=1, initial=np.inf)
        places = np.append(places, candidates[[int(gaps.argmax())]], axis=0)
    return places


def _draw_ground(random: np.random.Generator, palette: np.ndarray, textures: list[np.ndarray], size: int) -> np.ndarray:
    """The ground `[size, size, 3]`: a coarse texture, strewn with patches of the things' own textures."""
    ground = _draw_texture(random, palette, size, int(random.integers(5, 12)), kinds=_GROUND_KINDS, strength=0.4)
    for _ in range(_CLUTTER):
        shape, radius = draw_shape(random), size * random.uniform(0.04, 0.09)
        reach = int(radius * REACH) + 1
        side = 2 * reach
        left, top = random.integers(0, size - side, 2)
        y, x = ((np.mgrid[:side, :side] - reach) / radius).astype(np.float32)
        coverage = np.clip(shape.inside(x, y, 0.0) * radius + 0.5, 0, 1)[..., None]
        tiles = -(-side // _TEXTURE)
        patch = np.tile(textures[int(random.integers(len(textures)))], (tiles, tiles, 1))[:side, :side]
        below = ground[top : top + side, left : left + side]
        below += coverage * 0.7 * (0.9 * patch - below)
    return ground


def _scene_palette(random: np.random.Generator) -> np.ndarray:
    """Draws the colours of a scene: muted ones, of two ranges of hues, dark to light. `[9, 3]` float32 in 0..255."""
    hues = (random.uniform(0, 180) + random.normal(0, 30, _PALETTE_SIZE) + 75 * (random.random(_PALETTE_SIZE) < 0.4)) % 180
    saturations = random.uniform(15, 135, _PALETTE_SIZE)
    values = np.linspace(60, 220, _PALETTE_SIZE) + random.uniform(-15, 15, _PALETTE_SIZE)
    colours = np.stack([hues, saturations, values], axis=1).astype(np.uint8)
    return cv2.cvtColor(colours[None], cv2.COLOR_HSV2RGB)[0].astype(np.float32)


def _draw_texture(
    random: np.random.Generator, palette: np.ndarray, size: int, detail: int, *, kinds: dict[str, float], strength: float
) -> np.ndarray:
    """One colour of the palette with markings in two others, `[size, size, 3]` float32 in 0..255; continues at its borders.

    It has `detail` features along a side, of one of the kinds {pattern: probability}, each marking of `strength` 0..1.
    """
    height = _pattern(random, str(random.choice(list(kinds), p=list(kinds.values()))), size, detail)
    colours = palette[random.permutation(len(palette))[:3]]
    levels = np.array([random.uniform(0.45, 0.6), random.uniform(0.65, 0.8)])[:, None, None]
    steps = np.clip((height - levels) * random.uniform(4, 16) + 0.5, 0, 1)[..., None]
    surface = colours[0] + strength * steps[0] * (colours[1] - colours[0])
    surface += strength * steps[1] * (colours[2] - surface)
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
    waves = np.sin(2 * np.pi * (detail * x + 0.3 * bend)) * np.sin(2 * np.pi * (detail * y + 0.3 * bend))
    return 0.5 + 0.4 * np.sign(waves) * np.abs(waves) ** (0.3 if kind == "checks" else 1.0)


def _noise(random: np.random.Generator, size: int, cells: int) -> np.ndarray:
    """Smooth random values in about 0..1 with `cells` hills along a side, continuing at the borders. `[size, size]` float32."""
    grid = np.pad(random.random((cells, cells), dtype=np.float32), 2, mode="wrap")
    positions = (2 + np.arange(size, dtype=np.float32) * cells / size).astype(np.float32)
    columns, rows = np.meshgrid(positions, positions)
    return cv2.remap(grid, columns, rows, cv2.INTER_CUBIC)

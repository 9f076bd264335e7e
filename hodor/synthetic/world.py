"""What there is in a clip: the ground, the light, the things and their order from back to front."""

from dataclasses import dataclass

import cv2
import numpy as np

from hodor.synthetic.motion import Motion, draw_motion
from hodor.synthetic.shapes import REACH, Shape, draw_shape
from hodor.synthetic.textures import draw_texture, scene_palette

_TEXTURE = 128  # pixels along a side of a thing's texture
_COVER = 0.38  # of the frame by all objects together, if they didn't overlap
_MIN_RADIUS = 2.5
_CLUTTER = 8
_MAX_TEXTURES = 8


@dataclass(frozen=True)
class Thing:
    """Something that moves.

    Attributes:
        label: its id; 0 for things that are nobody's object.
        shape: its outline.
        motion: its path.
        texture: `[S, S, 3]` float32 in 0..255, continuing at the borders.
        texture_offset: (x, y) of its centre on the texture, in pixels.
        light: (x, y), the direction that light comes from, of length 1.
    """

    label: int
    shape: Shape
    motion: Motion
    texture: np.ndarray
    texture_offset: np.ndarray
    light: np.ndarray

    def paint(self, time: int, labels: np.ndarray, picture: np.ndarray | None = None) -> None:
        """Draws it over what is there: its id into `labels` `[H, W]`, its looks into `picture` `[H, W, 3]`."""
        pose = self.motion.pose(time)
        reach = REACH * pose.radius * max(pose.along, pose.across) + 1
        left, right = max(0, int(pose.x - reach)), min(labels.shape[1], int(pose.x + reach) + 2)
        top, bottom = max(0, int(pose.y - reach)), min(labels.shape[0], int(pose.y + reach) + 2)
        if left >= right or top >= bottom:
            return
        columns, rows = np.meshgrid(
            np.arange(left, right, dtype=np.float32) - np.float32(pose.x),
            np.arange(top, bottom, dtype=np.float32) - np.float32(pose.y),
        )
        cosine, sine = float(np.cos(pose.angle)), float(np.sin(pose.angle))
        x = (columns * cosine + rows * sine) * np.float32(1 / (pose.radius * pose.along))
        y = (rows * cosine - columns * sine) * np.float32(1 / (pose.radius * pose.across))
        depth = self.shape.inside(x, y, time) * np.float32(pose.radius * min(pose.along, pose.across))
        labels[top:bottom, left:right][depth > 0] = self.label
        if picture is not None:
            below = picture[top:bottom, left:right]
            coverage = np.clip(depth + 0.5, 0, 1)[..., None]
            shadow = np.clip(1 + depth / (2 + 0.15 * pose.radius), 0, 1)[..., None]
            surface = self._surface_at(x, y)
            surface *= self._shade_at(columns, rows, depth, pose.radius)[..., None]
            below *= 1 - 0.35 * shadow
            below += coverage * (surface - below)

    def _surface_at(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Its colours `[H, W, 3]` float32 at points `[H, W]` given in its own axes, in units of its radius."""
        scale = np.float32(len(self.texture) / 4)
        columns, rows = x * scale + np.float32(self.texture_offset[0]), y * scale + np.float32(self.texture_offset[1])
        return cv2.remap(self.texture, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)

    def _shade_at(self, columns: np.ndarray, rows: np.ndarray, depth: np.ndarray, radius: float) -> np.ndarray:
        """Brightness `[H, W]` float32 about 1: lighter towards the light, darker at the outline, `depth` pixels inside it."""
        light = (columns * np.float32(self.light[0]) + rows * np.float32(self.light[1])) * np.float32(0.28 / radius)
        return (0.68 + 0.37 * np.clip(depth / np.float32(0.4 * radius), 0, 1) + light).astype(np.float32)


@dataclass(frozen=True)
class World:
    """A scene.

    Attributes:
        things: from back to front.
        ground: `[S, S, 3]` float32 in 0..255, larger than the frame, continuing at the borders.
        camera: `[4, 3]` waves (amplitude, phase, radians per frame) of its x, y, angle and zoom over the ground.
        size: (height, width) of a frame.
        light: (x, y), the direction that light comes from, of length 1.
        flicker: (amplitude, phase, radians per frame) of the brightness.
    """

    things: tuple[Thing, ...]
    ground: np.ndarray
    camera: np.ndarray
    size: tuple[int, int]
    light: np.ndarray
    flicker: np.ndarray

    def picture_and_labels(self, time: int) -> tuple[np.ndarray, np.ndarray]:
        """One frame: picture `[H, W, 3]` float32 around 0..255 and labels `[H, W]` uint8."""
        picture = self._ground_at(time)
        labels = np.zeros(self.size, np.uint8)
        for thing in self.things:
            thing.paint(time, labels, picture)
        return picture * self._light_at(time), labels

    def least_visible(self) -> float:
        """The smallest part of any object that is seen in frame 0, about 0..1."""
        together = np.zeros(self.size, np.uint8)
        for thing in self.things:
            thing.paint(0, together)
        parts = []
        for thing in self.things:
            if thing.label:
                alone = np.zeros_like(together)
                thing.paint(0, alone)
                expected = max(4.0, 2 * thing.motion.radius**2, float(np.count_nonzero(alone)))
                parts.append(np.count_nonzero(together == thing.label) / expected)
        return min(parts)

    def _ground_at(self, time: float) -> np.ndarray:
        """What the camera sees behind all things, `[H, W, 3]` float32 in 0..255."""
        amplitude, phase, speed = self.camera.T
        x, y, angle, zoom = amplitude * np.sin(phase + speed * time)
        height, width = self.size
        cosine, sine = np.cos(angle) * (1 + zoom), np.sin(angle) * (1 + zoom)
        centre = len(self.ground) / 2
        matrix = np.array(
            [
                [cosine, -sine, centre + x - cosine * width / 2 + sine * height / 2],
                [sine, cosine, centre + y - sine * width / 2 - cosine * height / 2],
            ]
        )
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(self.ground, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_WRAP)

    def _light_at(self, time: float) -> np.ndarray:
        """Brightness `[H, W, 1]` float32 about 1."""
        height, width = self.size
        amplitude, phase, speed = self.flicker
        across = np.linspace(-1, 1, width, dtype=np.float32) * np.float32(self.light[0])
        down = np.linspace(-1, 1, height, dtype=np.float32) * np.float32(self.light[1])
        level = np.float32(1 + amplitude * np.sin(phase + speed * time))
        return (level + 0.12 * (across[None] + down[:, None]))[..., None]


def draw_world(random: np.random.Generator, height: int, width: int, objects: int) -> World:
    """Draws a scene with `objects` objects and a few things that look like them but are none."""
    frame_size = np.array([width, height], dtype=np.float64)
    palette = scene_palette(random)
    heading = random.uniform(0, 2 * np.pi)
    light = np.array([np.cos(heading), np.sin(heading)])
    strangers = int(random.integers(1, 3)) + objects // 6
    count = objects + strangers
    textures = [
        draw_texture(random, palette, _TEXTURE, int(random.integers(4, 11)))
        for _ in range(int(np.clip((count + 1) // 2, 2, _MAX_TEXTURES)))
    ]
    mean_radius = np.sqrt(_COVER * width * height / (np.pi * objects))
    homes = _spread(random, count, frame_size)
    things: list[Thing] = []
    for index in range(count):
        radius = max(_MIN_RADIUS, min(mean_radius * random.uniform(0.6, 1.15), 0.33 * min(width, height)))
        twin = index >= objects and random.random() < 0.5
        shape = things[int(random.integers(objects))].shape if twin else draw_shape(random)
        motion = draw_motion(random, homes[index], radius * (1 if index < objects else 0.8), frame_size)
        texture = textures[int(random.integers(len(textures)))]
        label = index + 1 if index < objects else 0
        things.append(Thing(label, shape, motion, texture, random.uniform(0, _TEXTURE, 2), light))
    order = random.permutation(count)
    ground = _draw_ground(random, palette, textures, int(np.clip(1.7 * max(height, width), 96, 1024)))
    strengths = random.uniform(0.3, 1.0, 4) * (0.2 * width, 0.2 * height, 0.12, 0.1)
    camera = np.stack([strengths, *random.uniform((0, 0.1), (6.28, 0.3), (4, 2)).T], axis=1)
    flicker = random.uniform((0.0, 0, 0.1), (0.1, 6.28, 0.6))
    return World(tuple(things[i] for i in order), ground, camera, (height, width), light, flicker)


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
    ground = draw_texture(random, palette, size, int(random.integers(5, 12)), ground=True)
    for _ in range(_CLUTTER):
        shape, radius = draw_shape(random), size * random.uniform(0.04, 0.09)
        reach = int(radius * REACH) + 1
        left, top = random.integers(0, max(1, size - 2 * reach), 2)
        side = min(2 * reach, size)
        y, x = ((np.mgrid[:side, :side] - reach) / radius).astype(np.float32)
        coverage = np.clip(shape.inside(x, y, 0.0) * radius + 0.5, 0, 1)[..., None]
        tiles = -(-side // _TEXTURE)
        patch = np.tile(textures[int(random.integers(len(textures)))], (tiles, tiles, 1))[:side, :side]
        below = ground[top : top + side, left : left + side]
        below += coverage * 0.7 * (0.9 * patch - below)
    return ground

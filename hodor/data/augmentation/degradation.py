"""What cameras and codecs do to single frames of a video: exposure, motion blur, compression."""

import cv2
import numpy as np

from hodor.config.strengths import StaticStrengths
from hodor.data.augmentation.geometry import Frame

_VALUES = np.arange(256)


def degrade(frame: Frame, strengths: StaticStrengths, random: np.random.Generator) -> Frame:
    """A frame with another exposure, blurred and compressed, each as far as `strengths` say; masks stay as they are.

    Nothing is drawn for what is switched off, so that samples without it stay the same.
    """
    image = frame.image
    if strengths.exposure:
        image = exposed(image, random.uniform(1 - strengths.exposure, 1 + strengths.exposure, 3), random.uniform(-1, 1))
    if strengths.blur_share and random.random() < strengths.blur_share:
        length = random.uniform(0, strengths.blur) * max(image.shape[:2])
        image = motion_blurred(image, length, random.uniform(0, 180))
    if strengths.compression_share and random.random() < strengths.compression_share:
        image = compressed(image, int(random.integers(strengths.compression_quality[0], strengths.compression_quality[1] + 1)))
    return frame._replace(image=image)


def exposed(image: np.ndarray, gains: np.ndarray, bend: float) -> np.ndarray:
    """An image `[H, W, 3]` (uint8) under other light.

    Args:
        image: the image.
        gains: `[3]`, factors of R, G and B.
        bend: in -1..1; how far the middle of the curve is lifted, 1 = by a gamma of 1 / (1 + the gains' largest change).
    """
    gamma = 1 + bend * float(np.abs(gains - 1).max())
    curve = 255 * (_VALUES / 255) ** (1 / max(gamma, 0.1))
    table = np.clip(np.rint(curve[:, None] * gains), 0, 255).astype(np.uint8)
    return cv2.LUT(image, table[None])


def motion_blurred(image: np.ndarray, length: float, angle: float) -> np.ndarray:
    """An image `[H, W, 3]` (uint8) that moved `length` pixels in a direction (degrees) while it was exposed."""
    radius = int(np.ceil(length / 2))
    if radius == 0:
        return image
    kernel = np.zeros((2 * radius + 1, 2 * radius + 1), dtype=np.float32)
    direction = np.array([np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))]) * length / 2
    start, end = (tuple(np.rint(16 * (radius + sign * direction)).astype(int).tolist()) for sign in (-1, 1))
    cv2.line(kernel, start, end, 1.0, 1, cv2.LINE_AA, 4)
    return cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT_101)


def compressed(image: np.ndarray, quality: int) -> np.ndarray:
    """An image `[H, W, 3]` (uint8, R, G, B) after JPEG of a quality in 1..100."""
    _, packed = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    unpacked = cv2.imdecode(packed, cv2.IMREAD_COLOR)
    assert unpacked is not None  # it was packed just now
    return cv2.cvtColor(unpacked, cv2.COLOR_BGR2RGB)

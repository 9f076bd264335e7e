"""Small pictures of masks over their frame, as text that stands in a page."""

import base64
from pathlib import Path

import cv2
import numpy as np

from hodor.errors import HodorError
from hodor.evaluation.measures import boundary_map
from hodor.media.images import read_image

_WIDTH = 320
_SUFFIXES = (".jpg", ".jpeg", ".png")
_BACKGROUND = (43, 48, 56)
_COLOURS = (
    (59, 130, 246), (249, 115, 22), (22, 163, 74), (225, 29, 72), (139, 92, 246),
    (202, 138, 4), (13, 148, 136), (217, 70, 239), (146, 96, 74), (100, 116, 139),
)  # fmt: skip


def object_colour(object_id: int) -> tuple[int, int, int]:
    """The colour (R, G, B) that stands for an object: legible on light and on dark ground, repeated every ten ids."""
    return _COLOURS[(object_id - 1) % len(_COLOURS)]


def thumbnail(labels: np.ndarray, image: Path | None) -> str:
    """A label map as a picture of at most 320 pixels' width.

    Args:
        labels: `[H, W]` uint8.
        image: the frame to draw it over, of any size; None = plain ground.

    Returns:
        A `data:` address.

    Raises:
        HodorError: the image is missing or broken.
    """
    height, width = labels.shape
    if image is None:
        canvas = np.full((height, width, 3), _BACKGROUND, dtype=np.uint8)
    else:
        canvas = np.asarray(cv2.resize(read_image(image), (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)
    canvas = _painted(canvas, labels, opacity=0.8 if image is None else 0.5)
    scale = min(1.0, _WIDTH / width)
    small = cv2.resize(canvas, (max(1, round(width * scale)), max(1, round(height * scale))), interpolation=cv2.INTER_AREA)
    kind = "png" if image is None else "jpeg"
    _, content = cv2.imencode(f".{kind}", small[..., ::-1])
    return f"data:image/{kind};base64,{base64.b64encode(content.tobytes()).decode('ascii')}"


def find_image(images: Path, sequence: str, frame: str) -> Path:
    """The image file of a frame, <images>/<sequence>/<frame>.jpg, .jpeg or .png.

    Raises:
        HodorError: there is none.
    """
    for suffix in _SUFFIXES:
        path = images / sequence / f"{frame}{suffix}"
        if path.is_file():
            return path
    raise HodorError(f"{images / sequence / frame}.jpg: no such image; leave out --images to draw the masks alone")


def _painted(canvas: np.ndarray, labels: np.ndarray, opacity: float) -> np.ndarray:
    """Objects in translucent colour with a solid outline, `[H, W, 3]` uint8."""
    colours = np.array([(0, 0, 0)] + [object_colour(object_id) for object_id in range(1, 256)], dtype=np.uint8)[labels]
    blend = cv2.addWeighted(canvas, 1 - opacity, colours, opacity, 0)
    result = np.where(labels[..., None] > 0, blend, canvas)
    thickness = max(1, round(labels.shape[1] / _WIDTH))
    for object_id in np.unique(labels[labels > 0]):
        outline = cv2.dilate(boundary_map(labels == object_id).view(np.uint8), np.ones((thickness, thickness), np.uint8))
        result[outline > 0] = object_colour(int(object_id))
    return result

"""Boxes around masks."""

import cv2
import numpy as np


def bounding_box(mask: np.ndarray) -> tuple[int, int, int, int] | None:
    """(x, y, width, height) in pixels of the smallest box that holds a mask `[H, W]` (bool or ids); None where it is empty."""
    left, top, width, height = cv2.boundingRect(mask.astype(np.uint8, copy=False))
    return (left, top, width, height) if width else None

"""Pictures of masks on frames."""

import cv2
import numpy as np

_OPACITY = 0.5


def overlay(image: np.ndarray, labels: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Tints each object of a frame with its colour and draws a white line around it.

    Args:
        image: [H, W, 3] uint8, R, G, B.
        labels: [H, W] uint8, object ids.
        palette: [256, 3] uint8.

    Returns:
        [H, W, 3] uint8.
    """
    colours = palette[labels]
    tinted = cv2.addWeighted(image, 1 - _OPACITY, colours, _OPACITY, 0)
    result = np.where((labels > 0)[..., None], tinted, image)
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    outline = (cv2.dilate(labels, cross) != labels) | (cv2.erode(labels, cross) != labels)
    result[outline & (labels > 0)] = 255
    return result

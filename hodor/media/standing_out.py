"""How well a region of an image looks like an object: a number to choose between regions by."""

from collections.abc import Sequence

import cv2
import numpy as np

_BINS = (8, 16, 16)  # of L, a and b in histograms of colours
_RING = 0.12  # width of the ring around a region, as a part of the square root of its area
_STRONG = 95  # percentile of the strengths of edges in an image that counts as 1
_SQUARE = np.ones((3, 3), np.uint8)
_USUAL_SIZE = 0.08  # part of an image that an object has which somebody clicks on
# Weights: rounded from a regression of overlaps with true masks of 152 images (DAVIS 2016, COCO, DUTS).
_CONTRAST, _MIDDLE, _STABILITY, _EDGE, _SIZE = 0.15, 0.45, 0.35, 0.1, -0.04


def most_like_an_object(image: np.ndarray, regions: Sequence[np.ndarray], clicked: np.ndarray) -> np.ndarray:
    """The best one of `regions` `[h, w]` bool of an image `[h, w, 3]` uint8, each with all pixels that were `clicked` `[h, w]`.

    It has other colours than the ring around it, edges along its border and none inside, the clicks in its middle, much in
    common with another one, and is neither tiny nor all of the image.
    """
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    bins = (lab // (256 // np.array(_BINS))).astype(np.int32)
    colours = (bins[..., 0] * _BINS[1] + bins[..., 1]) * _BINS[2] + bins[..., 2]
    soft = cv2.GaussianBlur(lab, (0, 0), 1).astype(np.float32)
    across, down = (np.abs(cv2.Sobel(soft, cv2.CV_32F, *direction)).sum(axis=2) for direction in ((1, 0), (0, 1)))
    edges = np.hypot(across, down)
    edges = np.clip(edges / (np.percentile(edges, _STRONG) + 1e-6), 0, 1.5)
    scores = []
    for region in regions:
        overlaps = [float((region & other).sum() / (region | other).sum()) for other in regions if other is not region]
        depth = cv2.distanceTransform(np.pad(region.astype(np.uint8), 1), cv2.DIST_L2, cv2.DIST_MASK_3)[1:-1, 1:-1]
        middle = float(depth[clicked].max() / depth.max())
        size = float(np.log(region.mean() / _USUAL_SIZE) ** 2)
        contrast, edge = _contrast_and_edge(colours, edges, region)
        stability = max(overlaps, default=0.0)
        scores.append(_CONTRAST * contrast + _MIDDLE * middle + _STABILITY * stability + _EDGE * edge + _SIZE * size)
    return regions[int(np.argmax(scores))]


def _contrast_and_edge(colours: np.ndarray, edges: np.ndarray, region: np.ndarray) -> tuple[float, float]:
    """How unlike those of the ring the colours are, 0..1, and how much stronger edges are on the border than inside."""
    mask = region.astype(np.uint8)
    width = max(2, round(_RING * np.sqrt(mask.sum())))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * width + 1,) * 2)
    ring = (cv2.dilate(mask, disc) > 0) & ~region
    border = region & (cv2.erode(mask, _SQUARE, borderValue=1) == 0)
    inside = cv2.erode(mask, disc, borderValue=1) > 0
    edge = _mean(cv2.dilate(edges, _SQUARE), border) - _mean(edges, inside if inside.any() else region)
    count = int(np.prod(_BINS))
    here, there = (np.bincount(colours[part], minlength=count) / max(1, part.sum()) for part in (region, ring))
    return float(0.5 * ((here - there) ** 2 / (here + there + 1e-9)).sum()), edge  # chi-squared distance of histograms


def _mean(values: np.ndarray, where: np.ndarray) -> float:
    return float(values[where].mean()) if where.any() else 0.0

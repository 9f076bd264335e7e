"""How well a region of an image looks like an object: a number to choose between regions by."""

import cv2
import numpy as np

_BINS = (8, 16, 16)  # of L, a and b in histograms of colours
_RING = 0.12  # width of the ring around a region, as a part of the square root of its area
_STRONG = 95  # percentile of the strengths of edges in an image that counts as 1
_SQUARE = np.ones((3, 3), np.uint8)
_USUAL_SIZE = 0.08  # part of an image that an object has which somebody clicks on
_CONTRAST, _MIDDLE, _STABILITY, _EDGE, _SIZE = 0.15, 0.45, 0.35, 0.1, -0.04
"""Weights: rounded from a regression of overlaps with true masks of 152 images (DAVIS 2016, COCO, DUTS)."""


class Appearance:
    """Colours and edges of one image, [h, w, 3] uint8."""

    def __init__(self, image: np.ndarray) -> None:
        lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
        bins = (lab // (256 // np.array(_BINS))).astype(np.int32)
        self._colours = (bins[..., 0] * _BINS[1] + bins[..., 1]) * _BINS[2] + bins[..., 2]
        soft = cv2.GaussianBlur(lab, (0, 0), 1).astype(np.float32)
        across, down = (np.abs(cv2.Sobel(soft, cv2.CV_32F, *direction)).sum(axis=2) for direction in ((1, 0), (0, 1)))
        edges = np.hypot(across, down)
        self._edges = np.clip(edges / (np.percentile(edges, _STRONG) + 1e-6), 0, 1.5)

    def score(self, region: np.ndarray, clicked: np.ndarray, stability: float) -> float:
        """The better the region `[h, w]` bool, the higher, about 0..1.

        It has other colours than the ring around it, edges along its border and none inside, the clicks in its middle, and is
        neither tiny nor all of the image.

        Args:
            region: not empty.
            clicked: `[h, w]` bool, the pixels that were clicked on, which are in the region.
            stability: how much it overlaps (0..1) with what is found if the object is taken to be a little smaller or larger.
        """
        mask = region.astype(np.uint8)
        width = max(2, round(_RING * np.sqrt(mask.sum())))
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * width + 1,) * 2)
        ring = (cv2.dilate(mask, disc) > 0) & ~region
        border = region & (cv2.erode(mask, _SQUARE, borderValue=1) == 0)
        inside = cv2.erode(mask, disc, borderValue=1) > 0
        edge = _mean(cv2.dilate(self._edges, _SQUARE), border) - _mean(self._edges, inside if inside.any() else region)
        depth = cv2.distanceTransform(np.pad(mask, 1), cv2.DIST_L2, cv2.DIST_MASK_3)[1:-1, 1:-1]
        middle = float(depth[clicked].max() / depth.max())
        size = float(np.log(region.mean() / _USUAL_SIZE) ** 2)
        contrast = self._contrast(region, ring)
        return _CONTRAST * contrast + _MIDDLE * middle + _STABILITY * stability + _EDGE * edge + _SIZE * size

    def _contrast(self, region: np.ndarray, ring: np.ndarray) -> float:
        """Chi-squared distance of the histograms of colours, 0 (the same) .. 1 (none in common)."""
        count = int(np.prod(_BINS))
        here, there = (np.bincount(self._colours[part], minlength=count) / max(1, part.sum()) for part in (region, ring))
        return float(0.5 * ((here - there) ** 2 / (here + there + 1e-9)).sum())


def _mean(values: np.ndarray, where: np.ndarray) -> float:
    return float(values[where].mean()) if where.any() else 0.0

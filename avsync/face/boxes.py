"""Face boxes: how far two overlap, and which ones a picture can show."""

from math import hypot

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels."""

# Boxes that overlap by more than this (intersection over union) are boxes of one face. On 474 ordinary clips a face's
# boxes on neighbouring frames overlap by at least 0.59; a closer look at a box finds its face with an overlap of at
# least 0.54, or the face beside it with at most 0.25.
SAME_FACE = 0.3
# Where dlib's box lies about the 68 points, in units of the root of the points' mean squared distance from their mean
# (median over clips of 12 GRID speakers): its shape predictor was trained on such boxes.
_SIDE, _RISE = 2.90, 0.116


def overlap(a: Box, b: Box) -> float:
    """Intersection over union, from 0 to 1."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    inside = width * height
    return inside / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inside)


def best_match(box: Box, among: list[Box]) -> int | None:
    """Index of the box that overlaps most with `box`; None if none of them can be the same face."""
    overlaps = [overlap(box, other) for other in among]
    best = max(range(len(among)), key=overlaps.__getitem__, default=None)
    return best if best is not None and overlaps[best] > SAME_FACE else None


def fits(box: Box, shape: tuple[int, ...], largest: float) -> bool:
    """Whether a picture [H, W] can show the face in `box`.

    The centre must be inside the picture and no side longer than `largest` times the longer side of the picture. False
    if a number of the box is not finite.
    """
    x, y = centre(box)
    limit = largest * max(shape)
    return 0 <= x <= shape[1] and 0 <= y <= shape[0] and 0 < box[2] - box[0] <= limit and 0 < box[3] - box[1] <= limit


def centre(box: Box) -> tuple[float, float]:
    """x and y of the middle."""
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def distance(a: Box, b: Box) -> float:
    """Distance between the centres, in widths of `b`."""
    (ax, ay), (bx, by) = centre(a), centre(b)
    return hypot(ax - bx, ay - by) / (b[2] - b[0])


def growth(a: Box, b: Box) -> float:
    """Width of `a` over that of `b`."""
    return (a[2] - a[0]) / (b[2] - b[0])


def box_about(landmarks: NDArray[np.float32]) -> Box:
    """The box that dlib's detector draws around a face with these 68 points, float32 [68, 2]."""
    middle = landmarks.mean(axis=0)
    unit = float(np.sqrt(((landmarks - middle) ** 2).sum(axis=1).mean()))
    x, y, half = float(middle[0]), float(middle[1]) - _RISE * unit, _SIDE * unit / 2
    return (x - half, y - half, x + half, y + half)


def close_up(image: NDArray[np.uint8], box: Box) -> tuple[NDArray[np.uint8], Box]:
    """The picture of twice the side of `box` around it, cut at the edges of `image` [H, W], and the box in it."""
    (x, y), side = centre(box), box[2] - box[0]
    left, top = max(0, round(x - side)), max(0, round(y - side))
    look = image[top : max(top, round(y + side)), left : max(left, round(x + side))]
    return look, (box[0] - left, box[1] - top, box[2] - left, box[3] - top)

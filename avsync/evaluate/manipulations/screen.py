"""A recording that is filmed from a screen, approximated."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from avsync.evaluate.manipulations.codecs import changed
from avsync.evaluate.manipulations.interface import Make
from avsync.evaluate.manipulations.rewrite import Paint, Pictures, Pixels

# Where the corners of the screen are seen, as shares of the sides: upper left, upper right, lower right, lower left.
_CORNERS = np.array([(0.02, 0.03), (0.97, 0.0), (1.0, 0.96), (0.0, 1.0)])
# The grid between the screen's points, which a camera of about as many points samples: brightness, and period in pixels
# of the source. The camera sees the screen from the side, so the beat of both grids changes across the picture.
_GRID, _PERIOD = 0.05, 0.97
_GAMMA, _BLACK, _WHITE = 1.2, 14.0, 240.0  # a screen in a lit room


def filmed_from_screen() -> Make:
    """Change perspective, sample the screen's grid (moire), change gamma and black, and encode by x264 at crf 28."""
    return changed(pictures=Pictures(painter=_camera, options={"crf": "28"}))


def _camera(height: int, width: int) -> Paint:
    coefficients = _perspective(height, width)
    across, down = _screen_places(coefficients, height, width)
    grid = 1 + _GRID * (np.cos(2 * np.pi * across / _PERIOD) + np.cos(2 * np.pi * down / _PERIOD))
    seen = ((across >= 0) & (across <= width - 1) & (down >= 0) & (down <= height - 1))[..., None]
    light = np.where(seen, grid[..., None], 0).astype(np.float32)
    tone = (_BLACK + (_WHITE - _BLACK) * (np.arange(256) / 255) ** _GAMMA).astype(np.float32)

    def paint(pixels: Pixels) -> Pixels:
        image = Image.fromarray(pixels).transform(
            (width, height), Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BILINEAR
        )
        return np.asarray((tone[np.asarray(image)] * light).clip(_BLACK, 255).round(), np.uint8)

    return paint


def _perspective(height: int, width: int) -> tuple[float, ...]:
    """a to h, such that the camera's (x, y) sees (a x + b y + c, d x + e y + f) / (g x + h y + 1) of the screen."""
    sides = np.array([width - 1, height - 1], np.float64)
    screen = np.array([(0, 0), (1, 0), (1, 1), (0, 1)]) * sides
    rows, known = [], []
    for (x, y), (u, v) in zip(_CORNERS * sides, screen, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        known += [u, v]
    return tuple(np.linalg.solve(np.array(rows), np.array(known)).tolist())


def _screen_places(
    coefficients: tuple[float, ...], height: int, width: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The place on the screen, x and y in pixels of the source, that each pixel of the camera sees: [H, W] each."""
    a, b, c, d, e, f, g, h = coefficients
    y, x = np.mgrid[:height, :width].astype(np.float64)
    depth = g * x + h * y + 1
    return (a * x + b * y + c) / depth, (d * x + e * y + f) / depth

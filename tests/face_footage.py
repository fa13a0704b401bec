"""Footage of a drawn face that turns, speaks and moves across the picture, for the tests of reconstructions."""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from avsync.reconstruct.face import FaceFootage

# The 68 points of a mean face, x and y, in widths of the face around its middle, in the order of iBUG.
_JAW = np.stack([-0.5 * np.cos(np.linspace(0, np.pi, 17)), 0.05 + 0.55 * np.sin(np.linspace(0, np.pi, 17))], axis=1)


def _ring(x: float, y: float, width: float, height: float, count: int) -> NDArray[np.float64]:
    angles = np.pi - 2 * np.pi * np.arange(count) / count
    return np.stack([x + width * np.cos(angles), y - height * np.sin(angles)], axis=1)


def mean_face(opening: float = 0.03) -> NDArray[np.float64]:
    """The 68 points, float64 [68, 2]; `opening` is how far the inner lips part."""
    brows = [np.stack([x + np.linspace(-0.13, 0.13, 5), np.full(5, -0.2)], axis=1) for x in (-0.24, 0.24)]
    bridge = np.stack([np.zeros(4), np.linspace(-0.1, 0.1, 4)], axis=1)
    base = np.stack([np.linspace(-0.09, 0.09, 5), np.full(5, 0.15)], axis=1)
    eyes = [_ring(x, -0.1, 0.09, 0.035, 6) for x in (-0.22, 0.22)]
    lips = [_ring(0, 0.32, 0.18, 0.06 + opening, 12), _ring(0, 0.32, 0.12, opening, 8)]
    return np.concatenate([_JAW, *brows, bridge, base, *eyes, *lips])


@cache
def footage_of(count: int = 12, size: int = 96, seed: int = 0) -> FaceFootage:
    """`count` pictures of skin, lips, eyes and a background; the squares jump once, as those of tracks do."""
    rng = np.random.default_rng(seed)
    skin = gaussian_filter(rng.normal(0, 1, (4 * size, 4 * size, 3)), (1.2, 1.2, 0)) * 30
    behind = gaussian_filter(rng.normal(0, 1, (4 * size, 4 * size, 3)), (3, 3, 0)) * 120
    pictures, points, squares = [], [], []
    for at in range(count):
        side = size + (8 if at >= count // 2 else 0)
        corner = np.array([10.0 + 3 * (at >= count // 2), 20.0])
        middle = np.array([10 + size / 2 + 0.3 * at, 20 + size / 2]) + rng.normal(0, 0.05, 2)
        turn = np.exp(0.01j * np.sin(at / 3))
        opening = 0.02 + 0.03 * (1 + np.sin(at * 1.3))
        z = mean_face(opening) @ np.array([1, 1j]) * turn * 0.6 * size
        where = np.stack([z.real, z.imag], axis=1) + middle
        places = (np.arange(size) + 0.5) * side / size - 0.5
        x, y = np.meshgrid(places + corner[0], places + corner[1])
        pictures.append(_drawn(x, y, middle, turn, 0.6 * size, opening, skin, behind, rng))
        points.append((where - corner + 0.5) * size / side - 0.5)
        squares.append([*corner, side])
    return FaceFootage(np.stack(pictures), np.array(points, np.float32), np.array(squares).astype(np.int64), start=1.0)


def _drawn(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    middle: NDArray[np.float64],
    turn: complex,
    width: float,
    opening: float,
    skin: NDArray[np.float64],
    behind: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.uint8]:
    face = ((x - middle[0]) + 1j * (y - middle[1])) / turn / width
    u, v = face.real, face.imag
    texture = len(skin)
    on_face = (
        ((u * width * 2).astype(int) + texture // 2) % texture,
        ((v * width * 2).astype(int) + texture // 2) % texture,
    )
    picture = np.array([60.0, 110, 150]) + behind[y.astype(int) % texture, x.astype(int) % texture]
    parts = (
        ((u / 0.52) ** 2 + ((v - 0.05) / 0.6) ** 2 < 1, np.array([200.0, 150, 125]) + skin[on_face[1], on_face[0]]),
        (((np.abs(u) - 0.22) / 0.09) ** 2 + ((v + 0.1) / 0.035) ** 2 < 1, np.array([70.0, 50, 40])),
        ((u / 0.18) ** 2 + ((v - 0.32) / (0.06 + opening)) ** 2 < 1, np.array([170.0, 80, 85])),
        ((u / 0.12) ** 2 + ((v - 0.32) / max(opening, 1e-3)) ** 2 < 1, np.array([60.0, 20, 25])),
    )
    for inside, colour in parts:
        picture = np.where(inside[..., None], colour, picture)
    noisy = gaussian_filter(picture, (0.7, 0.7, 0)) + rng.normal(0, 1.5, picture.shape)
    return np.rint(noisy).clip(0, 255).astype(np.uint8)

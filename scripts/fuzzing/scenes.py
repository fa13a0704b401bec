"""Pictures that are hard for a face tracker: no face, noise, flicker, zooms, cuts, several faces, frozen ones."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fuzzing.clips import face, resized
from fuzzing.draw import Rng, pick, spread

Pictures = list[NDArray[np.uint8]]


def scene(rng: Rng) -> tuple[Pictures, str]:
    """Grey pictures, uint8 [H, W] of at most 192 pixels a side, and in words what they show."""
    make = pick(rng, _SCENES)
    return make(rng), (make.__doc__ or "").rstrip(".").lower()


def _no_face(rng: Rng) -> Pictures:
    """Bars that move."""
    wave = np.arange(160)[None] * rng.uniform(0.02, 0.5) + np.arange(120)[:, None] * rng.uniform(0, 0.3)
    return [(127 + 120 * np.sin(wave + t * rng.uniform(0, 1))).astype(np.uint8) for t in range(50)]


def _noise(rng: Rng) -> Pictures:
    """Noise."""
    coarse = int(pick(rng, (1, 2, 8, 32)))
    return [
        np.kron(rng.integers(256, size=(128 // coarse, 128 // coarse)), np.ones((coarse, coarse))).astype(np.uint8)
        for _ in range(50)
    ]


def _noisy_face(rng: Rng) -> Pictures:
    """A face under noise."""
    strength = spread(rng, 4, 120)
    return [(p + rng.normal(0, strength, p.shape)).clip(0, 255).astype(np.uint8) for p in face()]


def _flicker(rng: Rng) -> Pictures:
    """A face that flickers."""
    period, other = int(rng.integers(1, 9)), pick(rng, (lambda p: 255 - p, lambda p: p * 0, np.flipud, np.fliplr))
    return [np.ascontiguousarray(other(p) if t // period % 2 else p, np.uint8) for t, p in enumerate(face())]


def _zoom(rng: Rng) -> Pictures:
    """A zoom into a face or out of it."""
    largest, away = spread(rng, 1.5, 12), rng.random() < 0.3
    centre = rng.uniform(60, 130, 2)
    zooms = np.geomspace(1, largest, 50)[:: -1 if away else 1]
    return [_cropped(p, centre, 192 / zoom) for p, zoom in zip(face(), zooms, strict=True)]


def _cropped(picture: NDArray[np.uint8], centre: NDArray[np.float64], side: float) -> NDArray[np.uint8]:
    low = np.clip(centre - side / 2, 0, 192 - side).astype(int)
    size = max(2, round(side))
    return resized(np.ascontiguousarray(picture[low[1] : low[1] + size, low[0] : low[0] + size]), 192)


def _jump(rng: Rng) -> Pictures:
    """A face that jumps."""
    every, far = int(rng.integers(1, 12)), int(rng.integers(8, 96))
    places = [rng.integers(-far, far + 1, 2) for _ in range(50)]
    return [np.roll(p, tuple(places[t // every]), (0, 1)) for t, p in enumerate(face())]


def _frozen(rng: Rng) -> Pictures:
    """A face that freezes."""
    hold = int(rng.integers(2, 50))
    return [face()[t - t % hold] for t in range(50)]


def _several(rng: Rng) -> Pictures:
    """Several faces."""
    many = int(rng.integers(2, 5))
    return [np.tile(resized(p, 192 // many, 96), (1, many)) for p in face()]


def _small(rng: Rng) -> Pictures:
    """A face that is too small."""
    size = int(rng.integers(16, 90))
    return [np.pad(resized(p, size), ((0, 128 - size), (0, 128 - size)), constant_values=100) for p in face()]


def _turned(rng: Rng) -> Pictures:
    """A face upside down or on its side."""
    turns = int(rng.integers(1, 4))
    return [np.ascontiguousarray(np.rot90(p, turns)) for p in face()]


def _flat(rng: Rng) -> Pictures:
    """One grey."""
    return [np.full((128, 128), int(rng.integers(256)), np.uint8)] * 50


def _cuts(rng: Rng) -> Pictures:
    """Cuts between a face and other pictures."""
    bars, every = _no_face(rng), int(rng.integers(2, 20))
    return [p if t // every % 2 else resized(bars[t], 192) for t, p in enumerate(face())]


_SCENES: tuple[Callable[[Rng], Pictures], ...] = (
    *(_no_face, _noise, _noisy_face, _flicker, _zoom, _zoom, _jump),
    *(_frozen, _several, _small, _turned, _flat, _cuts),
)

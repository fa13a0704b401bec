"""Where to blend: the closed line around a face along which a reconstruction differs least from the picture."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from avsync.reconstruct.face.outline import ANGLES, Outline, Steady
from avsync.reconstruct.face.warp import moved

_FACTORS = np.linspace(0.82, 1.02, 11)  # of the outline's distance from its centre; beyond it lies background
_SLOPE = 1.0  # grey levels that one step to the next factor costs
_SMOOTH = 3.0  # directions of 2.8 degrees, standard deviation of an average along the line
_LOOKED_AT = 25  # pictures at most
_FAR = 1e9


def least_visible(source: Tensor, target: Tensor, face: Steady, outline: Outline, feather: float) -> Outline:
    """Return an outline drawn in or out, by the same factors on all pictures, to where the two pictures differ least.

    Args:
        source, target: float32 [T, 3, S, S].
        face: of the same pictures.
        outline: of the same pictures.
        feather: the width of the edge, as in `Outline.mask`; the middle of the edge is what differs least.
    """
    some = np.unique(np.linspace(0, len(source) - 1, min(len(source), _LOOKED_AT)).round().astype(int))
    where = np.concatenate([_line(outline, factor * (1 - feather / 2))[some, None] for factor in _FACTORS], axis=1)
    pixels = face[some].pixels(where.reshape(len(some), -1)).reshape(where.shape)
    difference = _difference(source[some], target[some])
    cost = moved(difference, pixels)[:, 0].mean(dim=0).numpy()
    factors = _FACTORS[_closed_path(cost.astype(np.float64))]
    return outline.scaled(gaussian_filter1d(factors, _SMOOTH, mode="wrap"))


def _line(outline: Outline, factor: float) -> NDArray[np.complex128]:
    return np.asarray(outline.centre + outline.radii * factor * np.exp(1j * ANGLES), np.complex128)


def _difference(source: Tensor, target: Tensor) -> Tensor:
    """How visible an edge between the two would be: their difference, and how fast it changes, [T, 1, S, S]."""
    difference = (source - target).abs().mean(dim=1, keepdim=True)
    padded = torch.nn.functional.pad(difference, (0, 1, 0, 1), mode="replicate")
    slopes = (padded[..., :-1, 1:] - difference).abs() + (padded[..., 1:, :-1] - difference).abs()
    return difference + slopes


def _closed_path(cost: NDArray[np.float64]) -> NDArray[np.int64]:
    """The cheapest row in each column of [rows, columns], neighbours at most one row apart, the ends too.

    Dynamic programming from every first row at a time.
    """
    rows, columns = cost.shape
    total = np.full((rows, rows), _FAR)  # [row of the first column, row of this one]
    np.fill_diagonal(total, cost[:, 0])
    steps = np.empty((columns, rows, rows), np.int64)
    for column in range(1, columns):
        padded = np.pad(total, ((0, 0), (1, 1)), constant_values=_FAR)
        choices = np.stack([padded[:, :-2] + _SLOPE, padded[:, 1:-1], padded[:, 2:] + _SLOPE])
        best = choices.argmin(axis=0)
        steps[column] = best - 1
        total = np.take_along_axis(choices, best[None], axis=0)[0] + cost[:, column]
    apart = np.abs(np.arange(rows)[:, None] - np.arange(rows))
    first, row = np.unravel_index(np.where(apart <= 1, total, _FAR).argmin(), total.shape)
    path = np.empty(columns, np.int64)
    for column in range(columns - 1, -1, -1):
        path[column] = row
        row = row + steps[column, first, row] if column else row
    return path

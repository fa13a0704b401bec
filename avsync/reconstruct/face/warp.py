"""Move what pictures show: by places, into the aligned frame and back, and along with landmarks."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avsync.reconstruct.face.outline import Steady

ALIGNED = 256  # side of the aligned frame
_NODES = 4  # pixels from node to node: between them, displacements are interpolated
# Landmarks are off by about a pixel of the aligned frame: a spline through every one of them would fold. In its units.
_STIFF = 40.0
# Points on a circle around the face that do not move, so that what lies around it stays.
_ANCHORS = 128 + 140j + 170 * np.exp(2j * np.pi * np.arange(12) / 12)


def moved(pictures: Tensor, source: NDArray[np.complexfloating]) -> Tensor:
    """Return [T, C, h, w]: bicubic samples of pictures, edges repeated.

    Args:
        pictures: float32 [T, C, S, S].
        source: complex [T, h, w], the place x + iy (pixels) that each pixel comes from.
    """
    return torch.nn.functional.grid_sample(
        pictures, _grid(source, pictures.shape[-1]), mode="bicubic", padding_mode="border", align_corners=False
    )


def aligned(pictures: Tensor, face: Steady) -> Tensor:
    """Return float32 [T, C, S, S]: the aligned frame at the size of the pictures, float32 [T, C, S, S]."""
    size = pictures.shape[-1]
    places = (np.arange(size) + 0.5) * ALIGNED / size - 0.5
    return moved(pictures, face.pixels((places + 1j * places[:, None]).reshape(1, -1)).reshape(-1, size, size))


def back(change: Tensor, face: Steady) -> Tensor:
    """Return what `aligned` gives in the places of the pictures, bilinear, and 0 where the aligned frame ends."""
    size = change.shape[-1]
    source = (face.grid(size) + (0.5 + 0.5j)) * (size / ALIGNED) - (0.5 + 0.5j)
    return torch.nn.functional.grid_sample(change, _grid(source, size), padding_mode="zeros", align_corners=False)


def carried(pictures: Tensor, shown: Steady, face: Steady, points: NDArray[np.complex128]) -> Tensor:
    """Return pictures moved so that their landmarks lie elsewhere, by thin-plate splines (Bookstein 1989).

    Args:
        pictures: float32 [T, C, S, S].
        shown: the face on them.
        face: the face on the pictures that are wanted: size, place and turn of the head.
        points: complex [T, 68], where landmarks are wanted, in the aligned frame.
    """
    size = pictures.shape[-1]
    nodes = np.arange(-_NODES, size + _NODES, _NODES) + 0.0
    places = face.turn[..., None] * (nodes + 1j * nodes[:, None]) + face.shift[..., None]
    wanted, now = (_anchored(there) for there in (points, shown.points))
    shift = _spline(wanted, now - wanted, places.reshape(len(places), -1)).reshape(places.shape)
    source = shown.pixels((places + shift).reshape(len(places), -1)).reshape(places.shape)
    return moved(pictures, _between(source, size))


def _anchored(points: NDArray[np.complex128]) -> NDArray[np.complex128]:
    return np.concatenate([points, np.broadcast_to(_ANCHORS, (len(points), len(_ANCHORS)))], axis=1)


def _spline(
    knots: NDArray[np.complex128], values: NDArray[np.complex128], places: NDArray[np.complex128]
) -> NDArray[np.complex128]:
    """A smoothing thin-plate spline through values [T, n] at knots [T, n], at places [T, m]: complex [T, m]."""
    count = knots.shape[1]
    system = np.zeros((len(knots), count + 3, count + 3))
    flat = np.stack([np.ones(knots.shape), knots.real, knots.imag], axis=-1)
    system[:, :count, :count] = _bend(knots[:, :, None] - knots[:, None]) + _STIFF * np.eye(count)
    system[:, :count, count:] = flat
    system[:, count:, :count] = flat.transpose(0, 2, 1)
    wanted = np.pad(np.stack([values.real, values.imag], axis=-1), ((0, 0), (0, 3), (0, 0)))
    weights = np.linalg.solve(system, wanted)
    plane = np.stack([np.ones(places.shape), places.real, places.imag], axis=-1)
    terms = np.concatenate([_bend(places[:, :, None] - knots[:, None]), plane], axis=-1)
    found = terms @ weights
    return np.asarray(found[..., 0] + 1j * found[..., 1], np.complex128)


def _bend(apart: NDArray[np.complex128]) -> NDArray[np.float64]:
    """r² log r, the bending of a thin plate."""
    square = apart.real**2 + apart.imag**2
    return np.asarray(0.5 * square * np.log(np.maximum(square, 1e-9)))


def _between(nodes: NDArray[np.complex128], size: int) -> NDArray[np.complex128]:
    """Values at each pixel, complex [T, size, size], of values every four pixels from pixel -4 on, bilinear."""
    both = torch.from_numpy(np.stack([nodes.real, nodes.imag], axis=1).astype(np.float32))
    places = (torch.arange(size) + _NODES) / _NODES
    scaled = places * 2 / (nodes.shape[-1] - 1) - 1
    grid = torch.stack(torch.meshgrid(scaled, scaled, indexing="xy"), dim=-1).expand(len(nodes), -1, -1, -1)
    found = torch.nn.functional.grid_sample(both, grid, padding_mode="border", align_corners=True).numpy()
    return np.asarray(found[:, 0] + 1j * found[:, 1], np.complex128)


def _grid(source: NDArray[np.complexfloating], size: int) -> Tensor:
    """Places in pixels, complex [T, h, w], as torch wants them, float32 [T, h, w, 2]."""
    scaled = (source + (0.5 + 0.5j)) * (2 / size) - (1 + 1j)
    return torch.from_numpy(np.stack([scaled.real, scaled.imag], axis=-1).astype(np.float32))

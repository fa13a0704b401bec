"""Reconstructions that touch how a face changes from picture to picture: smoothed, interpolated, flickering."""

import numpy as np
import torch
from numpy.typing import NDArray

from avsync.reconstruct.face.interface import FaceFootage
from avsync.reconstruct.face.outline import steady
from avsync.reconstruct.face.tensors import resized, to_pictures, to_tensor
from avsync.reconstruct.face.warp import aligned, back, carried

_STEADY = 0.8  # frames: less than for masks, since lips must move in time
_AVERAGED = (0.7, 1.6)  # frames, standard deviation
_SKIPPED = (2, 4)  # of so many pictures one is kept
_LIGHT = (0.5, 2.0)  # grey levels by which patches of a picture are lighter or darker, standard deviation
_TREMBLE = (0.1, 0.4)  # pixels of the aligned frame, standard deviation
_PATCHES = 4  # across and down


def smoothed(footage: FaceFootage, rng: np.random.Generator) -> NDArray[np.float32]:
    """Average each picture with its neighbours, the head held still (see `FaceReconstruction.function`)."""
    face, pictures = steady(footage, _STEADY), to_tensor(footage.pictures)
    held = aligned(pictures, face)
    weights = _gaussian(len(footage), rng.uniform(*_AVERAGED))
    average = torch.einsum("ts,schw->tchw", torch.from_numpy(weights), held)
    return to_pictures((pictures + back(average - held, face)).clamp(0, 255))


def interpolated(footage: FaceFootage, rng: np.random.Generator) -> NDArray[np.float32]:
    """Keep one of two to four pictures, and morph from each to the next (see `FaceReconstruction.function`).

    The head moves as it did; lips and eyes go straight from where they are on one picture kept to the next.
    """
    face, pictures = steady(footage, _STEADY), to_tensor(footage.pictures)
    count, every = len(footage), int(rng.integers(_SKIPPED[0], _SKIPPED[1] + 1))
    at = np.arange(count)
    before = at // every * every
    after = np.minimum(before + every, count - 1)
    part = (at - before) / np.maximum(after - before, 1)
    points = face.points[before] * (1 - part[:, None]) + face.points[after] * part[:, None]
    early, late = (carried(pictures[kept], face[kept], face, points) for kept in (before, after))
    share = torch.from_numpy(part.astype(np.float32))[:, None, None, None]
    return to_pictures((early + share * (late - early)).clamp(0, 255))


def flicker(footage: FaceFootage, rng: np.random.Generator) -> NDArray[np.float32]:
    """Change light and place of each picture by itself, as networks that see one picture at a time do.

    See `FaceReconstruction.function`.
    """
    face, pictures = steady(footage), to_tensor(footage.pictures)
    count, size = len(footage), footage.pictures.shape[2]
    light = rng.normal(0, rng.uniform(*_LIGHT), (count, 3, _PATCHES, _PATCHES)).astype(np.float32)
    light += light.mean(axis=1, keepdims=True)  # colours change together more than apart
    tremble = rng.normal(0, rng.uniform(*_TREMBLE), (count, 2)) @ np.array([1, 1j])
    points = face.points + tremble[:, None]
    trembling = carried(pictures, face, face, points)
    return to_pictures((trembling + resized(torch.from_numpy(light), size, size)).clamp(0, 255))


def _gaussian(count: int, sigma: float) -> NDArray[np.float32]:
    """Weights [T, T] of an average over time; sums of rows are 1."""
    apart = np.arange(count)[:, None] - np.arange(count)
    weights = np.exp(-0.5 * (apart / sigma) ** 2)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)

"""Outlines around parts of a face, that follow the face without jitter, and the masks that they enclose.

An outline is a closed line around a centre, given by its distance from the centre in 128 directions. It lives in the
aligned frame: a picture of 256×256 in which the eyes and the nose of every face lie in the same places.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from avsync.face.crop import ALIGNED_AT, as_complex, similarity
from avsync.face.landmarks import MOUTH_ALIGNMENT_POINTS
from avsync.reconstruct.face.interface import FaceFootage

DIRECTIONS = 128
ANGLES = 2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS
# Landmarks jitter by about a pixel; a mask that follows them would tremble. Standard deviation in frames.
STEADY = 2.0


@dataclass(frozen=True)
class Steady:
    """Where the face is on T pictures, averaged over neighbouring ones.

    Attributes:
        turn, shift: complex128 [T, 1]; a pixel x + iy lies at turn · (x + iy) + shift in the aligned frame.
        points: complex128 [T, 68], the landmarks in the aligned frame.
    """

    turn: NDArray[np.complex128]
    shift: NDArray[np.complex128]
    points: NDArray[np.complex128]

    def __getitem__(self, span: slice | NDArray[np.int64]) -> "Steady":
        """The pictures of `span`."""
        return Steady(self.turn[span], self.shift[span], self.points[span])

    def pixels(self, aligned: NDArray[np.complex128]) -> NDArray[np.complex128]:
        """Points of the aligned frame, complex [T, n], in pixels of the pictures."""
        return (aligned - self.shift) / self.turn

    def grid(self, size: int) -> NDArray[np.complex64]:
        """Where the pixels of the pictures lie in the aligned frame, complex64 [T, size, size]."""
        places = np.arange(size) + 1j * np.arange(size)[:, None]
        turn, shift = self.turn[..., None].astype(np.complex64), self.shift[..., None].astype(np.complex64)
        return np.asarray(turn * places.astype(np.complex64) + shift, np.complex64)


def steady(footage: FaceFootage, sigma: float = STEADY) -> Steady:
    """Find where the face is; the squares of the footage may jump, the face may not.

    Args:
        footage: of at least one picture.
        sigma: frames, the standard deviation of the average over time.
    """
    scale = footage.squares[:, 2:] / footage.pictures.shape[2]
    corner = footage.squares[:, :1] + 1j * footage.squares[:, 1:2]
    seen = (as_complex(footage.points) + 0.5 + 0.5j) * scale + corner
    smooth = gaussian_filter1d(seen, sigma, axis=0, mode="nearest")
    stable = smooth[:, MOUTH_ALIGNMENT_POINTS]
    turn, shift = similarity(np.stack([stable.real, stable.imag], axis=-1), ALIGNED_AT)
    return Steady(turn * scale, turn * ((0.5 + 0.5j) * scale + corner) + shift, turn * smooth + shift)


@dataclass(frozen=True)
class Outline:
    """A closed line on each of T pictures.

    Attributes:
        centre: complex128 [T, 1], in the aligned frame.
        radii: float64 [T, 128], how far it is from the centre in each direction.
    """

    centre: NDArray[np.complex128]
    radii: NDArray[np.float64]

    def __getitem__(self, span: slice | NDArray[np.int64]) -> "Outline":
        """The pictures of `span`."""
        return Outline(self.centre[span], self.radii[span])

    def scaled(self, factor: float | NDArray[np.floating]) -> "Outline":
        """The line at `factor` times the distance; a number, or one for each direction."""
        return replace(self, radii=self.radii * factor)

    def mask(self, grid: NDArray[np.complex64], feather: float) -> NDArray[np.float32]:
        """Return float32 [T, S, S]: 0 outside, rising to 1 over `feather` of the way to the centre.

        Args:
            grid: complex64 [T, S, S], `Steady.grid` of the same pictures.
            feather: above 0, at most 1.
        """
        from_centre = grid - self.centre[..., None].astype(np.complex64)
        where = np.angle(from_centre) * np.float32(DIRECTIONS / (2 * np.pi))
        low = np.floor(where)
        part = where - low
        index = low.astype(np.int64) % DIRECTIONS + DIRECTIONS * np.arange(len(grid))[:, None, None]
        radii = self.radii.astype(np.float32)
        here, after = radii.ravel()[index], np.roll(radii, -1, axis=1).ravel()[index]
        depth = ((1 - np.abs(from_centre) / (here + part * (after - here))) / np.float32(feather)).clip(0, 1)
        return np.asarray(depth * depth * (3 - 2 * depth), np.float32)  # smooth at both ends


def around(points: NDArray[np.complex128]) -> Outline:
    """Return the convex hull of points of the aligned frame, complex [T, n], n at least 3, not on one line."""
    centre = points.mean(axis=1, keepdims=True)
    normals = np.exp(1j * ANGLES)
    # Farthest point along each normal: the hull lies on this side of a line at that distance.
    farthest = ((points - centre)[:, :, None] * normals.conj()).real.max(axis=1)
    towards = np.cos(ANGLES[:, None] - ANGLES)
    reached = np.divide(
        farthest[:, None], towards, out=np.full((len(points), *towards.shape), np.inf), where=towards > 0.05
    )
    return Outline(centre, reached.min(axis=2))


def wavering(rng: np.random.Generator, amount: float) -> NDArray[np.float64]:
    """Return factors around 1 for the directions of an outline, float64 [128]: smooth waves that do not change."""
    waves = np.arange(1, 6)
    strength = rng.normal(0, amount, len(waves)) / np.sqrt(waves)
    phases = rng.uniform(0, 2 * np.pi, len(waves))
    return np.asarray(np.exp((strength[:, None] * np.cos(waves[:, None] * ANGLES + phases[:, None])).sum(axis=0)))

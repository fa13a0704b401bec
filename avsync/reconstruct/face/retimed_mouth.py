"""The mouth of another moment of the same words: it says the same, a little earlier or later."""

import numpy as np
from numpy.typing import NDArray

from avsync.reconstruct.face.interface import FaceFootage
from avsync.reconstruct.face.outline import steady
from avsync.reconstruct.face.tensors import to_pictures, to_tensor
from avsync.reconstruct.face.warp import aligned, back

_STEADY = 0.8  # frames: less than for masks, since lips must move in time
_SHIFT = (2.0, 6.0)  # frames, earlier or later
_WANDERS = 1.5  # frames by which that changes within a second, standard deviation
_KNOTS = 25  # frames between knots


def retimed_mouth(footage: FaceFootage, rng: np.random.Generator) -> NDArray[np.float32]:
    """Show each picture with the face of another, the head where it is (see `FaceReconstruction.function`).

    No picture is shown before one that came before it.
    """
    face, pictures = steady(footage, _STEADY), to_tensor(footage.pictures)
    held = aligned(pictures, face)
    return to_pictures((pictures + back(held[_moments(len(footage), rng)] - held, face)).clamp(0, 255))


def _moments(count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Which picture each shows, int [T], rising."""
    shift = rng.uniform(*_SHIFT) * rng.choice([-1, 1])
    knots = shift + rng.normal(0, _WANDERS, count // _KNOTS + 2)
    at = np.arange(count)
    moments = np.rint(at + np.interp(at / _KNOTS, np.arange(len(knots)), knots)).astype(np.int64)
    return np.maximum.accumulate(moments).clip(0, count - 1)

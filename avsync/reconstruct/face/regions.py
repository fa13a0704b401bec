"""The parts of a face that a reconstruction may replace, as outlines around landmarks."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from avsync.face.landmarks import BROWS, JAW, LIPS, NOSE
from avsync.reconstruct.face.interface import Region
from avsync.reconstruct.face.outline import Outline, around

Points = NDArray[np.complex128]

# The 68 points end at the brows. A forehead up to the hair is about as high as the nose is long; half of it is skin on
# every face, whatever the hair.
_FOREHEAD = 0.5
# How much of a hull is used: of the jaw what is surely not the background.
_LIPS, _FEATURES, _JAW = 1.15, 1.1, 0.97


def outline_of(region: Region, points: Points) -> Outline:
    """Return the outline of a part of the face; `points` complex [T, 68], in the aligned frame."""
    return _OUTLINES[region](points)


def _mouth(points: Points) -> Outline:
    """The lips, and the skin halfway to the nose and to the chin."""
    up, down = ((points[:, [there]] - points[:, [lip]]) / 2 for there, lip in ((33, 51), (8, 57)))
    return around(np.concatenate([points[:, LIPS], points[:, 49:54] + up, points[:, 55:60] + down], axis=1)).scaled(
        _LIPS
    )


def _lower_face(points: Points) -> Outline:
    """From the base of the nose to the chin."""
    return around(np.concatenate([points[:, 2:15], points[:, 31:36]], axis=1)).scaled(_JAW)


def _face(points: Points) -> Outline:
    """Brows, eyes, nose and mouth, without cheeks and chin."""
    return around(points[:, 17:68]).scaled(_FEATURES)


def _hull(points: Points) -> Outline:
    """All that the landmarks enclose, and half of the forehead."""
    return around(np.concatenate([points[:, JAW], _forehead(points)], axis=1)).scaled(_JAW)


def _forehead(points: Points) -> Points:
    nose = points[:, NOSE][:, 6] - points[:, NOSE][:, 0]  # from the bridge to the base
    return points[:, BROWS] - _FOREHEAD * nose[:, None]


_OUTLINES: dict[Region, Callable[[Points], Outline]] = {
    "mouth": _mouth,
    "lower_face": _lower_face,
    "face": _face,
    "hull": _hull,
}

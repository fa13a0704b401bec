"""How lips move: readings of their landmarks alone."""

import numpy as np
from numpy.typing import NDArray

from avsync.align.temporal.geometry import STABLE
from avsync.face.crop import as_complex, similarity
from avsync.score.readings.face import together

_EYE_CORNERS = (36, 45)
_LIPS = slice(48, 68)
_FLOOR = 1e-4  # eye distances per frame²; a hundredth of what whole-pixel landmarks show, and not nothing in a still


def lip_acceleration(landmarks: NDArray[np.float32], weight: NDArray[np.float32]) -> float:
    """Log of the mean acceleration of the lip points against the head, in eye distances per frame².

    Real lips start and stop abruptly and skin never rests; generators, trained to the mean of what may come, are
    smooth.

    Args:
        landmarks: float32 [T, 68, 2] in pixels, T at least 3.
        weight: float32 [T], the share of speech in each frame.
    """
    points = landmarks.astype(np.float64)
    turn, shift = similarity(points[:, STABLE], points[:, STABLE].mean(axis=0))
    face = turn * as_complex(points) + shift
    width = np.abs(face[:, _EYE_CORNERS[0]] - face[:, _EYE_CORNERS[1]]).mean()
    acceleration = np.abs(np.diff(face[:, _LIPS], 2, axis=0)).mean(axis=1)
    return float(np.log(max(_FLOOR, np.average(acceleration, weights=together(weight, 2)) / width)))

"""The 68 landmarks of iBUG 300-W (Sagonas et al., 2013): which index is which part of the face.

Left and right are those of the person: the right eye is on the left of the picture.
"""

import numpy as np
from numpy.typing import NDArray

JAW = slice(0, 17)  # from the right ear over the chin, point 8, to the left ear
BROWS = slice(17, 27)
NOSE = slice(27, 36)  # bridge 27–30, base 31–35
NOSE_TIP = 30
EYES = slice(36, 48)
RIGHT_EYE, LEFT_EYE = slice(36, 42), slice(42, 48)
OUTER_EYE_CORNERS = (36, 45)
EYE_CORNERS = (36, 39, 42, 45)
LIPS = slice(48, 68)  # outer edge 48–59, inner edge 60–67
LIPS_AND_CHIN = [*range(48, 68), *range(5, 12)]

# Two sets of points that speech hardly moves. The mouth crops of AV-HuBERT are aligned by the first (five points, one
# of the nose); shape and motion of the lips are measured against the second, whose nine nose points average more noise.
MOUTH_ALIGNMENT_POINTS = [33, *EYE_CORNERS]
HEAD_FRAME_POINTS = [*range(27, 36), *EYE_CORNERS]

# MIRROR[i] is the point that lies where point i lies once the picture is mirrored.
MIRROR = [
    *range(16, -1, -1),  # jaw
    *range(26, 16, -1),  # brows
    *(*range(27, 31), *range(35, 30, -1)),  # nose
    *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),  # eyes
    *(*range(54, 47, -1), *range(59, 54, -1)),  # outer edge of the lips
    *(*range(64, 59, -1), 67, 66, 65),  # inner edge
]

# Smaller over larger spread of the points of a face. On 474 ordinary clips: at least 0.66; a quarter leaves room for
# faces in profile.
_NARROWEST = 0.25


def looks_like_a_face(points: NDArray[np.float32]) -> bool:
    """Whether points [68, 2] spread in two directions: false if they lie on a line or are not finite."""
    if not np.isfinite(points).all():
        return False
    centred = points - points.mean(axis=0)
    z = centred[:, 0] + 1j * centred[:, 1]
    # For standard deviations a ≥ b along the two main directions, |Σz²| / Σ|z|² = (a² − b²) / (a² + b²).
    limit = (1 - _NARROWEST**2) / (1 + _NARROWEST**2)
    return bool(abs((z**2).sum()) <= limit * (abs(z) ** 2).sum())

"""One still picture of the face, carried along by the landmarks, as programs that animate a portrait do."""

import numpy as np
import torch
from numpy.typing import NDArray

from avsync.face.landmarks import LEFT_EYE, RIGHT_EYE
from avsync.reconstruct.face.interface import FaceFootage
from avsync.reconstruct.face.outline import Steady, around, steady
from avsync.reconstruct.face.tensors import to_pictures, to_tensor
from avsync.reconstruct.face.warp import carried

_STEADY = 0.8  # frames: less than for masks, since lips must move in time
_INNER_LIPS = slice(60, 68)
_LARGER = 1.3  # than the landmarks around eyes and between lips; edges are soft


def carried_texture(footage: FaceFootage, rng: np.random.Generator) -> NDArray[np.float32]:
    """Show the skin of one picture on all (see `FaceReconstruction.function`).

    Eyes and what lies between the lips are those of each picture: nobody looks elsewhere or says something else.
    """
    face = steady(footage, _STEADY)
    still = np.full(len(footage), _usual(face, rng))
    pictures = to_tensor(footage.pictures)
    skin = carried(pictures[still], face[still], face, face.points)
    own = torch.from_numpy(_eyes_and_mouth(face, pictures.shape[-1]))[:, None]
    return to_pictures((skin + own * (pictures - skin)).clamp(0, 255))


def _usual(face: Steady, rng: np.random.Generator) -> int:
    """One of the pictures whose landmarks are nearest to the mean of all."""
    far = np.abs(face.points - face.points.mean(axis=0)).mean(axis=1)
    return int(rng.choice(np.argsort(far, kind="stable")[: max(1, len(far) // 4)]))


def _eyes_and_mouth(face: Steady, size: int) -> NDArray[np.float32]:
    """1 in the eyes and between the lips, float32 [T, S, S]."""
    grid = face.grid(size)
    parts = (RIGHT_EYE, LEFT_EYE, _INNER_LIPS)
    masks = [around(face.points[:, part]).scaled(_LARGER).mask(grid, 0.6) for part in parts]
    return np.asarray(np.maximum.reduce(masks), np.float32)

"""Footage of the demo's talking faces, as a tree of video and as trainings of faces keep it."""

from functools import cache

import numpy as np
from talking import face

from avsync.config import DataConfig
from avsync.face import PATCH_SIDE, load_face_detector
from avsync.reconstruct.face import FaceFootage
from avsync.reconstruct.stored_footage import FootageConfig

FOOTAGE = FootageConfig(frames=20)


@cache
def talking(size=64, frames=16):
    """Sixteen pictures of the demo's face in colour, with its landmarks."""
    grey = face()[:frames]
    points = load_face_detector().landmarks(grey)
    step = PATCH_SIDE // size
    small = grey[:, ::step, ::step]
    pictures = np.stack([small, small // 2 + 40, small // 3 + 60], axis=-1)
    squares = np.tile(np.array([0, 0, PATCH_SIDE]), (frames, 1))
    return FaceFootage(pictures, (points / step).astype(np.float32), squares, 0.0)


def data_of(tree, folder, held_out):
    return DataConfig(root=str(tree), cache=str(folder), validation=[held_out], licence="CC BY 4.0", num_workers=1)

"""Real faces, taken apart and put together again: who speaks and what is said stay, traces of synthesis come in."""

from avsync.reconstruct.face.blending import BLENDINGS
from avsync.reconstruct.face.interface import REGIONS, FaceFootage, RebuildFace, Rebuilt, Region
from avsync.reconstruct.face.registry import (
    FACE_RECONSTRUCTIONS,
    NETWORKS,
    FaceReconstruction,
    identity,
    load_face_reconstruction,
)

__all__ = [
    "BLENDINGS",
    "FACE_RECONSTRUCTIONS",
    "NETWORKS",
    "REGIONS",
    "FaceFootage",
    "FaceReconstruction",
    "RebuildFace",
    "Rebuilt",
    "Region",
    "identity",
    "load_face_reconstruction",
]

"""From the arrays of a clip to the inputs of the networks. Silence weighs nothing in any mean."""

from avsync.encoders.geometry import lip_geometry, lip_points, mean_face, mirrored, principal_components
from avsync.encoders.logmel import MEL_PER_FRAME, standardise_mel
from avsync.encoders.pixels import PIXEL_SIDE, mouth_pixels, standardise_pixels

__all__ = [
    "MEL_PER_FRAME",
    "PIXEL_SIDE",
    "lip_geometry",
    "lip_points",
    "mean_face",
    "mirrored",
    "mouth_pixels",
    "principal_components",
    "standardise_mel",
    "standardise_pixels",
]

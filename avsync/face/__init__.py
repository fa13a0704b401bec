"""Faces of a clip: detection, tracking, 68 landmarks, crops."""

from avsync.face.crop import MOUTH_SIDE, PATCH_SIDE, alignment, cut_patch, mouth_crops, sample
from avsync.face.detect import Box, FaceDetector
from avsync.face.track import Face, FaceTracker

__all__ = [
    "MOUTH_SIDE",
    "PATCH_SIDE",
    "Box",
    "Face",
    "FaceDetector",
    "FaceTracker",
    "alignment",
    "cut_patch",
    "mouth_crops",
    "sample",
]

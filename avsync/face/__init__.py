"""Faces of a clip: detection, tracking, 68 landmarks, crops."""

from avsync.face.crop import (
    LIP_SIDE,
    LIP_ROWS,
    MOUTH_SIDE,
    PATCH_SIDE,
    Box,
    alignment,
    face_boxes,
    mouth_crops,
    sample,
    to_picture,
)
from avsync.face.dlib import FaceDetector
from avsync.face.track import Face, FaceTracker

__all__ = [
    "LIP_ROWS",
    "LIP_SIDE",
    "MOUTH_SIDE",
    "PATCH_SIDE",
    "Box",
    "Face",
    "FaceDetector",
    "FaceTracker",
    "alignment",
    "face_boxes",
    "mouth_crops",
    "sample",
    "to_picture",
]

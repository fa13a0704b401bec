"""Faces of a clip: detection, tracking, 68 landmarks, crops."""

from avsync.face.crop import (
    LIP_SIDE,
    LIPS,
    MOUTH_SIDE,
    PATCH_SIDE,
    Box,
    alignment,
    face_boxes,
    mouth_crops,
    sample,
    to_picture,
)
from avsync.face.detect import FaceDetector
from avsync.face.track import Face, FaceTracker

__all__ = [
    "LIPS",
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

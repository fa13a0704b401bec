"""Faces of a recording: detection, tracking, 68 landmarks, crops."""

from avsync.face.boxes import Box
from avsync.face.crop import (
    LIP_ROWS,
    LIP_SIDE,
    MOUTH_SIDE,
    PATCH_SIDE,
    Alignment,
    align_faces,
    face_boxes,
    mouth_crops,
    sample,
    to_picture,
)
from avsync.face.interface import FACE_DETECTORS, FaceDetector, load_face_detector
from avsync.face.runs import Face
from avsync.face.track import FaceTracker

__all__ = [
    "FACE_DETECTORS",
    "LIP_ROWS",
    "LIP_SIDE",
    "MOUTH_SIDE",
    "PATCH_SIDE",
    "Alignment",
    "Box",
    "Face",
    "FaceDetector",
    "FaceTracker",
    "align_faces",
    "face_boxes",
    "load_face_detector",
    "mouth_crops",
    "sample",
    "to_picture",
]

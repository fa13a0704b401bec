"""Faces and 68 of their 478 landmarks by MediaPipe's face landmarker (package `mediapipe`, model `face_landmarker`).

For those who need licences that allow commercial use: package and model are Apache-2.0. The model is a file of
TensorFlow Lite networks in a zip archive; it is read only if it is the published one, by its hash.

The networks are BlazeFace (Bazarevsky et al., arXiv 1907.05047), which finds faces of about an eighth of the picture's
longer side and more, and a mesh of the face (Kartynnik et al., arXiv 1907.06724).

Releases of mediapipe from 0.10.35 on report their use to Google ("Privacy Notice" of the package), and releases before
0.10.30 need an old numpy. Both are refused. Those between contain no networking code: their library imports neither
`socket` nor `connect`.
"""

import atexit
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avsync.errors import UsageError
from avsync.face.boxes import Box, best_match, box_about, close_up
from avsync.face.crop import PATCH_SIDE
from avsync.weights.web import published_file

# The points of the mesh that stand for the 68 (iBUG 300-W). Ends and corners are those of MediaPipe's own contours
# (face oval, brows, nose, eyes, lips). Between them stands the point of the same contour that lies nearest to dlib's
# point, by the median over 127 real frames of 44 people, both sides of the face together, with the mesh of
# mediapipe 0.10.21 (468 points, the same numbers). Their median distance from dlib's is 2.5 pixels of a patch: 2 for
# eyes, nose and lips, 5 for the jaw.
POINTS = (
    *(127, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 356),  # jaw
    *(70, 63, 105, 66, 107, 336, 296, 334, 293, 300),  # brows
    *(168, 197, 5, 4, 98, 97, 2, 326, 327),  # nose
    *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),  # eyes
    *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181),  # outer edge of the lips
    *(78, 82, 13, 312, 308, 317, 14, 87),  # inner edge
)
_MESH = 478  # the 468 points of the face and 5 of each iris
_MAX_FACES = 6
_FIRST, _LAST = (0, 10, 30), (0, 10, 34)  # releases of mediapipe, without the last
_HARDER = 4  # the harder look sees squares of the longer side divided by this, half overlapping


class MeshFaceDetector:
    """MediaPipe's face landmarker, 68 of its 478 points; licences allow commercial use."""

    key = "mesh-68/1"

    def __init__(self) -> None:
        _check_package()
        self._model = published_file("face_landmarker")

    def find(self, image: NDArray[np.uint8]) -> list[Box]:
        """Boxes of the faces of a grey picture, uint8 [H, W]."""
        return [self.box_of(points) for points in self._faces(image)]

    def find_harder(self, image: NDArray[np.uint8]) -> list[Box]:
        """Boxes of faces, also of those that are too small in the whole picture: it is searched in squares."""
        found = self.find(image)
        if not found:
            for left, top, side in _squares(image.shape):
                for box in self.find(image[top : top + side, left : left + side]):
                    moved = (box[0] + left, box[1] + top, box[2] + left, box[3] + top)
                    if best_match(moved, found) is None:
                        found.append(moved)
        return found

    def confirm(self, image: NDArray[np.uint8], box: Box) -> bool:
        """Whether a face that overlaps with `box` is found in the picture of twice its side around it."""
        look, there = close_up(image, box)
        return best_match(there, self.find(look)) is not None

    def landmarks(self, patches: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The 68 points, float32 [N, 68, 2] (x, y) in patch pixels, of the faces in patches, uint8 [N, 192, 192].

        Each patch is read by itself: the face whose points lie nearest to the middle. NaN where none is found.
        """
        points = np.full((len(patches), len(POINTS), 2), np.nan, np.float32)
        middle = (PATCH_SIDE - 1) / 2
        for i, patch in enumerate(patches):
            faces = self._faces(patch)
            if faces:
                points[i] = min(faces, key=lambda face: float(np.hypot(*(face.mean(axis=0) - middle))))
        return points

    def box_of(self, landmarks: NDArray[np.float32]) -> Box:
        """The box that dlib's detector draws around a face with these 68 points, float32 [68, 2].

        So encoders see faces at the same scale: on the frames of `POINTS` the two differ by a median of less than 1 %.
        """
        return box_about(landmarks)

    def _faces(self, image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """The 68 points, float32 [68, 2] in pixels, of each face of a picture; the bundle gives shares of its sides."""
        if 0 in image.shape:
            return []
        size = np.array(image.shape[::-1], np.float32)
        found = _landmarker(self._model).detect(_as_colour(image)).face_landmarks
        meshes = [np.array([(p.x, p.y) for p in mesh], np.float32) for mesh in found if len(mesh) == _MESH]
        return [mesh[list(POINTS)] * size - 0.5 for mesh in meshes]


@cache  # once for all detectors of a process
def _landmarker(model: Path) -> Any:
    # Imported by their names: the modules above them cannot be imported one by one.
    from mediapipe.tasks.python.core.base_options import BaseOptions
    from mediapipe.tasks.python.vision.face_landmarker import FaceLandmarker, FaceLandmarkerOptions

    options = FaceLandmarkerOptions(base_options=BaseOptions(model_asset_path=str(model)), num_faces=_MAX_FACES)
    with _silence():
        landmarker = FaceLandmarker.create_from_options(options)
    # Its finalizer needs threads that have ended when it runs, and complains. The process ends: nothing needs closing.
    atexit.register(setattr, landmarker, "_handle", None)
    return landmarker


def _as_colour(image: NDArray[np.uint8]) -> Any:
    from mediapipe.tasks.python.vision.core.image import Image, ImageFormat

    return Image(image_format=ImageFormat.SRGB, data=np.repeat(image[..., None], 3, axis=2))


@contextmanager
def _silence() -> Iterator[None]:
    """Send what libraries write to standard error to the null device: mediapipe's notes cannot be turned off."""
    kept, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)


def _squares(shape: tuple[int, ...]) -> Iterator[tuple[int, int, int]]:
    """Left, top and side of squares that cover a picture [H, W], half overlapping."""
    side = -(-max(shape) // _HARDER)
    for top in range(0, max(shape[0] - side // 2, 1), side // 2 or 1):
        for left in range(0, max(shape[1] - side // 2, 1), side // 2 or 1):
            yield left, top, side


def _check_package() -> None:
    try:
        release = version("mediapipe")
    except PackageNotFoundError as error:
        raise UsageError("--faces mesh needs the package mediapipe: pip install 'avsync[mesh]'") from error
    if not _FIRST <= tuple(map(int, re.findall(r"\d+", release)[:3])) < _LAST:
        raise UsageError(
            f"mediapipe {release}: avsync uses 0.10.30 to 0.10.33 only, since later releases report their use to "
            "Google; run: pip install 'avsync[mesh]'"
        )

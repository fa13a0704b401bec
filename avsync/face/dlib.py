"""Faces and their 68 landmarks by dlib (King, 2009; landmarks: Kazemi & Sullivan, CVPR 2014)."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import dlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from avsync.face.boxes import Box, best_match, box_about, centre
from avsync.face.crop import CONTEXT, PATCH_SIDE, at_most

# The HOG detector finds faces of 80 px and more: at this size they are at least an eighth of the picture's width.
_HOG_SIDE = 640
# At twice this size it finds those of 40 px too.
_HARDER_SIDE = 1280
_MMOD_SIDE = 480
# The mmod network finds faces of 40 px and more; given a few pixels, dlib corrupts its memory.
_MMOD_LEAST = 40
# A close look shows twice the box, so the face fills half of this side.
_CLOSE_SIDE = 240
# The box in the middle of a patch.
_IN_PATCH = [round(PATCH_SIDE / 2 + sign * PATCH_SIDE / (2 * CONTEXT)) for sign in (-1, -1, 1, 1)]


class DlibFaceDetector:
    """The HOG detector, the stronger mmod network for a harder look, and the 68-point predictor."""

    key = "dlib-68/2"

    def find(self, image: NDArray[np.uint8]) -> list[Box]:
        """Boxes of the frontal faces of a grey picture, uint8 [H, W]."""
        small, scale = at_most(image, _HOG_SIDE)
        return [_box(r, scale) for r in _hog()(small, 0)]

    def find_harder(self, image: NDArray[np.uint8]) -> list[Box]:
        """Boxes of faces that the HOG detector misses (small, turned or partly covered); some hundred times slower."""
        small, scale = at_most(image, _HARDER_SIDE)
        found = _hog()(small, 1)
        if not found:
            small, scale = at_most(image, _MMOD_SIDE)
            found = self._strong(small)
        return [_box(r, scale) for r in found]

    def confirm(self, image: NDArray[np.uint8], box: Box) -> bool:
        """Whether a face that overlaps with `box` is found in the picture of twice its side around it."""
        side = box[2] - box[0]
        around = [round(c + sign * side) for sign in (-1, 1) for c in centre(box)]
        region = _within(around, image.shape)
        close = Image.fromarray(image).resize(
            (_CLOSE_SIDE, _CLOSE_SIDE), Image.Resampling.BILINEAR, box=region, reducing_gap=2.0
        )
        look = np.asarray(close)
        return any(
            best_match(box, [_out_of(region, r) for r in find(look)]) is not None
            for find in (lambda picture: _hog()(picture, 0), self._strong)
        )

    def landmarks(self, patches: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The 68 points, float32 [N, 68, 2] (x, y) in patch pixels, of the faces in patches, uint8 [N, 192, 192].

        All patches have one size, so landmarks are as noisy in a small picture as in a large one (dlib gives whole
        pixels).
        """
        read, inside = _predictor(), dlib.rectangle(*_IN_PATCH)
        points = [[(p.x, p.y) for p in read(patch, inside).parts()] for patch in patches]
        return np.array(points, np.float32).reshape(-1, 68, 2)

    def box_of(self, landmarks: NDArray[np.float32]) -> Box:
        """The box that dlib's detector draws around a face with these 68 points, float32 [68, 2]."""
        return box_about(landmarks)

    def _strong(self, image: NDArray[np.uint8]) -> list[Any]:
        if min(image.shape) < _MMOD_LEAST:
            return []
        return [d.rect for d in _mmod()(np.repeat(image[..., None], 3, axis=2), 0)]


# Loaded once for all detectors of a process: the predictor's file has 100 MB.
@cache
def _hog() -> Any:
    return dlib.get_frontal_face_detector()


@cache
def _mmod() -> Any:
    return dlib.cnn_face_detection_model_v1(str(_model_file("mmod_human_face_detector.dat")))


@cache
def _predictor() -> Any:
    return dlib.shape_predictor(str(_model_file("shape_predictor_68_face_landmarks.dat")))


def _model_file(name: str) -> Path:
    # Located, not imported: the package's __init__ needs pkg_resources, which newer setuptools no longer has.
    spec = find_spec("face_recognition_models")
    assert spec is not None, "a dependency of avsync"
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / "models" / name


def _within(box: list[int], shape: tuple[int, ...]) -> Box:
    """The box cut at the picture's edges, at least one pixel wide."""
    left, top = min(max(0, box[0]), shape[1] - 1), min(max(0, box[1]), shape[0] - 1)
    return (left, top, max(left + 1, min(box[2], shape[1])), max(top + 1, min(box[3], shape[0])))


def _box(r: Any, scale: float) -> Box:
    return (r.left() * scale, r.top() * scale, r.right() * scale, r.bottom() * scale)


def _out_of(region: Box, r: Any) -> Box:
    """A rectangle of the close look, in pixels of the picture."""
    left, top, right, bottom = region
    x, y = (right - left) / _CLOSE_SIDE, (bottom - top) / _CLOSE_SIDE
    return (left + x * r.left(), top + y * r.top(), left + x * r.right(), top + y * r.bottom())

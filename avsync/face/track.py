"""Follow every face of a clip from picture to picture."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from avsync.face.crop import Box, cut_patch, square_around, to_picture
from avsync.face.dlib import FaceDetector, box_of
from avsync.media import FPS

# How often the whole picture is searched for faces; in between, landmarks follow the ones known.
_SEARCH_EVERY = 10
# Searches in a row that may miss a face before it counts as gone.
_MISSES = 3
# While there is no face at all, the slow detector is tried this many frames apart.
_SEARCH_HARDER_EVERY = 2 * FPS
# Two boxes that overlap by this much (intersection over union) are one face.
_SAME = 0.3
# A cut: the mean change of a 32×32 thumbnail from one picture to the next, in grey levels.
_CUT = 30.0
_MAX_FACES = 6


@dataclass(frozen=True, slots=True)
class Face:
    """One face on one picture.

    Attributes:
        track: its number.
        patch: uint8 [192, 192], the picture around it.
        points: float32 [68, 2], landmarks in pixels of the patch.
        square: int [3], left, top and side of what the patch shows, in pixels of the picture.
        seen: whether the last search saw it.
    """

    track: int
    patch: NDArray[np.uint8]
    points: NDArray[np.float32]
    square: NDArray[np.int64]
    seen: bool


@dataclass(slots=True)
class _Known:
    track: int
    box: Box
    misses: int = 0


class FaceTracker:
    """Feed pictures in order; get the faces on each. A cut ends every track: another shot is another track."""

    def __init__(self, detector: FaceDetector) -> None:
        self._detector = detector
        self._known: list[_Known] = []
        self._tracks = 0
        self._frame = 0
        self._searched_harder = -_SEARCH_HARDER_EVERY
        self._thumbnail: NDArray[np.float32] | None = None

    def update(self, image: NDArray[np.uint8]) -> list[Face]:
        """The faces on the next picture, uint8 [H, W]."""
        cut = self._is_cut(image)
        if cut:
            self._known = []
        if cut or self._frame % _SEARCH_EVERY == 0:
            self._search(image)
        self._frame += 1
        return [self._follow(image, known) for known in self._known]

    def _follow(self, image: NDArray[np.uint8], known: _Known) -> Face:
        square = square_around(known.box)
        patch = cut_patch(image, square)
        points = self._detector.landmarks(patch)
        known.box = box_of(to_picture(points, square))
        return Face(known.track, patch, points, square, known.misses == 0)

    def _search(self, image: NDArray[np.uint8]) -> None:
        found = self._detector.find(image)
        if not found and not self._known and self._frame - self._searched_harder >= _SEARCH_HARDER_EVERY:
            self._searched_harder = self._frame
            found = self._detector.find_harder(image)
        for known in self._known:
            overlaps = [_overlap(known.box, box) for box in found]
            best = int(np.argmax(overlaps)) if overlaps else -1
            if best >= 0 and overlaps[best] > _SAME:
                found.pop(best)
                known.misses = 0
            else:
                known.misses = 0 if self._detector.confirm(image, known.box) else known.misses + 1
        self._known = [known for known in self._known if known.misses < _MISSES]
        for box in found[: max(0, _MAX_FACES - len(self._known))]:
            self._known.append(_Known(self._tracks, box))
            self._tracks += 1

    def _is_cut(self, image: NDArray[np.uint8]) -> bool:
        some = Image.fromarray(np.ascontiguousarray(image[::4, ::4]))
        small = some.resize((32, 32), Image.Resampling.BILINEAR, reducing_gap=1.0)
        previous, self._thumbnail = self._thumbnail, np.asarray(small, np.float32)
        return previous is not None and float(np.abs(self._thumbnail - previous).mean()) > _CUT


def _overlap(a: Box, b: Box) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    inside = width * height
    return inside / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inside)

"""What is kept of the faces for the report, while their clips go by: a bounded amount, however long the file is."""

from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from avsync.clip import FaceClip
from avsync.face import face_boxes, mouth_crops
from avsync.face.landmarks import LIPS
from avsync.media import FPS

MOUTH_SIDE = 48  # pixels of a mouth in the report, half of those of the mouth ROI
# Frames between two views, and between two pictures of the face, until there are too many of them.
_VIEW_EVERY, _STILL_EVERY = FPS // 5, FPS
# At most so many are kept of a face; a minute has 300 views.
_MOST_VIEWS, _MOST_STILLS = 600, 32
_MOUTH_MARGIN = 1.6  # side of the square about a mouth, in widths of the lips
T = TypeVar("T")


class Thinned(Generic[T]):
    """Values that come every so many frames. When there are too many, every second one is dropped, and half as many
    are taken from then on.

    Attributes:
        every: frames between two values.
        values: those kept.
    """

    def __init__(self, every: int, most: int) -> None:
        self.every, self.values = every, list[T]()
        self._most = most

    def add(self, value: T) -> None:
        """Keep a value."""
        self.values.append(value)
        if len(self.values) > self._most:
            self.values, self.every = self.values[::2], 2 * self.every


class FaceView:
    """Views of one face.

    Attributes:
        looks: time (s), box and mouth square [4] in pixels of the picture, and mouth uint8 [48, 48].
        stills: time (s) and face patch, uint8 [192, 192].
    """

    def __init__(self) -> None:
        self.looks = Thinned[tuple[float, NDArray[np.float64], NDArray[np.float64], NDArray[np.uint8]]](
            _VIEW_EVERY, _MOST_VIEWS
        )
        self.stills = Thinned[tuple[float, NDArray[np.uint8]]](_STILL_EVERY, _MOST_STILLS)

    def add(self, clip: FaceClip) -> None:
        """Look at a clip."""
        for index in range(self.stills.every // 2, len(clip), self.stills.every):
            # A copy: a view of an array would keep the whole clip.
            self.stills.add((clip.start + index / FPS, clip.patches[index].copy()))
        seen = slice(0, None, self.looks.every)
        times = clip.start + np.arange(0, len(clip), self.looks.every) / FPS
        boxes, squares = face_boxes(clip.squares[seen]), _mouth_squares(clip.landmarks[seen])
        mouths = mouth_crops(clip.patches[seen], clip.alignment[seen])
        for time, box, square, mouth in zip(times, boxes, squares, mouths, strict=True):
            self.looks.add((float(time), box, square, _shrunk(mouth)))


class FaceViews:
    """Collects views of every face.

    Attributes:
        by_track: by number of the face.
    """

    def __init__(self) -> None:
        self.by_track: dict[int, FaceView] = {}

    def add(self, clip: object) -> None:
        """Look at a clip; one without a face is ignored."""
        if isinstance(clip, FaceClip):
            self.by_track.setdefault(clip.track, FaceView()).add(clip)


def _mouth_squares(landmarks: NDArray[np.float32]) -> NDArray[np.float64]:
    """Squares about the lips, float64 [T, 4]; `landmarks` float32 [T, 68, 2]."""
    lips = landmarks[:, LIPS].astype(np.float64)
    low, high = lips.min(axis=1), lips.max(axis=1)
    middle, half = (low + high) / 2, (high - low)[:, :1] * _MOUTH_MARGIN / 2
    return np.concatenate([middle - half, middle + half], axis=1)


def _shrunk(mouth: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(mouth).resize((MOUTH_SIDE, MOUTH_SIDE), Image.Resampling.BOX))

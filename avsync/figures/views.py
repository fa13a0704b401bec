"""What is kept of the faces for the report, while their clips go by: little, however long the file is."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from avsync.clip import FaceClip
from avsync.face import face_boxes, mouth_crops
from avsync.face.landmarks import LIPS
from avsync.media import FPS

MOUTH_SIDE = 48  # pixels of a mouth in the report, half of those of the mouth ROI
_EVERY = FPS // 5  # frames between two views
_STILL_EVERY = 3 * FPS  # frames between two patches, about one in each window
_MOUTH_MARGIN = 1.6  # side of the square about a mouth, in widths of the lips


@dataclass
class FaceView:
    """Views of one face: times (s), boxes and mouth squares [4] in pixels of the picture, mouths, and some patches."""

    times: list[float] = field(default_factory=list)
    boxes: list[NDArray[np.float64]] = field(default_factory=list)
    mouth_boxes: list[NDArray[np.float64]] = field(default_factory=list)
    mouths: list[NDArray[np.uint8]] = field(default_factory=list)
    stills: list[tuple[float, NDArray[np.uint8]]] = field(default_factory=list)


class FaceViews:
    """Collects views of every face.

    Attributes:
        by_track: by number of the face.
    """

    def __init__(self) -> None:
        self.by_track: dict[int, FaceView] = {}

    def add(self, clip: object) -> None:
        """Look at a clip; one without a face is ignored."""
        if not isinstance(clip, FaceClip):
            return
        view = self.by_track.setdefault(clip.track, FaceView())
        seen = slice(0, None, _EVERY)
        view.times += [clip.start + index / FPS for index in range(0, len(clip), _EVERY)]
        view.boxes += list(face_boxes(clip.squares[seen]))
        view.mouth_boxes += list(_mouth_squares(clip.landmarks[seen]))
        view.mouths += [_shrunk(mouth) for mouth in mouth_crops(clip.patches[seen], clip.alignment[seen])]
        middles = range(min(_STILL_EVERY, len(clip)) // 2, len(clip), _STILL_EVERY)
        # Copies: a view of an array would keep the whole clip.
        view.stills += [(clip.start + index / FPS, clip.patches[index].copy()) for index in middles]


def _mouth_squares(landmarks: NDArray[np.float32]) -> NDArray[np.float64]:
    """Squares about the lips, float64 [T, 4]; `landmarks` float32 [T, 68, 2]."""
    lips = landmarks[:, LIPS].astype(np.float64)
    low, high = lips.min(axis=1), lips.max(axis=1)
    middle, half = (low + high) / 2, (high - low)[:, :1] * _MOUTH_MARGIN / 2
    return np.concatenate([middle - half, middle + half], axis=1)


def _shrunk(mouth: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(mouth).resize((MOUTH_SIDE, MOUTH_SIDE), Image.Resampling.BOX))

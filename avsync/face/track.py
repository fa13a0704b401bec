"""Follow every face of a recording from picture to picture."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from avsync.face.boxes import SAME_FACE, Box, best_match, distance, fits, overlap
from avsync.face.crop import cut_patch, square_around, to_picture
from avsync.face.interface import FaceDetector
from avsync.face.landmarks import looks_like_a_face
from avsync.media import FPS

# How often the whole picture is searched for faces; in between, landmarks follow the known ones.
_SEARCH_EVERY = 10
# Searches in a row that may miss a face before its track ends.
_MISSES = 3
# While there is no face at all, the slow detector is tried this many frames apart.
_SEARCH_HARDER_EVERY = 2 * FPS
# Landmarks that jump start a search at once, if the last such search is this many frames ago: at most twice as many
# searches as without jumps.
_SEARCH_AGAIN_EVERY = _SEARCH_EVERY
# How far a face may move (in widths of its box) and grow or shrink (factor) after the last search that saw it, before
# that is a jump. On 474 ordinary clips: at most 0.66 and 1.39 in 10 frames. A zoom of 4 times in a second makes 1.7.
_MAX_MOVE = 1.0
_MAX_GROWTH = 2.0
# The largest box, in longer sides of the picture: where it is found, and by landmarks. On 474 ordinary clips at most
# 0.81 and 0.93. Beyond 1.25 much of the face is outside the picture; the square of the patch then has twice the side of
# the picture. The limits differ because a face near them would otherwise start track after track.
_MAX_FOUND = 1.0
_MAX_FOLLOWED = 1.25
# A cut: the mean change of a 32×32 thumbnail from one picture to the next, in grey levels.
_CUT = 30.0
_MAX_FACES = 6


@dataclass(frozen=True, slots=True)
class Face:
    """One face on one picture.

    Attributes:
        track: number of the face's track.
        patch: uint8 [192, 192], the picture around the face.
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
    box: Box  # on the previous picture, by its landmarks
    seen_at: Box  # at the last search that saw it
    misses: int = 0


class FaceTracker:
    """Takes the pictures of a recording in order and returns the faces on each.

    A track has a face on every picture from its first to its last. It ends at a cut, after three searches that miss the
    face, and where the landmarks jump and a search does not find the face in its old place. All boxes stay within what
    the picture can show (`fits`), whatever the detector returns.
    """

    def __init__(self, detector: FaceDetector) -> None:
        self._detector = detector
        self._known: list[_Known] = []
        self._tracks = 0
        self._frame = 0
        self._searched_harder = -_SEARCH_HARDER_EVERY
        self._searched_again = -_SEARCH_AGAIN_EVERY
        self._thumbnail: NDArray[np.float32] | None = None

    def update(self, image: NDArray[np.uint8]) -> list[Face]:
        """The faces on the next picture, uint8 [H, W]."""
        cut = self._is_cut(image)
        if cut:
            self._known = []
        searched = cut or self._frame % _SEARCH_EVERY == 0
        if searched:
            self._search(image)
        read = [(known, self._read(image, known)) for known in self._known]
        lost = [known for known, face in read if face is None]
        if lost and not searched and self._frame - self._searched_again >= _SEARCH_AGAIN_EVERY:
            read += [(known, self._read(image, known)) for known in self._search_again(image, lost)]
        self._known = [known for known, face in read if face is not None]
        self._frame += 1
        return [face for _, face in read if face is not None]

    def _read(self, image: NDArray[np.uint8], known: _Known) -> Face | None:
        """The face by its landmarks, with its box brought up to date; None where the landmarks jump or are no face."""
        square = square_around(known.box)
        patch = cut_patch(image, square)
        (points,) = self._detector.landmarks(patch[None])
        if not looks_like_a_face(points):
            return None
        box = self._detector.box_of(to_picture(points, square))
        if not fits(box, image.shape, _MAX_FOLLOWED) or _jumps(box, known):
            return None
        known.box = box
        return Face(known.track, patch, points, square, known.misses == 0)

    def _search(self, image: NDArray[np.uint8]) -> None:
        """Search the whole picture: note which known faces are seen, end tracks, start tracks."""
        found = _that_fit(self._detector.find(image), image)
        if not found and not self._known and self._frame - self._searched_harder >= _SEARCH_HARDER_EVERY:
            self._searched_harder = self._frame
            found = _that_fit(self._detector.find_harder(image), image)
        for known in self._known:
            if _take(known.box, found) or self._detector.confirm(image, known.box):
                known.seen_at, known.misses = known.box, 0
            else:
                known.misses += 1
        self._known = [known for known in self._known if known.misses < _MISSES]
        self._known += self._start(found, len(self._known))

    def _search_again(self, image: NDArray[np.uint8], lost: list[_Known]) -> list[_Known]:
        """Search the whole picture for faces whose landmarks jumped: those found in their old place, and new ones."""
        self._searched_again = self._frame
        found = _that_fit(self._detector.find(image), image)
        kept = [known for known in self._known if known not in lost]
        for known in kept:
            _take(known.box, found)
        again = []
        for known in lost:
            box = _take(known.box, found)
            if box:
                again.append(_Known(known.track, box, box))
        return again + self._start(found, len(kept) + len(again))

    def _start(self, found: list[Box], known: int) -> list[_Known]:
        """New tracks for boxes that belong to none, as many as there may be beside the known ones."""
        new = [_Known(self._tracks + i, box, box) for i, box in enumerate(found[: max(0, _MAX_FACES - known)])]
        self._tracks += len(new)
        return new

    def _is_cut(self, image: NDArray[np.uint8]) -> bool:
        some = Image.fromarray(np.ascontiguousarray(image[::4, ::4]))
        small = some.resize((32, 32), Image.Resampling.BILINEAR, reducing_gap=1.0)
        previous, self._thumbnail = self._thumbnail, np.asarray(small, np.float32)
        return previous is not None and float(np.abs(self._thumbnail - previous).mean()) > _CUT


def _that_fit(boxes: list[Box], image: NDArray[np.uint8]) -> list[Box]:
    return [box for box in boxes if fits(box, image.shape, _MAX_FOUND)]


def _take(box: Box, found: list[Box]) -> Box | None:
    """Remove from `found`, and return, the box of the same face; None if there is none."""
    best = best_match(box, found)
    return None if best is None else found.pop(best)


def _jumps(box: Box, known: _Known) -> bool:
    """Whether a box is too far from that of the previous picture, or from that of the last search, for one face."""
    growth = (box[2] - box[0]) / (known.seen_at[2] - known.seen_at[0])
    return (
        overlap(box, known.box) <= SAME_FACE
        or distance(box, known.seen_at) > _MAX_MOVE
        or not 1 / _MAX_GROWTH <= growth <= _MAX_GROWTH
    )

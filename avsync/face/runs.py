"""Follow one face on a run of pictures: cut them all with one square, and read their landmarks together.

The landmark model of dlib has 100 MB, of which 4 MB are read for each face. Between other work they come from memory;
many faces in a row find them in the cache.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avsync.face.boxes import SAME_FACE, Box, distance, fits, growth, overlap
from avsync.face.crop import cut_patch, square_around, to_picture
from avsync.face.interface import FaceDetector
from avsync.face.landmarks import looks_like_a_face

LONGEST_RUN = 25  # pictures that are cut with one square
# How far a face may move (in widths of its box) and grow or shrink (factor) in a run before the rest is cut anew.
_OFF_CENTRE = 0.1
_OFF_SIZE = 1.15
# The same after the last search that saw the face, before that is a jump. On 474 ordinary clips: at most 0.66 and 1.39
# in 10 frames. A zoom of 4 times in a second makes 1.7.
_MAX_MOVE = 1.0
_MAX_GROWTH = 2.0
# The largest box by landmarks, in longer sides of the picture. On 474 ordinary clips at most 0.93. Beyond 1.25 much of
# the face is outside the picture; the square of the patch then has twice the side of the picture.
_MAX_FOLLOWED = 1.25


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
class Known:
    """A face that is followed.

    Attributes:
        track: number of its track.
        box: where it is on the latest picture, by its landmarks.
        seen_at: where it was at the last search that saw it.
        misses: searches in a row that missed it.
        around: the box that its square was drawn around; None before its landmarks were read once.
        run: how many pictures are cut before their landmarks are read.
    """

    track: int
    box: Box
    seen_at: Box
    misses: int = 0
    around: Box | None = None
    run: int = 1


class Path:
    """A known face on pictures [start, end): it is followed until its landmarks jump or are no face.

    One square shows it until it has left the square's middle; then a square is drawn around its last box. So a still
    face has still patches, and how many pictures are read together changes nothing. Runs get twice as long while the
    face stays in its square, and as short as it stayed there once it leaves: at most four times as many landmarks are
    read as there are pictures.

    Attributes:
        known: the face; brought up to date.
        start: the first picture.
        faces, boxes: the face on each picture, and its box by its landmarks.
    """

    def __init__(self, detector: FaceDetector, known: Known, images: Sequence[NDArray[np.uint8]], start: int) -> None:
        self.known, self.start = known, start
        self.faces: list[Face] = []
        self.boxes: list[Box] = []
        self._detector = detector
        anew = known.around is None
        if anew:
            known.around = self._box_inside(known.box, images[start])
        while known.around is not None and self.end < len(images):
            run = images[self.end : self.end + known.run]
            count = self._read(run, known.around, anew=anew)
            if count == 0 and anew:
                break
            if anew := count < len(run):
                known.around = known.box

    @property
    def end(self) -> int:
        """The first picture on which the face is lost, or the count of the pictures."""
        return self.start + len(self.faces)

    def _box_inside(self, found: Box, image: NDArray[np.uint8]) -> Box | None:
        """The box by the landmarks of a face that a search found."""
        square = square_around(found)
        (points,) = self._detector.landmarks(cut_patch(image, square)[None])
        return self._box(points, square, image.shape)

    def _read(self, images: Sequence[NDArray[np.uint8]], around: Box, *, anew: bool) -> int:
        """Follow the face on a run of pictures as far as it stays in its square; return on how many it does.

        With a square drawn `anew`, it may be anywhere in it on the first picture.
        """
        known, square = self.known, square_around(around)
        patches = np.stack([cut_patch(image, square) for image in images])
        for count, (patch, points) in enumerate(zip(patches, self._detector.landmarks(patches), strict=True)):
            box = self._box(points, square, images[0].shape)
            if box is None or (_left(box, around) and not (anew and count == 0)):
                known.run = max(1, count)
                return count
            known.box = box
            self.boxes.append(box)
            self.faces.append(Face(known.track, patch, points, square, known.misses == 0))
        known.run = min(LONGEST_RUN, 2 * known.run)
        return len(images)

    def _box(self, points: NDArray[np.float32], square: NDArray[np.int64], shape: tuple[int, ...]) -> Box | None:
        """The box by the landmarks; None where they jump or are no face."""
        if not looks_like_a_face(points):
            return None
        box = self._detector.box_of(to_picture(points, square))
        return box if fits(box, shape, _MAX_FOLLOWED) and not _jumps(box, self.known) else None


def _left(box: Box, around: Box) -> bool:
    """Whether a face is too far from the middle of a patch for landmarks that are as good as in the middle."""
    return distance(box, around) > _OFF_CENTRE or not 1 / _OFF_SIZE <= growth(box, around) <= _OFF_SIZE


def _jumps(box: Box, known: Known) -> bool:
    """Whether a box is too far from that of the previous picture, or from that of the last search, for one face."""
    return (
        overlap(box, known.box) <= SAME_FACE
        or distance(box, known.seen_at) > _MAX_MOVE
        or not 1 / _MAX_GROWTH <= growth(box, known.seen_at) <= _MAX_GROWTH
    )

"""One face of a real clip, with the whole pictures that it is seen in: what reconstructions are made of."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avsync.datasets.record import ClipRecord
from avsync.errors import CannotJudge, Reason
from avsync.face.crop import cut_patch
from avsync.files import sha256_of
from avsync.media import FPS, frames
from avsync.reconstruct.face import FaceFootage, Rebuilt
from avsync.reconstruct.face.footage import paste, read_footage
from avsync.stress.measures import Masks, Pictures

# Seconds of a face that are enough for a verdict, and that a clip is cut to: a window of the checks and a second more.
LEAST_SECONDS, MOST_SECONDS = 2, 4
# The face is rebuilt pixel by pixel, at the size that it has in the picture, up to this (pixels of a side). Scaling it
# there and back takes a fifth of its finest detail (log sharpness -0.24 to -0.43 in five clips).
_LARGEST = 512
_SMALL = 32  # pixels of a side of footage that only tells where the face is


@dataclass(frozen=True)
class Shot:
    """A face that is seen for some seconds.

    Attributes:
        record: the clip.
        sha256: the hash of its file.
        footage: the face.
    """

    record: ClipRecord
    sha256: str
    footage: FaceFootage

    @property
    def sound(self) -> Path:
        """The file that has the sound."""
        return self.record.audio or self.record.path

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.footage) / FPS

    def pictures(self) -> Iterator[NDArray[np.uint8]]:
        """Yield the whole upright pictures, uint8 [H, W, 3] with even sides, as encoders want them."""
        start = self.footage.start
        for frame in frames(self.record.path, start, start + self.seconds - 0.5 / FPS, colour=True):
            height, width = (side // 2 * 2 for side in frame.image.shape[:2])
            yield frame.image[:height, :width]

    def rebuilt_pictures(self, rebuilt: Rebuilt) -> Iterator[NDArray[np.uint8]]:
        """Yield the same pictures with a rebuilt face."""
        parts = zip(self.pictures(), rebuilt.pictures, rebuilt.mask, self.footage.squares, strict=True)
        return (paste(picture, pixels, mask, square) for picture, pixels, mask, square in parts)


@dataclass(frozen=True)
class Piece:
    """At most a second of a shot, cut out around the face.

    Attributes:
        first: the number of its first picture in the shot.
        box: which rows and columns of the whole pictures it shows.
        pictures: uint8 [t, h, w, 3].
        squares: int64 [t, 3], where the face is in them.
    """

    first: int
    box: tuple[slice, slice]
    pictures: Pictures
    squares: NDArray[np.int64]

    @property
    def span(self) -> slice:
        """Which pictures of the shot these are."""
        return slice(self.first, self.first + len(self.pictures))

    def rebuilt(self, rebuilt: Rebuilt) -> Pictures:
        """These pictures with a rebuilt face."""
        parts = zip(self.pictures, rebuilt.pictures[self.span], rebuilt.mask[self.span], self.squares, strict=True)
        return np.stack([paste(*part) for part in parts])

    def masks(self, masks: Masks) -> Masks:
        """Masks in squares around the face, float32 [t, S, S], as masks in these pictures, float32 [t, h, w]."""
        black = np.zeros(self.pictures.shape[1:], np.uint8)
        white = np.full((*masks.shape[1:], 3), 255, np.uint8)
        parts = zip(masks, self.squares, strict=True)
        shown = np.stack([paste(black, white, mask, square)[..., 0] for mask, square in parts])
        return (shown / 255).astype(np.float32)


def pieces(shot: Shot) -> Iterator[Piece]:
    """Yield a shot second by second, in memory that does not grow with it."""
    first, shown = 0, shot.pictures()
    while several := list(islice(shown, FPS)):
        squares = shot.footage.squares[first : first + len(several)]
        height, width = several[0].shape[:2]
        left, top = (max(0, int(squares[:, axis].min())) for axis in (0, 1))
        right, bottom = (int((squares[:, axis] + squares[:, 2]).max()) for axis in (0, 1))
        corner = np.array([left, top, 0])
        box = slice(top, min(bottom, height)), slice(left, min(right, width))
        yield Piece(first, box, np.stack([picture[box] for picture in several]), squares - corner)
        first += len(several)


def open_shot(record: ClipRecord) -> Shot:
    """Return the first face of a clip that is seen for long enough, cut to `MOST_SECONDS`.

    Raises:
        CannotJudge: there is none, or the file cannot be read.
    """
    if not record.path.is_file():
        raise CannotJudge(Reason.UNREADABLE, "no such file")
    seen = _first(record.path)
    return Shot(record, sha256_of(record.path), _pixel_by_pixel(record.path, seen))


def _pixel_by_pixel(path: Path, seen: FaceFootage) -> FaceFootage:
    """The same footage in squares of one size, which are cut out of the pictures without scaling them."""
    side = int(seen.squares[:, 2].max())
    size = min(side, _LARGEST)
    corners = seen.squares[:, :2] - (side - seen.squares[:, 2:]) // 2
    squares = np.column_stack([corners, np.full(len(seen), side)])
    points = (seen.points + 0.5) * (seen.squares[:, None, 2:] / _SMALL) + (seen.squares - squares)[:, None, :2]
    stop = seen.start + (len(seen) - 0.5) / FPS
    shown = zip(frames(path, seen.start, stop, colour=True), squares, strict=True)
    pictures = np.stack([cut_patch(frame.image, square, size) for frame, square in shown])
    return FaceFootage(pictures, (points * (size / side) - 0.5).astype(np.float32), squares, seen.start)


def _first(path: Path) -> FaceFootage:
    for footage in read_footage(path, size=_SMALL, seconds=MOST_SECONDS):
        if len(footage) >= LEAST_SECONDS * FPS:
            return footage
    raise CannotJudge(Reason.NO_FACE, f"no face is seen for {LEAST_SECONDS} s")

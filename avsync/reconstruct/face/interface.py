"""What every reconstruction of a face takes and gives."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from avsync.media import FPS

Region = Literal["mouth", "lower_face", "face", "hull"]
REGIONS: tuple[Region, ...] = get_args(Region)
Pictures = NDArray[np.uint8] | NDArray[np.float32]


@dataclass(frozen=True)
class FaceFootage:
    """T consecutive pictures of one face, in colour, at 25 per second.

    Attributes:
        pictures: uint8 [T, S, S, 3], sRGB, the square around the face.
        points: float32 [T, 68, 2], landmarks in pixels of the pictures.
        squares: int64 [T, 3], left, top and side of each picture in pixels of the upright picture of the file.
        start: presentation time of the first picture (s).
    """

    pictures: NDArray[np.uint8]
    points: NDArray[np.float32]
    squares: NDArray[np.int64]
    start: float

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, span: slice) -> "FaceFootage":
        """The pictures of `span` (step 1)."""
        begin, end, _ = span.indices(len(self))
        span = slice(begin, end)
        return FaceFootage(self.pictures[span], self.points[span], self.squares[span], self.start + begin / FPS)


@dataclass(frozen=True)
class Rebuilt:
    """A reconstruction, blended into the footage it was made of.

    Attributes:
        pictures: uint8 [T, S, S, 3], sRGB.
        mask: float32 [T, S, S], the share of the reconstruction in each pixel, 0 to 1. Where it is 0, the pixels are
            those of the footage.
        region: the part of the face that was blended in.
    """

    pictures: NDArray[np.uint8]
    mask: NDArray[np.float32]
    region: Region


# Takes footage and draws; returns uint8 or float32 (0 to 255) [T, S, S, 3]: faces to blend into the footage.
RebuildFace = Callable[[FaceFootage, np.random.Generator], Pictures]

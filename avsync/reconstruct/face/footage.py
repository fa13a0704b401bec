"""From a file to footage of its faces in colour, and from a rebuilt face back into the whole picture."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from avsync.clip import FaceClip
from avsync.face import PATCH_SIDE
from avsync.face.crop import cut_patch
from avsync.face.interface import FaceDetector
from avsync.media import FPS, Frame, frames
from avsync.reconstruct.face.interface import FaceFootage
from avsync.recording import open_recording

# The picture in a square is scaled to S pixels and back. From this share of the reconstruction on, that is all that is
# shown; below it, the picture itself comes through.
_FULL = 0.25


def read_footage(
    path: Path,
    audio: Path | None = None,
    *,
    size: int = 128,
    seconds: int = 10,
    detector: FaceDetector | None = None,
) -> Iterator[FaceFootage]:
    """Yield every face of a file, clip by clip, in memory that does not grow with the file.

    Args:
        path: a video in which somebody speaks.
        audio: a file with the sound; None: `path` has it.
        size: S, pixels of the side of the pictures.
        seconds: the longest clip.
        detector: finds faces and landmarks; None: the default one.

    Raises:
        CannotJudge: as `Recording.face_clips`; some reasons are known only at the end of the file.
    """
    recording = open_recording(path, audio, detector=detector)
    shown = _Shown(frames(path, colour=True))
    for clips in _at_one_time(recording.face_clips(seconds=seconds, whole=True)):
        for clip, pictures in zip(clips, shown.squares(clips, size), strict=True):
            points = (clip.points + np.float32(0.5)) * np.float32(size / PATCH_SIDE) - np.float32(0.5)
            yield FaceFootage(pictures, points, clip.squares, clip.start)


def paste(
    picture: NDArray[np.uint8], pixels: NDArray[np.uint8], mask: NDArray[np.float32], square: NDArray[np.int64]
) -> NDArray[np.uint8]:
    """Return a picture, uint8 [H, W, 3], in which a square shows a rebuilt face. Where the mask is 0, nothing changes.

    Args:
        picture: uint8 [H, W, 3].
        pixels: uint8 [S, S, 3], one of `Rebuilt.pictures`.
        mask: float32 [S, S], one of `Rebuilt.mask`.
        square: left, top and side, int [3]; it may reach beyond the picture.
    """
    left, top, side = (int(value) for value in square)
    rows = slice(max(top, 0), min(top + side, picture.shape[0]))
    columns = slice(max(left, 0), min(left + side, picture.shape[1]))
    inside = (slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left))
    face = np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC))[inside].astype(np.float32)
    share = np.asarray(Image.fromarray(mask).resize((side, side), Image.Resampling.BILINEAR))[inside]
    weight = np.clip(share / _FULL, 0, 1)[..., None]
    whole = picture.copy()
    there = picture[rows, columns]
    whole[rows, columns] = np.rint(there + weight * (face - there)).astype(np.uint8)
    return whole


def _at_one_time(clips: Iterable[FaceClip]) -> Iterator[list[FaceClip]]:
    """Yield groups of clips that overlap in time; each group begins after the one before has ended."""
    group: list[FaceClip] = []
    for clip in clips:
        if group and clip.start >= max(other.end for other in group) - 0.5 / FPS:
            yield group
            group = []
        group.append(clip)
    if group:
        yield group


class _Shown:
    """The pictures of a file, read once, behind the clips that are cut out of them."""

    def __init__(self, coloured: Iterator[Frame]) -> None:
        self._coloured = coloured
        self._next = next(coloured, None)

    def squares(self, clips: list[FaceClip], size: int) -> list[NDArray[np.uint8]]:
        """The squares of each clip in colour, uint8 [T, size, size, 3]; a clip begins after those of calls before."""
        cut = [np.zeros((len(clip), size, size, 3), np.uint8) for clip in clips]
        end = max(clip.end for clip in clips) - 0.5 / FPS
        while self._next is not None and self._next.time < end:
            for clip, pictures in zip(clips, cut, strict=True):
                index = round((self._next.time - clip.start) * FPS)
                if 0 <= index < len(clip):
                    pictures[index] = cut_patch(self._next.image, clip.squares[index], size)
            self._next = next(self._coloured, None)
        return cut

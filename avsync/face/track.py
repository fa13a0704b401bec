"""Follow every face of a recording from picture to picture."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from avsync.face.boxes import Box, best_match, fits
from avsync.face.crop import at_most
from avsync.face.interface import FaceDetector
from avsync.face.runs import Face, Known, Path
from avsync.media import FPS

# How often the whole picture is searched while every known face was seen at the last search, and else. In between,
# landmarks follow the known faces.
_SEARCH_EVERY = FPS
_SEARCH_EVERY_UNSURE = 10
# How often it is searched for faces smaller than the known ones. In between, the picture is shrunk until the smallest
# known face is so wide (px): the HOG detector finds faces of 80 px.
_SEARCH_SMALL_EVERY = 2 * FPS
_WIDE_ENOUGH = 100
# Searches in a row that may miss a face before its track ends.
_MISSES = 3
# While there is no face at all, the slow detector is tried this many frames apart.
_SEARCH_HARDER_EVERY = 2 * FPS
# Landmarks that jump start a search at once, if the last such search is this many frames ago: at most twice as many
# searches as without jumps.
_SEARCH_AGAIN_EVERY = _SEARCH_EVERY_UNSURE
# The largest box where it is found, in longer sides of the picture. On 474 ordinary clips at most 0.81. The limit for
# boxes by landmarks differs because a face near it would otherwise start track after track.
_MAX_FOUND = 1.0
# A cut: the mean change of a 32×32 thumbnail from one picture to the next, in grey levels.
_CUT = 30.0
_MAX_FACES = 6


class FaceTracker:
    """Takes the pictures of a recording in order and returns the faces on each.

    A track has a face on every picture from its first to its last. It ends at a cut, after three searches that miss the
    face, and where the landmarks jump and a search does not find the face in its old place. All boxes stay within what
    the picture can show (`fits`), whatever the detector returns.
    """

    def __init__(self, detector: FaceDetector) -> None:
        self._detector = detector
        self._known: list[Known] = []
        self._tracks = 0
        self._frame = 0
        self._search_at = 0
        self._searched_small = 0
        self._searched_harder = -_SEARCH_HARDER_EVERY
        self._searched_again = -_SEARCH_AGAIN_EVERY
        self._thumbnail: NDArray[np.float32] | None = None

    def update(self, images: Sequence[NDArray[np.uint8]]) -> list[list[Face]]:
        """The faces on each of the next pictures, uint8 [H, W], all of one size.

        Many pictures at a time take less time than one after another, and give the same faces.
        """
        faces: list[list[Face]] = []
        cuts = [self._is_cut(image) for image in images]
        while (at := len(faces)) < len(images):
            if cuts[at]:
                self._known = []
            searched = cuts[at] or self._frame >= self._search_at
            if searched:
                self._search(images[at])
            next_cut = cuts.index(True, at + 1) if any(cuts[at + 1 :]) else len(images)
            followed = self._follow(images[at : min(at + self._search_at - self._frame, next_cut)], searched)
            self._frame += len(followed)
            faces += followed
        return faces

    def _follow(self, images: Sequence[NDArray[np.uint8]], searched: bool) -> list[list[Face]]:
        """The faces on pictures up to the next search or cut, or fewer where all faces are lost.

        Args:
            images: the pictures.
            searched: whether the first of them was searched.
        """
        paths = [Path(self._detector, known, images, 0) for known in self._known]
        ended: list[Path] = []
        while lost := [path for path in paths if path.end < len(images)]:
            at = min(path.end for path in lost)
            here = [path for path in lost if path.end == at]
            paths = [path for path in paths if path not in here]
            ended += here
            now = self._frame + at
            if (at or not searched) and now - self._searched_again >= _SEARCH_AGAIN_EVERY:
                self._searched_again = now
                again = self._search_again(images[at], [path.boxes[at - path.start] for path in paths], here)
                paths += [Path(self._detector, known, images, at) for known in again]
            if not paths:
                self._search_at = min(self._search_at, now + _SEARCH_EVERY_UNSURE)
                images = images[: self._search_at - self._frame]
        self._known = [path.known for path in paths]
        return [
            [path.faces[at - path.start] for path in [*ended, *paths] if path.start <= at < path.end]
            for at in range(len(images))
        ]

    def _search(self, image: NDArray[np.uint8]) -> None:
        """Search the whole picture: note which known faces are seen, end tracks, start tracks."""
        found = self._found(image)
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
        sure = self._known and not any(known.misses for known in self._known)
        self._search_at = self._frame + (_SEARCH_EVERY if sure else _SEARCH_EVERY_UNSURE)

    def _found(self, image: NDArray[np.uint8]) -> list[Box]:
        """The boxes of faces; of those that are smaller than the known ones only every other time."""
        if not self._known or self._frame - self._searched_small >= _SEARCH_SMALL_EVERY:
            self._searched_small = self._frame
            return _that_fit(self._detector.find(image), image)
        narrowest = min(known.box[2] - known.box[0] for known in self._known)
        small, scale = at_most(image, max(1, round(max(image.shape) * min(1.0, _WIDE_ENOUGH / narrowest))))
        found = self._detector.find(small)
        return _that_fit([(x * scale, y * scale, u * scale, v * scale) for x, y, u, v in found], image)

    def _search_again(self, image: NDArray[np.uint8], kept: list[Box], lost: list[Path]) -> list[Known]:
        """Search the whole picture for faces whose landmarks jumped: those found in their old place, and new ones."""
        found = _that_fit(self._detector.find(image), image)
        for box in kept:
            _take(box, found)
        again = []
        for path in lost:
            where = _take(path.known.box, found)
            if where:
                again.append(Known(path.known.track, where, where))
        return again + self._start(found, len(kept) + len(again))

    def _start(self, found: list[Box], known: int) -> list[Known]:
        """New tracks for boxes that belong to none, as many as there may be beside the known ones."""
        new = [Known(self._tracks + i, box, box) for i, box in enumerate(found[: max(0, _MAX_FACES - known)])]
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

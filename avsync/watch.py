"""From the pictures of a file to its faces: follow them, and keep what was really watched."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avsync.face import Face, FaceTracker
from avsync.face.interface import FaceDetector
from avsync.media import FPS, Frame, ShownPictures, StreamFacts, frames, prefetch

# Frames further apart than this (s) have a gap between them.
_GAP = 1.5 / FPS
# Frames that wait until their faces are looked for, at most. The length of a clip is a multiple of it, and so changes
# no face.
_WAITING = FPS

OnSecond = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Stretch:
    """What is watched of a file.

    Attributes:
        path: the file.
        start, stop: of its pictures (s).
        longest: frames of a face that are kept together, at most.
    """

    path: Path
    start: float
    stop: float
    longest: int


@dataclass(frozen=True, slots=True)
class FollowedFace:
    """T consecutive frames of one face, without sound; the attributes are those of `avsync.clip.FaceClip`."""

    track: int
    start: float
    patches: NDArray[np.uint8]
    points: NDArray[np.float32]
    squares: NDArray[np.int64]


@dataclass(slots=True)
class Seen:
    """What a pass over the pictures met.

    Attributes:
        stream: what decoding met.
        warnings: the same, a line each.
        size: width and height of the pictures (pixels); zeros before the first.
        rate, moving_share, repeated_share: as `avsync.media.ShownPictures` says it of the pictures.
        frozen: seconds that were left out because the picture stood still.
        tracks: faces that were followed, also in pictures that were left out.
    """

    stream: StreamFacts = field(default_factory=StreamFacts)
    warnings: list[str] = field(default_factory=list)
    size: tuple[int, int] = (0, 0)
    rate: float | None = None
    moving_share: float | None = None
    repeated_share: float = 0.0
    frozen: float = 0.0
    tracks: int = 0


def watch(detector: FaceDetector, stretch: Stretch, seen: Seen, on_second: OnSecond) -> Iterator[FollowedFace]:
    """Yield every face on the pictures of a stretch, piece by piece, in memory that does not grow with it.

    Args:
        detector: finds faces and landmarks.
        stretch: what is watched.
        seen: gets what the pass met, as soon as it is over.
        on_second: gets the time about every second.

    Raises:
        CannotJudge: `unreadable`.
    """
    pictures = frames(stretch.path, stretch.start, stretch.stop, seen.warnings, seen.stream)
    watching = _FaceWatch(detector, stretch.longest, on_second)
    try:
        yield from watching.faces(prefetch(pictures))
    finally:
        watching.tell(seen)


class _FaceWatch:
    """Follows the faces on frames and cuts them into pieces.

    A face in a gap between frames, or in a picture that stands still, was not watched: its track ends before, and what
    comes after is another track.
    """

    def __init__(self, detector: FaceDetector, longest: int, on_second: OnSecond) -> None:
        self._detector, self._longest, self._on_second = detector, longest, on_second
        self._size, self._shown, self._frozen = (0, 0), ShownPictures(), 0.0
        self._tracks = self._first = 0  # `_first`: those of trackers before this one
        self._tracker, self._waiting, self._pending = FaceTracker(detector), list[Frame](), _Pending()

    def tell(self, seen: Seen) -> None:
        """Tell what was seen so far."""
        seen.size, seen.frozen, seen.tracks = self._size, self._frozen, self._tracks
        seen.rate, seen.moving_share = self._shown.rate, self._shown.moving_share
        seen.repeated_share = self._shown.repeated_share

    def faces(self, shown: Iterable[Frame]) -> Iterator[FollowedFace]:
        last: float | None = None
        for frame in shown:
            if last is not None and frame.time - last > _GAP:
                yield from self._end()
            last = frame.time
            self._size = (frame.image.shape[1], frame.image.shape[0])
            was_still = self._shown.stands_still
            self._shown.add(frame)
            if self._shown.stands_still:
                if was_still:
                    self._frozen += 1 / FPS
                else:
                    yield from self._end_before(self._shown.held, self._shown.held_seconds + 1 / FPS)
                continue
            self._waiting.append(frame)
            if len(self._waiting) == _WAITING:
                self._look()
                self._on_second(frame.time)
            if len(self._pending) == self._longest:
                yield from self._pending.faces()
                self._pending = _Pending()
        yield from self._end()

    def _look(self) -> None:
        """Find the faces on the frames that wait for it."""
        found = self._tracker.update([frame.image for frame in self._waiting])
        for frame, faces in zip(self._waiting, found, strict=True):
            faces = [replace(face, track=self._first + face.track) for face in faces]
            self._tracks = max([self._tracks, *(face.track + 1 for face in faces)])
            self._pending.add(frame.time, faces)
        self._waiting.clear()

    def _end(self) -> Iterator[FollowedFace]:
        """End all tracks, and yield what was seen of them."""
        self._look()
        yield from self._pending.faces()
        self._tracker, self._pending, self._first = FaceTracker(self._detector), _Pending(), self._tracks

    def _end_before(self, held: int, seconds: float) -> Iterator[FollowedFace]:
        """End all tracks before the last `held` frames, which show a picture that stood still for so many seconds."""
        self._frozen += seconds
        self._look()
        self._pending.drop(held)
        yield from self._end()


class _Pending:
    """Consecutive frames, and the faces on each, until they become pieces."""

    def __init__(self) -> None:
        self._times: list[float] = []
        self._faces: dict[int, list[tuple[int, Face]]] = {}

    def __len__(self) -> int:
        return len(self._times)

    def add(self, time: float, faces: list[Face]) -> None:
        for face in faces:
            self._faces.setdefault(face.track, []).append((len(self), face))
        self._times.append(time)

    def drop(self, count: int) -> None:
        """Forget the last `count` frames, or all there are."""
        kept = max(0, len(self) - count)
        del self._times[kept:]
        seen = {track: [(at, face) for at, face in faces if at < kept] for track, faces in self._faces.items()}
        self._faces = {track: faces for track, faces in seen.items() if faces}

    def faces(self) -> Iterator[FollowedFace]:
        for track, seen in self._faces.items():
            # After the last search that saw it, landmarks may follow something that is no face.
            while seen and not seen[-1][1].seen:
                seen.pop()
            if not seen:
                continue
            yield FollowedFace(
                track=track,
                start=self._times[seen[0][0]],
                patches=np.stack([face.patch for _, face in seen]),
                points=np.stack([face.points for _, face in seen]),
                squares=np.stack([face.square for _, face in seen]),
            )

"""From frames to face clips: follow the faces, and keep what was really watched."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np

from avsync.clip import SAMPLES, FaceClip
from avsync.face import Face, FaceTracker, align_faces
from avsync.face.interface import FaceDetector
from avsync.media import FPS, RATE, AudioReader, Frame, ShownPictures
from avsync.speech import SpeechActivity

# Frames further apart than this (s) have a gap between them.
_GAP = 1.5 / FPS
# Frames that wait until their faces are looked for, at most. The length of a clip is a multiple of it, and so changes
# no face.
_WAITING = FPS


class FaceWatch:
    """Follows the faces on frames and cuts them into clips.

    A face in a gap between frames, or in a picture that stands still, was not watched: its track ends before, and what
    comes after is another track.

    Args:
        detector: finds faces and landmarks.
        reader: the sound, at the times of the frames.
        activity: where somebody speaks.

    Attributes:
        size: width and height of the pictures (pixels); zeros before the first.
        shown: which pictures were new.
        frozen: seconds that were left out because the picture stood still.
        tracks: faces that were followed so far, also in pictures that were left out.
    """

    def __init__(self, detector: FaceDetector, reader: AudioReader, activity: SpeechActivity) -> None:
        self.size = (0, 0)
        self.shown, self.frozen = ShownPictures(), 0.0
        self._detector, self._reader, self._activity = detector, reader, activity
        self.tracks = self._first = 0  # `_first`: those of trackers before this one
        self._tracker, self._waiting, self._pending = FaceTracker(detector), list[Frame](), _Pending()

    def clips(self, frames: Iterable[Frame], longest: int, on_second: Callable[[float], None]) -> Iterator[FaceClip]:
        """Yield the clips of all faces, of at most `longest` frames; `on_second` gets the time about every second."""
        last: float | None = None
        for frame in frames:
            if last is not None and frame.time - last > _GAP:
                yield from self._end()
            last = frame.time
            self.size = (frame.image.shape[1], frame.image.shape[0])
            was_still = self.shown.stands_still
            self.shown.add(frame)
            if self.shown.stands_still:
                if was_still:
                    self.frozen += 1 / FPS
                else:
                    yield from self._end_before(self.shown.held, self.shown.held_seconds + 1 / FPS)
                continue
            self._waiting.append(frame)
            if len(self._waiting) == _WAITING:
                self._look()
                on_second(frame.time)
            if len(self._pending) == longest:
                yield from self._pending.clips(self._reader, self._activity)
                self._pending = _Pending()
        yield from self._end()

    def _look(self) -> None:
        """Find the faces on the frames that wait for it."""
        found = self._tracker.update([frame.image for frame in self._waiting])
        for frame, faces in zip(self._waiting, found, strict=True):
            faces = [replace(face, track=self._first + face.track) for face in faces]
            self.tracks = max([self.tracks, *(face.track + 1 for face in faces)])
            self._pending.add(frame.time, faces)
        self._waiting.clear()

    def _end(self) -> Iterator[FaceClip]:
        """End all tracks, and yield what was seen of them."""
        self._look()
        yield from self._pending.clips(self._reader, self._activity)
        self._tracker, self._pending, self._first = FaceTracker(self._detector), _Pending(), self.tracks

    def _end_before(self, held: int, seconds: float) -> Iterator[FaceClip]:
        """End all tracks before the last `held` frames, which show a picture that stood still for so many seconds."""
        self.frozen += seconds
        self._look()
        self._pending.drop(held)
        yield from self._end()


class _Pending:
    """Consecutive frames, and the faces on each, until they become clips."""

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

    def clips(self, reader: AudioReader, activity: SpeechActivity) -> Iterator[FaceClip]:
        if not self._faces:
            return
        origin = round(self._times[0] * RATE)
        sound = reader.read(origin, origin + len(self) * SAMPLES)
        for track, seen in self._faces.items():
            # After the last search that saw it, landmarks may follow something that is no face.
            while seen and not seen[-1][1].seen:
                seen.pop()
            if not seen:
                continue
            first, count = seen[0][0], len(seen)
            points = np.stack([face.points for _, face in seen])
            yield FaceClip(
                track=track,
                start=self._times[first],
                patches=np.stack([face.patch for _, face in seen]),
                points=points,
                squares=np.stack([face.square for _, face in seen]),
                alignment=align_faces(points),
                waveform=sound[first * SAMPLES : (first + count) * SAMPLES],
                speech_share=activity.on_frames(self._times[first], count),
            )

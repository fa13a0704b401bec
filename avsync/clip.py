"""FaceClip: one face and the sound heard with it, on one clock of 25 frames per second."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avsync.face import Face, FaceDetector, FaceTracker, face_boxes, mouth_crops, to_picture
from avsync.media import FPS, RATE, AudioReader, ahead, frames
from avsync.speech import SpeechActivity

SAMPLES = RATE // FPS  # samples of sound per frame
# Long files are read in passages of at most this length, so that memory does not grow with them.
PASSAGE_SECONDS = 30


@dataclass(frozen=True)
class FaceClip:
    """T consecutive frames of one face.

    Attributes:
        track: number of the face track; a track that spans passages keeps its number.
        start: presentation time of the first frame (s).
        patches: uint8 [T, 192, 192], the grey square around the face.
        points: float32 [T, 68, 2], landmarks in pixels of the patches.
        squares: int [T, 3], left, top and side of what each patch shows, in pixels of the upright picture.
        waveform: float32 [640 T], mono 16 kHz; frame t is heard with samples 640 t to 640 (t + 1).
        speech: float32 [T], the share of each frame that is speech.
    """

    track: int
    start: float
    patches: NDArray[np.uint8]
    points: NDArray[np.float32]
    squares: NDArray[np.int64]
    waveform: NDArray[np.float32]
    speech: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.patches)

    @property
    def landmarks(self) -> NDArray[np.float32]:
        """The 68 points in pixels of the upright picture, float32 [T, 68, 2]."""
        return to_picture(self.points, self.squares)

    @cached_property
    def mouths(self) -> NDArray[np.uint8]:
        """Aligned mouth ROIs, uint8 [T, 96, 96], cut when they are first asked for."""
        return mouth_crops(self.patches, self.points)

    @property
    def box(self) -> NDArray[np.float64]:
        """The median box of the face, float [4], in pixels of the upright picture."""
        return np.asarray(np.median(face_boxes(self.squares), axis=0))

    def __getitem__(self, span: slice) -> "FaceClip":
        """The frames of `span` (step 1) with their sound."""
        begin, end, _ = span.indices(len(self))
        return FaceClip(
            self.track,
            self.start + begin / FPS,
            self.patches[begin:end],
            self.points[begin:end],
            self.squares[begin:end],
            self.waveform[begin * SAMPLES : end * SAMPLES],
            self.speech[begin:end],
        )

    def __add__(self, after: "FaceClip") -> "FaceClip":
        """This clip and what follows it on the same track."""
        arrays = ("patches", "points", "squares", "waveform", "speech")
        joined = (np.concatenate([getattr(self, name), getattr(after, name)]) for name in arrays)
        return FaceClip(self.track, self.start, *joined)


def talking_clips(
    path: Path,
    activity: SpeechActivity,
    detector: FaceDetector,
    *,
    span: tuple[float, float] | None = None,
    audio: Path | None = None,
    warnings: list[str] | None = None,
    seconds: int = PASSAGE_SECONDS,
) -> Iterator[FaceClip]:
    """Every face of a file, passage by passage.

    Args:
        path: the file with the pictures.
        activity: its speech.
        detector: finds faces and landmarks.
        span: from when to when to look (s); None: from the first to the last speech.
        audio: the file with the sound; None: `path`.
        warnings: what is damaged in the pictures is added, a line.
        seconds: length of a passage.

    Raises:
        CannotJudge: `unreadable`.
    """
    start, stop = span or (activity.start, activity.stop)
    tracker, reader = FaceTracker(detector), AudioReader(audio or path)
    passage = _Passage()
    for frame in ahead(frames(path, start, stop, warnings)):
        passage.add(frame.time, tracker.update(frame.image))
        if len(passage) == seconds * FPS:
            yield from passage.clips(reader, activity)
            passage = _Passage()
    yield from passage.clips(reader, activity)


class _Passage:
    """Consecutive frames, and on each the faces."""

    def __init__(self) -> None:
        self._times: list[float] = []
        self._faces: dict[int, list[tuple[int, Face]]] = {}

    def __len__(self) -> int:
        return len(self._times)

    def add(self, time: float, faces: list[Face]) -> None:
        for face in faces:
            self._faces.setdefault(face.track, []).append((len(self), face))
        self._times.append(time)

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
            yield FaceClip(
                track=track,
                start=self._times[first],
                patches=np.stack([face.patch for _, face in seen]),
                points=np.stack([face.points for _, face in seen]),
                squares=np.stack([face.square for _, face in seen]),
                waveform=sound[first * SAMPLES : (first + count) * SAMPLES],
                speech=activity.on_frames(self._times[first], count),
            )

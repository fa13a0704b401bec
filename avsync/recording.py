"""The one door from a file to its speech and its face clips; every refusal of a file is raised here."""

from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from avsync.clip import SAMPLES, FaceClip
from avsync.errors import CannotJudge, Reason, unreadable
from avsync.face import Face, FaceTracker, align_faces
from avsync.face.interface import FaceDetector, load_face_detector
from avsync.files import content_key, sha256_of
from avsync.media import FPS, RATE, AudioReader, MediaInfo, Sound, frames, prefetch
from avsync.media.probe import probe
from avsync.speech import SpeechActivity, Trim, speech_activity

Need = Literal["face", "speech"]  # what a check looks at
Progress = Callable[[float, float], None]

# Long files are read in clips of at most this length, so that memory does not grow with them.
CLIP_SECONDS = 30
# A face box narrower than this shows a mouth of about 14 pixels: too few to read lips from.
_MIN_FACE = 40


class Recording:
    """A file as opened. Its headers are read; sound and pictures are decoded when they are asked for.

    Attributes:
        path: the file with the pictures.
        audio: the file with the sound; None: `path`.
        info: what the headers say.
        trim: what silence is left out.
        faces: finds faces and landmarks.
        sound: the decoded sound; short sounds are decoded once.
        warnings: damage met while decoding, a line each.
    """

    def __init__(
        self, info: MediaInfo, audio: Path | None, trim: Trim, faces: FaceDetector, on_progress: Progress | None
    ) -> None:
        self.path, self.info, self.audio, self.trim, self.faces = info.path, info, audio, trim, faces
        self._on_progress = on_progress
        self.warnings: list[str] = []
        self.sound = Sound(audio or info.path, self.warnings)

    @cached_property
    def sha256(self) -> str:
        """The sha256 of the file with the pictures, in hex.

        Raises:
            CannotJudge: `unreadable`.
        """
        return _sha256(self.path)

    @cached_property
    def content_key(self) -> str:
        """The key of the file's content in caches.

        Raises:
            CannotJudge: `unreadable`.
        """
        return content_key(self.sha256, _sha256(self.audio) if self.audio else None)

    @cached_property
    def activity(self) -> SpeechActivity:
        """Where somebody speaks. A store that knows it already may set it.

        Raises:
            CannotJudge: `unreadable`, `no_audio`.
        """
        heard = probe(self.audio) if self.audio else self.info
        if not heard.has_audio:
            raise CannotJudge(Reason.NO_AUDIO, "the file has no sound")
        return speech_activity(self.sound, self.trim)

    @property
    def known_activity(self) -> SpeechActivity | None:
        """The activity, if it was asked for or set already: nothing is decoded."""
        known: SpeechActivity | None = self.__dict__.get("activity")
        return known

    def require(self, *needs: Need) -> None:
        """Check that the file has what is needed.

        Raises:
            CannotJudge: `no_video`, `no_audio`, `no_speech`, `unreadable`.
        """
        if "face" in needs and not self.info.has_video:
            raise CannotJudge(Reason.NO_VIDEO, "the file has no moving picture")
        if "speech" in needs and not len(self.activity.segments):
            raise CannotJudge(Reason.NO_SPEECH, "no speech is heard")

    def face_clips(self, *, seconds: int = CLIP_SECONDS, whole: bool = False) -> Iterator[FaceClip]:
        """Every face of the file that is large enough, clip by clip, in memory that does not grow with the file.

        Args:
            seconds: the longest clip.
            whole: also look before the first and after the last speech.

        Raises:
            CannotJudge: as `require`; at the end `no_face` or `low_resolution` if there was no such clip.
        """
        self.require("face", "speech")
        widest, found = 0.0, False
        for clip in self._all_faces(seconds, whole):
            width = float(clip.box[2] - clip.box[0])
            widest = max(widest, width)
            if width >= _MIN_FACE:
                found = True
                yield clip
        if widest and not found:
            raise CannotJudge(Reason.LOW_RESOLUTION, f"the face is {widest:.0f} pixels wide; {_MIN_FACE} are needed")
        if not found:
            raise CannotJudge(Reason.NO_FACE, "no face is seen while somebody speaks")

    def _all_faces(self, seconds: int, whole: bool) -> Iterator[FaceClip]:
        start, stop = (0.0, float("inf")) if whole else (self.activity.start, self.activity.stop)
        tracker, reader = FaceTracker(self.faces), self.sound.reader()
        pending = _Pending()
        for frame in prefetch(frames(self.path, start, stop, self.warnings)):
            pending.add(frame.time, tracker.update(frame.image))
            if self._on_progress and len(pending) % FPS == 0:
                self._on_progress(frame.time, self.info.duration)
            if len(pending) == seconds * FPS:
                yield from pending.clips(reader, self.activity)
                pending = _Pending()
        yield from pending.clips(reader, self.activity)


def open_recording(
    path: Path,
    audio: Path | None = None,
    *,
    trim: Trim = "default",
    detector: FaceDetector | None = None,
    on_progress: Progress | None = None,
) -> Recording:
    """Open a file. One with sound and no picture is a recording too.

    Args:
        path: the file with the pictures.
        audio: a file with the sound; None: `path` has it.
        trim: what silence is left out (`avsync.speech.speech_activity`).
        detector: finds faces and landmarks; None: the default one.
        on_progress: called with the seconds of pictures read and the seconds of the file.

    Raises:
        CannotJudge: `unreadable`.
    """
    return Recording(probe(path), audio, trim, detector or load_face_detector(), on_progress)


def _sha256(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as error:
        raise unreadable(path, error) from error


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

"""The one door from a file to its speech, its face clips and its sound; every refusal of a file is raised here."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property, partial
from math import ceil, floor
from pathlib import Path
from typing import Literal

import numpy as np

from avsync.clip import SAMPLES, FaceClip, SoundClip
from avsync.errors import CannotJudge, Reason, unreadable
from avsync.face import align_faces
from avsync.face.interface import FaceDetector, load_face_detector
from avsync.files import content_key, sha256_of
from avsync.media import FPS, RATE, AudioReader, CondensedSound, MediaInfo, Sound, StreamFacts
from avsync.media.probe import probe
from avsync.progress import Stage
from avsync.speech import SpeechActivity, Trim, speech_activity
from avsync.watch import FollowedFace, OnSecond, Seen, Stretch, watch

Need = Literal["face", "speech"]  # what a check looks at
Progress = Callable[[Stage, float, float], None]
Watch = Callable[[Stretch, Seen, OnSecond], Iterator[FollowedFace]]

# Long files are read in clips of at most this length, so that memory does not grow with them.
CLIP_SECONDS = 30
# A face box narrower than this shows a mouth of about 14 pixels: too few to read lips from.
_MIN_FACE = 40
# Pictures that change less often per second show lips too rarely: of 31 real clips, 13 % are called suspicious as they
# are, 16 % at 12 pictures per second, 19 % at 10. A file of 12 measures 11.9 or so.
MIN_PICTURE_RATE = 11.5
# Where fewer of the new pictures move, the picture is a photograph that was encoded again and again: of the pictures of
# real clips, nearly all move, of those of such a photograph, next to none.
MIN_MOVING = 0.3
# With more of its packets damaged, most of what a file shows is what the decoder made up in between: of the same clips,
# 10 % are called suspicious with 1 % of their packets lost, 23 % with 10 %.
MAX_DAMAGED = 0.05


class Recording:
    """A file as opened. Its headers are read; sound and pictures are decoded when they are asked for.

    Attributes:
        path: the file with the pictures.
        audio: the file with the sound; None: `path`.
        info: what the headers say.
        trim: what silence is left out.
        faces: finds faces and landmarks.
        sound: the decoded sound; short sounds are decoded once.
        watch: follows the faces of a stretch, `avsync.watch.watch` with `faces`, or the same in another process.
        warnings: damage met while decoding, a line each.
        seen: what the last pass over the pictures met; None before it.
    """

    def __init__(
        self, info: MediaInfo, audio: Path | None, trim: Trim, faces: FaceDetector, on_progress: Progress | None
    ) -> None:
        self.path, self.info, self.audio, self.trim, self.faces = info.path, info, audio, trim, faces
        self.watch: Watch = partial(watch, faces)
        self._on_progress = on_progress
        self.warnings: list[str] = []
        self.sound = Sound(audio or info.path, self.warnings)
        self.seen: Seen | None = None

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
        condensed = CondensedSound(self.sound)
        self.tell("speech", 0.0)
        activity = speech_activity(condensed, self.trim, lambda time: self.tell("speech", time))
        lengths = condensed.true_times(np.array([activity.duration, activity.leading_silence]))
        return replace(
            activity,
            segments=condensed.true_times(activity.segments),
            duration=float(lengths[0]),
            leading_silence=float(lengths[1]),
        )

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
            CannotJudge: as `require`; at the end `damaged` or `low_frame_rate` if clips of this file would mislead, and
                `no_face` or `low_resolution` if there was no clip.
        """
        self.require("face", "speech")
        widest, found = 0.0, False
        for clip in self._all_faces(seconds, whole):
            width = float(clip.box[2] - clip.box[0])
            widest = max(widest, width)
            if width >= _MIN_FACE:
                found = True
                yield clip
        self._refuse_what_misleads(found)
        if widest and not found:
            raise CannotJudge(Reason.LOW_RESOLUTION, f"the face is {widest:.0f} pixels wide; {_MIN_FACE} are needed")
        if not found:
            raise CannotJudge(Reason.NO_FACE, "no face is seen while somebody speaks")

    def sound_clips(self, *, seconds: int = CLIP_SECONDS) -> Iterator[SoundClip]:
        """The sound from the first to the last speech, in clips of like length, in memory that does not grow with it.

        Args:
            seconds: the longest clip.

        Raises:
            CannotJudge: as `require`; at the end `damaged` if too much of the sound is.
        """
        self.require("speech")
        first, last = floor(self.activity.start * FPS), ceil(self.activity.stop * FPS)
        reader, count = self.sound.reader(), ceil((last - first) / (seconds * FPS))
        for index in range(count):
            begin, end = (first + (last - first) * edge // count for edge in (index, index + 1))
            waveform = reader.read(begin * SAMPLES, end * SAMPLES)
            yield SoundClip(begin / FPS, waveform, self.activity.on_frames(begin / FPS, end - begin))
            self.tell("voice", end / FPS)
        self._refuse_damage(None)

    def _refuse_damage(self, pictures: StreamFacts | None) -> None:
        damaged, sound, seconds = "", self.sound.facts, max(self.info.duration, 1.0)
        for name, facts in (("pictures", pictures), ("sound", sound)):
            if facts is not None and facts.damaged_share > MAX_DAMAGED:
                damaged = f"{facts.damaged_share:.0%} of the {name} cannot be decoded"
        # One long gap is left out; lost packets leave holes all over.
        if sound is not None and sound.holes >= seconds and sound.missing > MAX_DAMAGED * seconds:
            damaged = f"{sound.missing / seconds:.0%} of the sound is missing, in {sound.holes} places"
        if damaged:
            raise CannotJudge(Reason.DAMAGED, f"{damaged}; at most {MAX_DAMAGED:.0%} may be damaged")

    def _refuse_what_misleads(self, found: bool) -> None:
        """Refuse pictures that change too rarely, and pictures or sound with too much damage, after a pass over them.

        Raises:
            CannotJudge: `low_frame_rate`, `damaged`.
        """
        seen = self.seen
        assert seen is not None  # after a pass
        self._refuse_damage(seen.stream)
        rate, moving = seen.rate, seen.moving_share
        if rate is not None and rate < MIN_PICTURE_RATE:
            needed = f"at least {MIN_PICTURE_RATE:g} are needed"
            raise CannotJudge(Reason.LOW_FRAME_RATE, f"the picture changes {rate:.1f} times per second; {needed}")
        if seen.frozen and seen.tracks and not found:
            still = f"the picture stands still for {seen.frozen:.1f} s while somebody speaks"
            raise CannotJudge(Reason.LOW_FRAME_RATE, still)
        if found and moving is not None and moving < MIN_MOVING:
            raise CannotJudge(Reason.LOW_FRAME_RATE, "the picture hardly ever moves while somebody speaks")

    def _all_faces(self, seconds: int, whole: bool) -> Iterator[FaceClip]:
        start, stop = (0.0, float("inf")) if whole else (self.activity.start, self.activity.stop)
        self.seen, reader = Seen(), self.sound.reader()
        stretch = Stretch(self.path, start, stop, seconds * FPS)
        try:
            for face in self.watch(stretch, self.seen, lambda time: self.tell("faces", time)):
                yield _heard(face, reader, self.activity)
        finally:
            self.warnings += self.seen.warnings

    def tell(self, stage: Stage, time: float) -> None:
        """Tell how far (s) a stage is, to whoever asked for it."""
        if self._on_progress:
            self._on_progress(stage, time, self.info.duration)


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
        on_progress: called with the stage, the seconds it has done, and those of the file.

    Raises:
        CannotJudge: `unreadable`.
    """
    return Recording(probe(path), audio, trim, detector or load_face_detector(), on_progress)


def _heard(face: FollowedFace, sound: AudioReader, activity: SpeechActivity) -> FaceClip:
    """A face with the sound of its frames."""
    first, count = round(face.start * RATE), len(face.patches)
    return FaceClip(
        track=face.track,
        start=face.start,
        patches=face.patches,
        points=face.points,
        squares=face.squares,
        alignment=align_faces(face.points),
        waveform=sound.read(first, first + count * SAMPLES),
        speech_share=activity.on_frames(face.start, count),
    )


def _sha256(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as error:
        raise unreadable(path, error) from error

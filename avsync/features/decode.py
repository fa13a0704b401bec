"""What worker processes do: hash files, and decode them into chunks of faces with their sound."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from avsync.datasets.record import ClipRecord
from avsync.errors import CannotJudge, Reason
from avsync.face import FaceDetector
from avsync.features.chunks import Chunk, chunks
from avsync.features.hashes import FileHash, hash_file
from avsync.recording import open_recording
from avsync.speech import SpeechActivity, Trim


@dataclass(frozen=True, slots=True)
class HashJob:
    """Hash the files of a clip.

    Attributes:
        index: of the clip.
        files: its file, and its sound file if it has one.
    """

    index: int
    files: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class DecodeJob:
    """Decode a clip with this content."""

    record: ClipRecord
    key: str


@dataclass(frozen=True, slots=True)
class Hashed:
    """The hashes of the files of a clip."""

    index: int
    hashes: tuple[FileHash, ...]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A clip whose content is not known, since it cannot be read, and why."""

    index: int
    detail: str


@dataclass(frozen=True, slots=True)
class Decoded:
    """One chunk of a clip."""

    key: str
    chunk: Chunk


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of a clip; `refusal` if it has no chunks to keep."""

    key: str
    activity: SpeechActivity | None
    warnings: list[str]
    refusal: tuple[Reason, str] | None = None


Job = HashJob | DecodeJob
Result = Hashed | Unreadable | Decoded | Finished


@dataclass(frozen=True)
class Decoder:
    """Does the jobs.

    Attributes:
        faces: finds faces and landmarks.
        trim: what silence is left out.
        whole: whether frames before the first and after the last speech are included.
    """

    faces: FaceDetector
    trim: Trim
    whole: bool

    def __call__(self, job: Job) -> Iterator[Result]:
        """Do one job."""
        if isinstance(job, HashJob):
            yield _hashed(job)
        else:
            yield from self._decoded(job)

    def _decoded(self, job: DecodeJob) -> Iterator[Decoded | Finished]:
        recording = None
        try:
            recording = open_recording(job.record.path, job.record.audio, trim=self.trim, detector=self.faces)
            for chunk in chunks(recording, whole=self.whole):
                chunk.clip.mouths  # noqa: B018  crop in this process; the crops are pickled with the clip
                yield Decoded(job.key, chunk)
            yield Finished(job.key, recording.activity, recording.warnings)
        except CannotJudge as refusal:
            activity, warnings = (recording.known_activity, recording.warnings) if recording else (None, [])
            yield Finished(job.key, activity, warnings, (refusal.reason, refusal.detail))


def _hashed(job: HashJob) -> Hashed | Unreadable:
    try:
        return Hashed(job.index, tuple(map(hash_file, job.files)))
    except CannotJudge as refusal:
        return Unreadable(job.index, refusal.detail)

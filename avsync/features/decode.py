"""What worker processes do: hash files, and decode them into chunks of faces with their sound."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from avsync.datasets.record import ClipRecord
from avsync.engine import Answer, Held, Telling
from avsync.errors import CannotJudge, Reason
from avsync.face import FaceDetector
from avsync.features.chunks import Chunk, chunks
from avsync.features.hashes import FileHash, hash_file
from avsync.features.parcels import pack_chunk
from avsync.features.shard import to_activity
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

    hashes: tuple[FileHash, ...]


@dataclass(frozen=True, slots=True)
class Decoded:
    """One chunk of a clip, as `unpack_chunk` takes it, and how many frames it has."""

    data: dict[str, Any]
    arrays: Held
    frames: int


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of a clip; `refusal` if it has no chunks to keep."""

    activity: SpeechActivity | None
    warnings: list[str]
    refusal: tuple[Reason, str] | None = None


@dataclass(frozen=True)
class Decoder:
    """Does the jobs (`avsync.engine.Work`).

    Attributes:
        faces: finds faces and landmarks.
        trim: what silence is left out.
        whole: whether frames before the first and after the last speech are included.
    """

    faces: FaceDetector
    trim: Trim
    whole: bool

    def __call__(self, job: HashJob | DecodeJob, tell: Telling) -> Iterator[Answer]:
        """Do one job.

        Raises:
            CannotJudge: a file to be hashed cannot be read.
        """
        if isinstance(job, HashJob):
            yield {"hashes": [hash_file(path) for path in job.files]}, {}
            return
        tell.length_of(str(job.record.path))
        for part in self._decoded(job):
            yield pack_chunk(part) if isinstance(part, Chunk) else ({"finished": _to_dict(part)}, {})

    def _decoded(self, job: DecodeJob) -> Iterator[Chunk | Finished]:
        recording = None
        try:
            recording = open_recording(job.record.path, job.record.audio, trim=self.trim, detector=self.faces)
            yield from chunks(recording, whole=self.whole)
            yield Finished(recording.activity, recording.warnings)
        except CannotJudge as refusal:
            activity, warnings = (recording.known_activity, recording.warnings) if recording else (None, [])
            yield Finished(activity, warnings, (refusal.reason, refusal.detail))


def read_result(data: dict[str, Any], arrays: Held) -> Hashed | Decoded | Finished:
    """What a worker sent.

    Raises:
        LookupError, TypeError, ValueError: it is something else.
    """
    match data:
        case {"hashes": [*hashes]}:
            return Hashed(tuple(FileHash(str(path), int(size), int(at), str(key)) for path, size, at, key in hashes))
        case {"finished": dict() as found}:
            activity, refusal = found["activity"], found["refusal"]
            return Finished(
                None if activity is None else to_activity(activity),
                [str(warning) for warning in found["warnings"]],
                None if refusal is None else (Reason(refusal[0]), str(refusal[1])),
            )
        case {"frames": int() as frames}:
            return Decoded(data, arrays, frames)
    raise ValueError("no result")


def _to_dict(finished: Finished) -> dict[str, Any]:
    activity = finished.activity
    told = None if activity is None else {**asdict(activity), "segments": activity.segments.tolist()}
    return {"activity": told, "warnings": finished.warnings, "refusal": finished.refusal}

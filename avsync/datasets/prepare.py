"""Prepared clips: what training needs of a media file, made once and kept under the hash of its content."""

import json
import logging
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from avsync.clip import FaceClip, talking_clips
from avsync.datasets.left_out import log_skipped, worker_died
from avsync.datasets.record import ClipRecord
from avsync.errors import CannotJudge, Reason
from avsync.face import FaceDetector
from avsync.files import write_whole
from avsync.media import FPS
from avsync.speech import log_mel, speech_activity

# Raise it whenever what is stored changes: old entries are then left alone and new ones made.
VERSION = 2
# A clip that shows a face, or lets it speak, for less than this many seconds teaches nothing.
_MIN_FACE, _MIN_SPEECH = 1.0, 0.5
# Files handed to the workers at a time: few enough that a million files need no queue of a million.
_BATCH = 64

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PreparedClip:
    """A clip and where its arrays are: `mouth` uint8 [T, 96, 96], `landmarks` float32 [T, 68, 2] in pixels,
    `mel` float32 [4T, 40] of `log_mel`, `speech` float32 [T], the share of speech in each frame."""

    record: ClipRecord
    path: Path

    @property
    def key(self) -> str:
        """The hash of its content."""
        return self.path.stem

    def frames(self) -> int:
        """T, read from the file's header."""
        with safe_open(self.path, framework="np") as tensors:
            return int(tensors.get_slice("speech").get_shape()[0])

    def read(self, name: str, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """Rows [start, stop) of one array; nothing else of the file is read."""
        with safe_open(self.path, framework="np") as tensors:
            rows: NDArray[Any] = tensors.get_slice(name)[start:stop]
            return rows


@dataclass(frozen=True)
class Refused:
    """A clip that cannot be trained on, and why."""

    record: ClipRecord
    reason: Reason
    detail: str


def prepare(records: Sequence[ClipRecord], folder: Path, workers: int = 1) -> tuple[list[PreparedClip], list[Refused]]:
    """Prepare clips that are not in the cache yet; refused ones are logged with their reason.

    The whole clip is kept, silence too: training weighs it by `speech`. Of a file with several faces, or longer than a
    passage of 30 s, the longest stretch of one face counts. It can be killed at any time and goes on where it was.

    Args:
        records: the clips.
        folder: of the cache; one file per clip, named after the sha256 of its media files and VERSION.
        workers: processes; 1 works in this one.

    Raises:
        AvsyncError: a worker process died.
    """
    prepared, refused = list[PreparedClip](), list[Refused]()
    console = Console(stderr=True)
    outcomes = _outcomes(records, partial(_prepare, folder), workers)
    for outcome in track(outcomes, "preparing", len(records), console=console, disable=not console.is_terminal):
        if isinstance(outcome, PreparedClip):
            prepared.append(outcome)
        else:
            refused.append(outcome)
            _log.warning("%s: left out, %s: %s", outcome.record.name, outcome.reason, outcome.detail)
    log_skipped(_log, f"{len(prepared)} clips prepared", (outcome.reason for outcome in refused))
    return prepared, refused


def _outcomes(
    records: Sequence[ClipRecord], job: "partial[PreparedClip | Refused]", workers: int
) -> Iterator[PreparedClip | Refused]:
    if workers == 1:
        yield from map(job, records)
        return
    spawn = multiprocessing.get_context("spawn")  # forked children would inherit torch's threads, and hang
    pool = ProcessPoolExecutor(workers, spawn, initializer=torch.set_num_threads, initargs=(1,))
    try:
        for start in range(0, len(records), _BATCH * workers):
            yield from pool.map(job, records[start : start + _BATCH * workers])
    except BrokenProcessPool as error:
        raise worker_died() from error
    finally:
        pool.shutdown(cancel_futures=True)


def _prepare(folder: Path, record: ClipRecord) -> PreparedClip | Refused:
    try:
        return PreparedClip(record, _entry(folder, record))
    except CannotJudge as refusal:
        return Refused(record, refusal.reason, refusal.detail)


def _entry(folder: Path, record: ClipRecord) -> Path:
    """The clip's file in the cache, made if it is not there. A refusal is kept too: the same content earns it again."""
    key = sha256(f"{VERSION} {record.content_key()}".encode()).hexdigest()
    entry = folder / key[:2] / f"{key}.safetensors"
    note = entry.with_suffix(".refused.json")
    if note.exists():
        reason, detail = json.loads(note.read_text())
        raise CannotJudge(Reason(reason), detail)
    if not _is_whole(entry):
        try:
            arrays = _arrays(record)
        except CannotJudge as refusal:
            write_whole(note, json.dumps([refusal.reason, refusal.detail]).encode())
            raise
        write_whole(entry, save(arrays))
    return entry


def _arrays(record: ClipRecord) -> dict[str, NDArray[Any]]:
    activity = speech_activity(record.audio or record.path)
    if not len(activity.segments):
        raise CannotJudge(Reason.NO_SPEECH, "nobody speaks")
    clips = talking_clips(record.path, activity, FaceDetector(), span=(0.0, float("inf")), audio=record.audio)
    clip = max(clips, key=len, default=None)
    if clip is None:
        raise CannotJudge(Reason.NO_FACE, "no face is found")
    _check(clip)
    return {
        "mouth": clip.mouths,
        "landmarks": clip.landmarks,
        "mel": log_mel(clip.waveform),
        "speech": clip.speech,
    }


def _check(clip: FaceClip) -> None:
    if len(clip) < _MIN_FACE * FPS:
        raise CannotJudge(Reason.TOO_SHORT, f"a face is seen for {len(clip) / FPS:.1f} s only")
    if clip.speech.sum() < _MIN_SPEECH * FPS:
        raise CannotJudge(Reason.NO_SPEECH, f"{clip.speech.sum() / FPS:.1f} s of speech while a face is seen")


def _is_whole(entry: Path) -> bool:
    try:
        with safe_open(entry, framework="np"):
            return True
    except (FileNotFoundError, SafetensorError):
        return False

"""The footage of faces a training learns from, and that of other people it is validated on; decoded once and kept."""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np

from avsync.config import DataConfig
from avsync.datasets.record import ClipRecord
from avsync.datasets.splits import split_by_speaker, training_records
from avsync.errors import CannotJudge, Reason, UsageError
from avsync.face import load_face_detector
from avsync.files import content_key, sha256_of
from avsync.progress import counting
from avsync.reconstruct.face.footage import read_footage
from avsync.reconstruct.stored_footage import FootageConfig, StoredFootage, look, write_footage, write_refusal
from avsync.train.split import Split
from avsync.workers import run_jobs

_VERSION = 1  # raise it when the same clips give other footage
# Shorter footage teaches nothing: kinds that change faces over time need some pictures before and after.
_SHORTEST = 16

_log = logging.getLogger(__name__)


def find_footage(config: DataConfig, footage: FootageConfig, size: int, seed: int) -> Split[StoredFootage]:
    """Find the clips, decode those that the cache lacks, and split them by speaker.

    Args:
        config: where the clips are, and which to use.
        footage: what is kept of them.
        size: pixels of the side of the pictures.
        seed: of the choice of speakers to validate on, and of clips where a speaker has too many.

    Raises:
        UsageError: fakes in the data, or no usable clip on one side of the split.
    """
    records = training_records(Path(config.root), config.exclude, config.dataset or None)
    sides = split_by_speaker(records, config.validation, config.validation_share, seed)
    chosen = [_chosen(side, footage.per_speaker, seed) for side in sides]
    stored = decode_footage([record for side in chosen for record in side], config, footage, size)
    of_name = {found.name: found for found in stored}
    training, validation = ([of_name[r.name] for r in side if r.name in of_name] for side in chosen)
    left_out = sum(map(len, chosen)) - len(stored)
    if not training or not validation:
        raise UsageError(f"{config.root}: no usable clip on one side of the split ({left_out} were left out)")
    return Split(training, validation, left_out)


def decode_footage(
    records: Sequence[ClipRecord], config: DataConfig, footage: FootageConfig, size: int
) -> list[StoredFootage]:
    """Decode clips that the cache lacks; those without a face that is seen long enough are logged and left out."""
    said = repr((_VERSION, size, footage.frames, load_face_detector().key))
    folder = Path(config.cache) / f"footage-{sha256(said.encode()).hexdigest()[:16]}"
    paths = [folder / f"{key}.safetensors" if (key := _key(record)) else None for record in records]
    jobs = {path: _Job(record, path, footage.frames, size) for record, path in zip(records, paths, strict=True) if path}
    missing = [job for path, job in jobs.items() if look(path) is None]
    waiting = iter(missing)
    with counting("decoding faces") as on_progress:
        for done, _ in enumerate(run_jobs(_decode, lambda: next(waiting, None), config.num_workers), 1):
            on_progress(done, len(missing))
    found = [made for record, path in zip(records, paths, strict=True) if (made := _stored(record, path)) is not None]
    if len(found) < len(records):
        _log.warning("%d clips with a face, %d left out", len(found), len(records) - len(found))
    return found


class _Job(NamedTuple):
    """A clip to decode, and where its footage goes."""

    record: ClipRecord
    path: Path
    frames: int
    size: int


def _decode(job: _Job) -> Iterator[None]:
    """Keep the first pictures of the longest clip of a face."""
    try:
        longest = max(read_footage(job.record.path, job.record.audio, size=job.size), key=len)
        if len(longest) < _SHORTEST:
            raise CannotJudge(Reason.TOO_SHORT, f"a face is seen for {len(longest)} pictures, {_SHORTEST} are needed")
        write_footage(job.path, longest[: job.frames])
    except CannotJudge as refusal:
        write_refusal(job.path, str(refusal))
    yield None


def _stored(record: ClipRecord, path: Path | None) -> StoredFootage | None:
    frames, refusal = (path and look(path)) or (0, f"{Reason.UNREADABLE}: the file cannot be read")
    if path is not None and frames:
        return StoredFootage(path, record.name, path.stem, record.speaker, frames)
    _log.warning("%s: left out, %s", record.name, refusal)
    return None


def _key(record: ClipRecord) -> str:
    """The key of a clip's content; empty if it cannot be read."""
    try:
        return content_key(sha256_of(record.path), sha256_of(record.audio) if record.audio else None)
    except OSError:
        return ""


def _chosen(records: Sequence[ClipRecord], per_speaker: int, seed: int) -> list[ClipRecord]:
    """At most so many clips of each speaker, drawn at random; 0: all."""
    if not per_speaker:
        return list(records)
    count, chosen = Counter[str](), set[str]()
    for index in np.random.default_rng(seed).permutation(len(records)).tolist():
        count[records[index].speaker] += 1
        if count[records[index].speaker] <= per_speaker:
            chosen.add(records[index].name)
    return [record for record in records if record.name in chosen]

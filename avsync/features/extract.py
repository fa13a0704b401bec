"""From recordings to features: worker processes hash and decode, this process encodes in batches and writes."""

import logging
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing

import torch

from avsync.datasets.record import ClipRecord
from avsync.encoders.registry import Backbone
from avsync.errors import Reason
from avsync.face import FaceDetector, load_face_detector
from avsync.features.decode import Decoded, DecodeJob, Decoder, Finished, Hashed, HashJob, Job, Result, Unreadable
from avsync.features.encode import as_kept, encode_chunks
from avsync.features.hashes import FileHash, HashCache
from avsync.features.store import FeatureStore
from avsync.features.writer import StoreWriter
from avsync.files import content_key
from avsync.media import FPS
from avsync.workers import run_jobs

# Frames that are encoded together on a GPU; on a CPU, clips one by one are as fast.
_GPU_BATCH = 200 * FPS
# In the folder of all stores: the hashes of the files that were read.
HASHES = "hashes.jsonl"

_log = logging.getLogger(__name__)


def extract(
    records: Sequence[ClipRecord],
    backbone: Backbone,
    store: FeatureStore,
    *,
    faces: FaceDetector | None = None,
    workers: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[tuple[ClipRecord, str]]:
    """Make the features that the store lacks, and damaged ones again.

    It can be killed at any time and goes on where it was, at most 20 s before.

    Args:
        records: the clips; those without features are logged with the reason.
        backbone: encodes, in this process.
        store: of this backbone and face detector; it says what silence is left out.
        faces: finds faces and landmarks; None: the default detector.
        workers: processes that hash, decode and find faces; 1 does it here.
        on_progress: called with the number of clips done and of all.

    Returns:
        The clips that have features, each with its key in the store.

    Raises:
        AvsyncError: a worker process died.
    """
    faces = faces or load_face_detector()
    if (backbone.key, faces.key) != (store.backbone, store.faces):
        raise ValueError(f"the store holds features of {store.backbone} and {store.faces}")
    store.mend()
    work = _Work(records, store, on_progress)
    decode = Decoder(faces, store.trim, store.whole)
    with closing(run_jobs(decode, work.next_job, workers)) as results, StoreWriter(store) as writer:
        for batch in _batches(work.handle(results)):
            _write(batch, backbone, writer)
            work.count(batch)
    return _kept(records, work, store)


def log_skipped(log: logging.Logger, used: str, reasons: Iterable[Reason]) -> None:
    """Log how many clips were used, in words, and how many were not, by reason; a warning if there are any."""
    counted = Counter(reasons)
    listed = ", ".join(f"{count} {reason}" for reason, count in counted.most_common())
    log.log(
        logging.WARNING if counted else logging.INFO,
        "%s, %d left out (%s)",
        used,
        counted.total(),
        listed or "none",
    )


class _Work:
    """Which jobs are left. Contents that the store has, and second copies of one content, are not decoded.

    Attributes:
        keys: of each record, its key in the store, once it is known.
        unreadable: by index of the record, why there is no key.
    """

    def __init__(
        self, records: Sequence[ClipRecord], store: FeatureStore, on_progress: Callable[[int, int], None] | None
    ) -> None:
        self.keys: list[str | None] = [None] * len(records)
        self.unreadable: dict[int, str] = {}
        self._records, self._store, self._on_progress = records, store, on_progress
        self._hashes = HashCache(store.root / HASHES)
        self._unread, self._decodable = iter(range(len(records))), deque[DecodeJob]()
        self._begun, self._done = set[str](), 0
        self._report(0)

    def next_job(self) -> Job | None:
        """A clip to decode, or else one to hash; None if nothing is left."""
        while not self._decodable:
            index = next(self._unread, None)
            if index is None:
                return None
            record = self._records[index]
            files = (record.path,) if record.audio is None else (record.path, record.audio)
            hashes = [found for found in map(self._hashes.get, files) if found]
            if len(hashes) < len(files):
                return HashJob(index, files)
            self._found(index, hashes)
        return self._decodable.popleft()

    def handle(self, results: Iterable[Result]) -> Iterator[Decoded | Finished]:
        """Take note of hashes, and hand on what was decoded."""
        for result in results:
            match result:
                case Hashed(index, hashes):
                    self._hashes.add(hashes)
                    self._found(index, hashes)
                case Unreadable(index, detail):
                    self.unreadable[index] = detail
                    self._report(1)
                case _:
                    yield result

    def count(self, results: Iterable[Decoded | Finished]) -> None:
        """Take note that these were written."""
        if finished := sum(isinstance(result, Finished) for result in results):
            self._report(finished)

    def _found(self, index: int, hashes: Sequence[FileHash]) -> None:
        """The content of a clip is known: have it decoded, unless it is the content of another one too."""
        record, key = self._records[index], content_key(*(found.sha256 for found in hashes))
        self.keys[index] = key
        if key in self._begun or self._store.is_intact(key):
            self._report(1)
        else:
            if key in self._store:
                _log.warning("%s: its features are damaged and made again", record.name)
            self._decodable.append(DecodeJob(record, key))
        self._begun.add(key)

    def _report(self, more: int) -> None:
        self._done += more
        if self._on_progress is not None:
            self._on_progress(self._done, len(self._records))


def _batches(results: Iterable[Decoded | Finished]) -> Iterator[list[Decoded | Finished]]:
    """Results in lists that are encoded together."""
    enough = _GPU_BATCH if torch.cuda.is_available() else 1
    waiting, frames = list[Decoded | Finished](), 0
    for result in results:
        waiting.append(result)
        frames += len(result.chunk.clip) if isinstance(result, Decoded) else 0
        if not 0 < frames < enough:
            yield waiting
            waiting, frames = [], 0
    yield waiting


def _write(results: Sequence[Decoded | Finished], backbone: Backbone, writer: StoreWriter) -> None:
    encoded = iter(encode_chunks([result.chunk for result in results if isinstance(result, Decoded)], backbone))
    for result in results:
        if isinstance(result, Decoded):
            writer.add(result.key, as_kept(next(encoded), backbone))
        else:
            writer.finish(result.key, result.activity, result.warnings, result.refusal)


def _kept(records: Sequence[ClipRecord], work: _Work, store: FeatureStore) -> list[tuple[ClipRecord, str]]:
    """The records that have features; why the others have none is logged."""
    kept, reasons = list[tuple[ClipRecord, str]](), list[Reason]()
    for index, (record, key) in enumerate(zip(records, work.keys, strict=True)):
        refusal = store.refusal(key) if key is not None else (Reason.UNREADABLE, work.unreadable[index])
        if refusal:
            reasons.append(refusal[0])
            _log.warning("%s: left out, %s: %s", record.name, *refusal)
        elif key is not None:
            kept.append((record, key))
    log_skipped(_log, f"{len(kept)} clips with features", reasons)
    return kept

"""From recordings to features: workers hash and decode, then chunks are encoded, and this process writes."""

import logging
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial

from avsync.datasets.record import ClipRecord
from avsync.encoders.registry import Backbone
from avsync.engine import LIMITS, End, Engine, Job, Limits, Result, Task, do_jobs
from avsync.errors import CannotJudge, Reason
from avsync.face import FaceDetector, load_face_detector
from avsync.features.decode import DecodeJob, Decoder, Finished, Hashed, HashJob, read_result
from avsync.features.hashes import FileHash, HashCache
from avsync.features.stages import Encode, Failed, Item, encode_here
from avsync.features.store import FeatureStore
from avsync.features.writer import StoreWriter
from avsync.files import content_key

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
    engine: Engine | None = None,
    limits: Limits = LIMITS,
    encode: Encode | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[tuple[ClipRecord, str]]:
    """Make the features that the store lacks, and damaged ones again.

    It can be killed at any time and goes on where it was, at most 20 s before. A clip that crashes its worker, takes
    too long or too much memory is left out, and tried again by the next run.

    Args:
        records: the clips; those without features are logged with the reason.
        backbone: whose features they are.
        store: of this backbone and face detector; it says what silence is left out.
        faces: finds faces and landmarks; None: the default detector.
        workers, engine: how many clips are hashed and decoded side by side, and where, as `avsync.engine.do_jobs`.
        limits: of a clip, where the engine has limits.
        encode: encodes what was decoded; None: `backbone`, in this process.
        on_progress: called with the number of clips done and of all.

    Returns:
        The clips that have features, each with its key in the store.

    Raises:
        UsageError, AvsyncError, InternalError: a worker could not be started.
    """
    faces = faces or load_face_detector()
    if (backbone.key, faces.key) != (store.backbone, store.faces):
        raise ValueError(f"the store holds features of {store.backbone} and {store.faces}")
    store.mend()
    work = _Work(records, store, on_progress)
    task = Task(partial(Decoder, faces, store.trim, store.whole), limits, read_result)
    events = do_jobs(task, work.next_job, count=workers, engine=engine, room=workers)
    with closing(events), StoreWriter(store) as writer:
        for key, made in (encode or encode_here(backbone))(work.handle(events)):
            if key in work.failed:
                continue
            if isinstance(made, Failed):
                writer.forget(key)
                work.fail(key, made)
            elif isinstance(made, Finished):
                writer.finish(key, made.activity, made.warnings, made.refusal)
                work.finish()
            else:
                writer.add(key, made)
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
        failed: by key, why there are no features, though the next run may make them.
    """

    def __init__(
        self, records: Sequence[ClipRecord], store: FeatureStore, on_progress: Callable[[int, int], None] | None
    ) -> None:
        self.keys: list[str | None] = [None] * len(records)
        self.unreadable: dict[int, tuple[Reason, str]] = {}
        self.failed: dict[str, tuple[Reason, str]] = {}
        self._records, self._store, self._on_progress = records, store, on_progress
        self._hashes = HashCache(store.root / HASHES)
        self._unread, self._decodable = iter(range(len(records))), deque[DecodeJob]()
        self._begun, self._done = set[str](), 0
        self._report(0)

    def next_job(self) -> Job | None:
        """A clip to decode, or else one to hash; None if nothing is left for now."""
        while not self._decodable:
            index = next(self._unread, None)
            if index is None:
                return None
            record = self._records[index]
            files = (record.path,) if record.audio is None else (record.path, record.audio)
            hashes = [found for found in map(self._hashes.get, files) if found]
            if len(hashes) < len(files):
                return Job(HashJob(index, files), str(record.path))
            self._found(index, hashes)
        job = self._decodable.popleft()
        return Job(job, str(job.record.path))

    def handle(self, events: Iterable[Result | End]) -> Iterator[Item]:
        """Take note of hashes, and hand on what was decoded."""
        for event in events:
            job: HashJob | DecodeJob = event.job.given
            match job, event:
                case DecodeJob(key=key), Result(value=part):
                    yield key, part
                case DecodeJob(key=key), End(refusal=CannotJudge() as refusal):
                    yield key, Failed(refusal)
                case HashJob(index=index), Result(value=Hashed(hashes=hashes)):
                    self._hashes.add(hashes)
                    self._found(index, hashes)
                case HashJob(index=index), End(refusal=CannotJudge() as refusal):
                    self.unreadable[index] = (refusal.reason, refusal.detail)
                    self._report(1)

    def finish(self) -> None:
        """Take note that a clip was written."""
        self._report(1)

    def fail(self, key: str, why: Failed) -> None:
        """Take note that a clip was not done."""
        self.failed[key] = (why.refusal.reason, why.refusal.detail)
        self._report(1)

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


def _kept(records: Sequence[ClipRecord], work: _Work, store: FeatureStore) -> list[tuple[ClipRecord, str]]:
    """The records that have features; why the others have none is logged."""
    kept, reasons = list[tuple[ClipRecord, str]](), list[Reason]()
    for index, (record, key) in enumerate(zip(records, work.keys, strict=True)):
        refusal = work.unreadable[index] if key is None else work.failed.get(key) or store.refusal(key)
        if refusal:
            reasons.append(refusal[0])
            _log.warning("%s: left out, %s: %s", record.name, *refusal)
        elif key is not None:
            kept.append((record, key))
    log_skipped(_log, f"{len(kept)} clips with features", reasons)
    return kept

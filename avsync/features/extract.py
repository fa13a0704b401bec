"""From media files to features in a store: decoding in worker processes, encoding here in batches."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from avsync.align import TAU
from avsync.datasets.left_out import log_skipped, worker_died
from avsync.datasets.record import ClipRecord
from avsync.errors import CannotJudge, Reason
from avsync.face import FaceDetector
from avsync.encoders.registry import Backbone
from avsync.features.chunks import Chunk, chunks
from avsync.features.store import Features, FeatureStore, StoreWriter
from avsync.media import FPS
from avsync.speech import SpeechActivity, Trim, speech_activity

# Frames that are encoded together on a GPU; on a CPU, clips one by one are as fast.
_GPU_BATCH = 200 * FPS

_log = logging.getLogger(__name__)


def encode(backbone: Backbone, batch: Sequence[Chunk]) -> list[Features]:
    """The features of some chunks, with so much on either side of their cores as the lattice looks at."""
    encoded = backbone.encode([chunk.clip for chunk in batch]) if batch else []
    return [_features(chunk, *features) for chunk, features in zip(batch, encoded, strict=True)]


def encode_file(
    path: Path,
    backbone: Backbone,
    activity: SpeechActivity,
    *,
    audio: Path | None = None,
    warnings: list[str] | None = None,
) -> Iterator[Features]:
    """The features of every face of a file, in memory that does not grow with it.

    Raises:
        CannotJudge: `unreadable`.
    """
    for chunk in chunks(path, activity, FaceDetector(), audio=audio, warnings=warnings):
        yield from encode(backbone, [chunk])


def extract(
    records: Sequence[ClipRecord],
    backbone: Backbone,
    store: FeatureStore,
    *,
    trim: Trim = "default",
    workers: int = 1,
    hook: Callable[[int, int], None] | None = None,
) -> list[tuple[ClipRecord, str]]:
    """Make the features that the store lacks. It can be killed at any time and goes on where it was.

    Args:
        records: the clips; those that cannot be judged are logged with their reason.
        backbone: encodes, in this process.
        store: of this backbone and `trim`.
        trim: what silence is left out.
        workers: processes that decode and find faces; 1 does it here.
        hook: called with the number of clips done and of all.

    Returns:
        The clips that have features, each with its key in the store.

    Raises:
        AvsyncError: a worker process died.
    """
    keyed = [(record, _key(record)) for record in records]
    todo = {key: record for record, key in keyed if key is not None and key not in store}
    report, done = hook or (lambda done, total: None), 0
    report(done, len(todo))
    with store.writer() as writer:
        for event in _written(_decoded(_Decoding(todo, trim), workers), backbone, writer):
            if event.chunk is None:
                done += 1
                report(done, len(todo))
    return _kept(keyed, store)


def _key(record: ClipRecord) -> str | None:
    try:
        return record.content_key()
    except CannotJudge as refusal:
        _log.warning("%s: left out, %s: %s", record.name, refusal.reason, refusal.detail)
        return None


def _kept(keyed: Sequence[tuple[ClipRecord, str | None]], store: FeatureStore) -> list[tuple[ClipRecord, str]]:
    """Those that have features; of the others it is logged why not."""
    kept, reasons = list[tuple[ClipRecord, str]](), list[Reason]()
    for record, key in keyed:
        if key is None:
            reasons.append(Reason.UNREADABLE)
        elif refusal := store.refusal(key):
            reasons.append(refusal[0])
            _log.warning("%s: left out, %s: %s", record.name, *refusal)
        else:
            kept.append((record, key))
    log_skipped(_log, f"{len(kept)} clips with features", reasons)
    return kept


class _Event(NamedTuple):
    """A chunk of a file; without a chunk, the file's end, or why it has none."""

    key: str
    chunk: Chunk | None = None
    refusal: tuple[Reason, str] | None = None


class _Decoding(IterableDataset[_Event]):
    """The chunks of every file, each worker's files one after the other."""

    def __init__(self, todo: Mapping[str, ClipRecord], trim: Trim) -> None:
        self._todo, self._trim = list(todo.items()), trim

    def __iter__(self) -> Iterator[_Event]:
        worker = get_worker_info()
        for key, record in self._todo[worker.id :: worker.num_workers] if worker else self._todo:
            try:
                for chunk in self._chunks(record):
                    chunk.clip.mouths  # noqa: B018  cut here, by the worker: they travel with the clip
                    yield _Event(key, chunk)
                yield _Event(key)
            except CannotJudge as refusal:
                yield _Event(key, refusal=(refusal.reason, refusal.detail))

    def _chunks(self, record: ClipRecord) -> Iterator[Chunk]:
        activity = speech_activity(record.audio or record.path, self._trim)
        if not len(activity.segments):
            raise CannotJudge(Reason.NO_SPEECH, "no speech is heard")
        found = chunks(record.path, activity, FaceDetector(), audio=record.audio)
        first = next(found, None)
        if first is None:
            raise CannotJudge(Reason.NO_FACE, "no face is seen while somebody speaks")
        yield first
        yield from found


def _decoded(decoding: _Decoding, workers: int) -> Iterator[_Event]:
    spawned = workers if workers > 1 else 0
    try:
        yield from DataLoader(
            decoding,
            batch_size=None,
            collate_fn=_as_it_is,
            num_workers=spawned,
            multiprocessing_context="spawn" if spawned else None,  # forked children would inherit torch's threads
        )
    except RuntimeError as error:
        if "worker" not in str(error):
            raise
        raise worker_died() from error


def _written(events: Iterator[_Event], backbone: Backbone, writer: StoreWriter) -> Iterator[_Event]:
    """Encode in batches and write; hands the events on."""
    enough = _GPU_BATCH if torch.cuda.is_available() else 1
    waiting: list[_Event] = []
    for event in events:
        waiting.append(event)
        if sum(len(e.chunk.clip) for e in waiting if e.chunk) >= enough:
            _write(waiting, backbone, writer)
            yield from waiting
            waiting = []
    _write(waiting, backbone, writer)
    yield from waiting


def _write(events: Sequence[_Event], backbone: Backbone, writer: StoreWriter) -> None:
    encoded = iter(encode(backbone, [event.chunk for event in events if event.chunk]))
    for event in events:
        if event.chunk:
            writer.stretch(event.key, next(encoded))
        elif event.refusal:
            writer.refuse(event.key, *event.refusal)
        else:
            writer.finish(event.key)


def _features(chunk: Chunk, lips: Tensor, speech: Tensor) -> Features:
    clip, core = chunk.clip, chunk.core
    seen = slice(max(0, core.start - TAU), core.stop + TAU)
    return Features(
        track=clip.track,
        start=clip.start + core.start / FPS,
        box=clip.box,
        lips=lips[seen],
        speech=speech[seen],
        weight=torch.from_numpy(clip.speech[seen]),
        core=slice(core.start - seen.start, core.stop - seen.start),
    )


def _as_it_is(event: Any) -> Any:
    return event

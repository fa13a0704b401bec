"""Writes features shard by shard into a store."""

from collections.abc import Sequence
from dataclasses import asdict
from time import monotonic, time_ns
from typing import Any, Self
from uuid import uuid4

from torch import Tensor

from avsync.errors import Reason
from avsync.features.shard import ARRAYS, Header
from avsync.features.store import Features, FeatureStore
from avsync.files import all_finite
from avsync.speech import SpeechActivity

# A shard is written when it holds this many bytes (10 minutes of AV-HuBERT large, 4 minutes of mouth crops) or when
# this many seconds have passed: a killed run loses what it made since.
_SHARD_BYTES, _SHARD_SECONDS = 64 << 20, 20.0
_NO_NUMBERS = (
    Reason.DAMAGED,
    "its features are not numbers; the file holds values that no camera or microphone records",
)


class StoreWriter:
    """Collects features and writes them in whole shards. Use it as a context: leaving it writes the rest.

    Chunks of several files may come in turns.
    """

    def __init__(
        self, store: FeatureStore, *, shard_bytes: int = _SHARD_BYTES, shard_seconds: float = _SHARD_SECONDS
    ) -> None:
        self._store, self._shard_bytes, self._shard_seconds = store, shard_bytes, shard_seconds
        self._counts: dict[str, int] = {}
        self._not_finite = set[str]()
        self._begin()

    def add(self, key: str, features: Features) -> None:
        """Add one chunk of a file, its arrays in the types they are kept in.

        A file with values that are not finite gets no features but a refusal, `damaged`.
        """
        arrays: dict[str, Tensor] = {stored: getattr(features, field) for stored, field in ARRAYS.items()}
        if not all(map(all_finite, arrays.values())):
            self._not_finite.add(key)
            return
        index = self._counts.get(key, 0)
        self._counts[key] = index + 1
        name = f"{key}/{index}"
        self._tensors |= {f"{name}/{stored}": array.contiguous() for stored, array in arrays.items()}
        self._header["chunks"][name] = {
            "track": features.track,
            "start": features.start,
            "box": features.box.tolist(),
            "core": [features.core.start, features.core.stop],
        }
        if sum(tensor.nbytes for tensor in self._tensors.values()) >= self._shard_bytes:
            self.flush()

    def finish(
        self,
        key: str,
        activity: SpeechActivity | None = None,
        warnings: Sequence[str] = (),
        refusal: tuple[Reason, str] | None = None,
    ) -> None:
        """Say that a file has no more chunks: only now the store has it.

        Args:
            key: of the file.
            activity: where somebody speaks in it; None if that is not known.
            warnings: the damage that was met when it was decoded.
            refusal: why it has no features and need not be tried again; None if it has features.
        """
        count = self._counts.pop(key, 0)
        if key in self._not_finite:
            self._not_finite.remove(key)
            refusal = refusal or _NO_NUMBERS
        entry: dict[str, Any] = {"refused": list(refusal)} if refusal else {"chunks": count}
        if activity is not None:
            entry["activity"] = {**asdict(activity), "segments": activity.segments.tolist()}
        self._header["files"][key] = {**entry, "warnings": list(warnings)}
        if monotonic() - self._begun >= self._shard_seconds:
            self.flush()

    def forget(self, key: str) -> None:
        """Say that a file will not be finished: the store does not have it. Its chunks stay, and nobody reads them."""
        self._counts.pop(key, None)
        self._not_finite.discard(key)

    def flush(self) -> None:
        """Write what has been collected."""
        if self._tensors or self._header["files"]:
            name = f"{time_ns()}-{uuid4().hex}"  # in the order of writing
            self._store.add(name, self._tensors, self._header)
            self._begin()

    def _begin(self) -> None:
        self._tensors: dict[str, Tensor] = {}
        self._header: Header = {"files": {}, "chunks": {}}
        self._begun = monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()

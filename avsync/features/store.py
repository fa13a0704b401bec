"""Features on disk: written once, read by training, evaluation and scoring.

A store is a folder of safetensors shards. A file's features are known by the sha256 of its content; the folder's name
is made of what else they depend on. A shard's header says which files are finished; what a stopped run left
unfinished is made again. Floats are kept as float16.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from time import monotonic
from typing import Any, Self
from uuid import uuid4

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from avsync.datasets.record import ClipRecord
from avsync.errors import CannotJudge, Reason, UsageError
from avsync.files import write_whole

FORMAT = "avsync.features/1"
# A shard is written when it has so many bytes (of AV-HuBERT large, 11 minutes), or is so many seconds old: what a
# killed run has done since is lost.
_SHARD_BYTES, _SHARD_SECONDS = 64 << 20, 120.0
_HALF = torch.finfo(torch.float16).max


@dataclass(frozen=True, slots=True)
class Features:
    """Consecutive frames of one face, encoded.

    Attributes:
        track: number of the face track.
        start: presentation time of the first frame of `core` (s).
        box: median box of the face, float [4], in upright pixels.
        lips: [T, Dv]; of `mouth`, uint8 [T, 96, 96].
        speech: [T, Da].
        weight: float32 [T], the share of speech in each frame.
        core: the frames that are meant; those around them belong to the stretch before and after.
    """

    track: int
    start: float
    box: NDArray[np.float64]
    lips: Tensor
    speech: Tensor
    weight: Tensor
    core: slice


@dataclass(frozen=True)
class StoredClip:
    """The longest stretch of a clip's features, for training: `lips`, `speech` and `weight`."""

    record: ClipRecord
    shard: Path
    key: str
    core: tuple[int, int]

    def frames(self) -> int:
        """How many frames it has."""
        return self.core[1] - self.core[0]

    def read(self, name: str, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """Rows [start, stop) of one array; nothing else of the file is read."""
        begin, end, _ = slice(start, stop).indices(self.frames())
        with safe_open(self.shard, framework="np") as tensors:
            rows: NDArray[Any] = tensors.get_slice(f"{self.key}/{name}")[self.core[0] + begin : self.core[0] + end]
            return rows


class FeatureStore:
    """The features of one backbone.

    Args:
        root: folder of all stores.
        backbone: the `key` of the backbone.
        trim: what silence was left out.

    Raises:
        UsageError: a shard is damaged.
    """

    def __init__(self, root: Path, backbone: str, trim: str) -> None:
        says = {"format": FORMAT, "backbone": backbone, "trim": trim}
        self.folder = root / sha256(json.dumps(says).encode()).hexdigest()[:16]
        self._says = says
        self._files: dict[str, dict[str, Any]] = {}
        self._stretches: dict[str, tuple[Path, dict[str, Any]]] = {}
        for shard in sorted(self.folder.glob("*.safetensors")):
            self._index(shard, _header(shard))

    def __len__(self) -> int:
        """How many files it knows."""
        return len(self._files)

    def __contains__(self, key: str) -> bool:
        """Whether a file's features are here, or why it has none."""
        return key in self._files

    def refusal(self, key: str) -> tuple[Reason, str] | None:
        """Why a file has no features; None where it has."""
        refused = self._files[key].get("refused")
        return (Reason(refused[0]), refused[1]) if refused else None

    def read(self, key: str) -> Iterator[Features]:
        """The features of a file, stretch by stretch.

        Raises:
            CannotJudge: it was refused.
        """
        if refusal := self.refusal(key):
            raise CannotJudge(*refusal)
        for name in self._names(key):
            shard, says = self._stretches[name]
            with safe_open(shard, framework="pt") as tensors:
                lips, speech, weight = (tensors.get_tensor(f"{name}/{part}") for part in ("lips", "speech", "weight"))
            box = np.array(says["box"], np.float64)
            yield Features(says["track"], says["start"], box, lips, speech, weight, slice(*says["core"]))

    def longest(self, record: ClipRecord, key: str) -> StoredClip:
        """The longest stretch of a file that was not refused."""
        name = max(self._names(key), key=lambda n: int(np.diff(self._stretches[n][1]["core"])[0]))
        shard, says = self._stretches[name]
        return StoredClip(record, shard, name, tuple(says["core"]))

    def writer(self) -> "StoreWriter":
        """Adds features; use it as a context."""
        return StoreWriter(self)

    def add(self, shard: bytes, header: dict[str, Any]) -> None:
        """Keep one shard and its header."""
        path = self.folder / f"{uuid4().hex}.safetensors"
        write_whole(self.folder / "store.json", (json.dumps(self._says, indent=2) + "\n").encode())
        write_whole(path, shard)
        self._index(path, header)

    def _index(self, shard: Path, header: dict[str, Any]) -> None:
        self._files |= header["files"]
        self._stretches |= {name: (shard, says) for name, says in header["stretches"].items()}

    def _names(self, key: str) -> list[str]:
        return [f"{key}/{index}" for index in range(self._files[key]["stretches"])]


class StoreWriter:
    """Collects features and writes them shard by shard, whole."""

    def __init__(self, store: FeatureStore) -> None:
        self._store = store
        self._counts: dict[str, int] = {}
        self._begin()

    def stretch(self, key: str, features: Features) -> None:
        """One stretch of a file; the file counts as there once it is finished."""
        index = self._counts.get(key, 0)
        self._counts[key] = index + 1
        name = f"{key}/{index}"
        arrays = {"lips": features.lips, "speech": features.speech, "weight": features.weight}
        for part, array in arrays.items():
            halved = array.clamp(-_HALF, _HALF).half() if array.is_floating_point() and part != "weight" else array
            self._tensors[f"{name}/{part}"] = halved.contiguous()
        self._header["stretches"][name] = {
            "track": features.track,
            "start": features.start,
            "box": features.box.tolist(),
            "core": [features.core.start, features.core.stop],
        }
        if sum(tensor.nbytes for tensor in self._tensors.values()) >= _SHARD_BYTES:
            self.flush()

    def finish(self, key: str) -> None:
        """All stretches of a file have been given."""
        self._header["files"][key] = {"stretches": self._counts.pop(key)}
        if monotonic() - self._begun >= _SHARD_SECONDS:
            self.flush()

    def refuse(self, key: str, reason: Reason, detail: str) -> None:
        """A file that cannot be judged has no features, and need not be tried again."""
        self._counts.pop(key, None)
        self._header["files"][key] = {"refused": [reason, detail]}

    def flush(self) -> None:
        """Write what has been collected."""
        if self._tensors or self._header["files"]:
            self._store.add(save(self._tensors, {"avsync": json.dumps(self._header)}), self._header)
            self._begin()

    def _begin(self) -> None:
        self._tensors: dict[str, Tensor] = {}
        self._header: dict[str, Any] = {"files": {}, "stretches": {}}
        self._begun = monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()


def _header(shard: Path) -> dict[str, Any]:
    try:
        with safe_open(shard, framework="pt") as tensors:
            header: dict[str, Any] = json.loads(tensors.metadata()["avsync"])
            names: Sequence[str] = tensors.keys()
        if not {f"{name}/lips" for name in header["stretches"]} <= set(names):
            raise ValueError(shard)
        return header
    except (SafetensorError, KeyError, TypeError, ValueError, OSError) as error:
        raise UsageError(f"{shard}: damaged; delete it and run avsync extract again") from error

"""Features on disk: written once, read by training, calibration and scoring.

A store is a folder of safetensors shards. The key of a file is the hash of its content (`avsync.files.content_key`), so
a file that is moved or copied keeps its features. The name of the folder is a hash of everything else that features
depend on. A shard's header lists the files that are finished; what a stopped run left unfinished is made again. If a
content is in several shards, the shard that was written last counts.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from torch import Tensor

from avsync.datasets.record import ClipRecord
from avsync.errors import CannotJudge, Reason, UsageError
from avsync.files import write_whole
from avsync.recording import Recording
from avsync.speech import SpeechActivity, Trim

FORMAT = "avsync.features/2"
# The arrays of `Features` under their names in shards. Training reads them by these names (`ClipArrays`).
ARRAYS = {
    "landmarks": "landmarks",
    "lips": "lip_features",
    "speech": "speech_features",
    "speech_share": "speech_share",
}


@dataclass(frozen=True, slots=True)
class Features:
    """Consecutive frames of one face, encoded.

    Attributes:
        track: number of the face track.
        start: presentation time of the first frame of `core` (s).
        box: median box of the face, float [4], in pixels of the upright picture.
        landmarks: float32 [T, 68, 2], in pixels of the upright picture.
        lip_features: [T, Dv]; uint8 [T, 96, 96] of the encoder `mouth`.
        speech_features: [T, Da].
        speech_share: float32 [T], the share of speech in each frame.
        core: the frames of this chunk; the frames around them belong to the chunk before or after it.
    """

    track: int
    start: float
    box: NDArray[np.float64]
    landmarks: Tensor
    lip_features: Tensor
    speech_features: Tensor
    speech_share: Tensor
    core: slice


@dataclass(frozen=True)
class StoredClip:
    """The longest chunk of a file, for training: the arrays that `ARRAYS` names.

    Attributes:
        record: the file's row of the data set.
        shard: the file with the arrays.
        key: of the chunk in the shard.
        core: first and last + 1 of its rows.
    """

    record: ClipRecord
    shard: Path
    key: str
    core: tuple[int, int]

    def frames(self) -> int:
        """T, the number of frames."""
        return self.core[1] - self.core[0]

    def read(self, name: str, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """Rows [start, stop) of one array; nothing else is read."""
        begin, end, _ = slice(start, stop).indices(self.frames())
        with safe_open(self.shard, framework="np") as tensors:
            rows: NDArray[Any] = tensors.get_slice(f"{self.key}/{name}")[self.core[0] + begin : self.core[0] + end]
            return rows


class FeatureStore:
    """The features of one backbone, made in one way.

    Args:
        root: folder of all stores.
        backbone: the key of the backbone.
        trim: what silence is left out.
        faces: the key of the face detector.
        whole: whether frames before the first and after the last speech are included.

    Raises:
        UsageError: a shard is damaged.
    """

    def __init__(self, root: Path, backbone: str, trim: Trim, faces: str, *, whole: bool = False) -> None:
        self.root, self.backbone, self.trim, self.faces, self.whole = root, backbone, trim, faces, whole
        self._settings = {"format": FORMAT, "backbone": backbone, "trim": trim, "faces": faces, "whole": whole}
        self.folder = root / sha256(json.dumps(self._settings).encode()).hexdigest()[:16]
        self._files: dict[str, dict[str, Any]] = {}
        self._chunks: dict[str, tuple[Path, dict[str, Any]]] = {}
        for shard in sorted(self.folder.glob("*.safetensors")):
            self._index(shard, _header(shard))

    def __len__(self) -> int:
        """The number of files it knows."""
        return len(self._files)

    def __contains__(self, key: str) -> bool:
        """Whether the store has the file's features, or the reason why there are none."""
        return key in self._files

    def refusal(self, key: str) -> tuple[Reason, str] | None:
        """Why a file has no features; None if it has."""
        refused = self._files[key].get("refused")
        return (Reason(refused[0]), refused[1]) if refused else None

    def activity(self, key: str) -> SpeechActivity | None:
        """Where somebody speaks in a file; None if that is not known."""
        found = self._files.get(key, {}).get("activity")
        if found is None:
            return None
        return SpeechActivity(**{**found, "segments": np.array(found["segments"], np.float64).reshape(-1, 2)})

    def warnings(self, key: str) -> list[str]:
        """The damage that was met when a file was decoded."""
        return list(self._files.get(key, {}).get("warnings", ()))

    def recall(self, recording: Recording) -> bool:
        """Give a recording its speech activity and warnings, so that its sound need not be decoded.

        Returns:
            False if the store does not know this content or its speech.
        """
        try:
            key = recording.content_key
        except CannotJudge:  # the file cannot be read: opening its sound says so
            return False
        activity = self.activity(key)
        if activity is None:
            return False
        recording.activity = activity
        recording.warnings.extend(self.warnings(key))
        return True

    def read(self, key: str) -> Iterator[Features]:
        """The features of a file, chunk by chunk.

        Raises:
            CannotJudge: the file was refused.
        """
        if refusal := self.refusal(key):
            raise CannotJudge(*refusal)
        for name in self._names(key):
            shard, header = self._chunks[name]
            with safe_open(shard, framework="pt") as tensors:
                arrays = {field: tensors.get_tensor(f"{name}/{stored}") for stored, field in ARRAYS.items()}
            box = np.array(header["box"], np.float64)
            yield Features(track=header["track"], start=header["start"], box=box, core=slice(*header["core"]), **arrays)

    def longest(self, record: ClipRecord, key: str) -> StoredClip:
        """The longest chunk of a file that was not refused."""
        name = max(self._names(key), key=lambda n: int(np.diff(self._chunks[n][1]["core"])[0]))
        shard, header = self._chunks[name]
        return StoredClip(record, shard, name, tuple(header["core"]))

    def add(self, name: str, shard: bytes, header: dict[str, Any]) -> None:
        """Keep one shard, of `StoreWriter`, and its header."""
        path = self.folder / f"{name}.safetensors"
        write_whole(self.folder / "store.json", (json.dumps(self._settings, indent=2) + "\n").encode())
        write_whole(path, shard)
        self._index(path, header)

    def _index(self, shard: Path, header: dict[str, Any]) -> None:
        self._files |= header["files"]
        self._chunks |= {name: (shard, chunk) for name, chunk in header["chunks"].items()}

    def _names(self, key: str) -> list[str]:
        return [f"{key}/{index}" for index in range(self._files[key]["chunks"])]


def _header(shard: Path) -> dict[str, Any]:
    try:
        with safe_open(shard, framework="pt") as tensors:
            header: dict[str, Any] = json.loads(tensors.metadata()["avsync"])
            names: Sequence[str] = tensors.keys()
        if not {f"{chunk}/{stored}" for chunk in header["chunks"] for stored in ARRAYS} <= set(names):
            raise ValueError(shard)
        return header
    except (SafetensorError, KeyError, TypeError, ValueError, OSError) as error:
        raise UsageError(f"{shard}: damaged; delete it and run avsync extract again") from error

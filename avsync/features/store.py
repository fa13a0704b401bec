"""Features on disk: written once, read by training, calibration and scoring.

A store is a folder of safetensors shards. The key of a file is the hash of its content (`avsync.files.content_key`), so
a file that is moved or copied keeps its features. The name of the folder is a hash of everything else that features
depend on. A shard's header lists the files that are finished; what a stopped run left unfinished is made again. If a
content is in several shards, the shard that was written last counts. Headers and arrays have checksums
(`avsync.features.shard`): what is damaged is made again by `extract`, and refused by every other reader.
"""

import json
import logging
from collections.abc import Iterator
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
from avsync.features.shard import Damaged, Header, read_chunk, read_header, to_activity, to_bytes
from avsync.files import write_whole
from avsync.media import FPS
from avsync.recording import Recording
from avsync.speech import SpeechActivity, Trim

FORMAT = "avsync.features/3"

_log = logging.getLogger(__name__)


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

    @property
    def speaker(self) -> str:
        """Who speaks."""
        return self.record.speaker

    @property
    def seconds(self) -> float:
        """The length."""
        return self.frames() / FPS

    @property
    def speech_seconds(self) -> float:
        """The sum of its speech shares; they are read."""
        return float(self.read("speech_share").sum()) / FPS

    def frames(self) -> int:
        """T, the number of frames."""
        return self.core[1] - self.core[0]

    def read(self, name: str, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """Rows [start, stop) of one array; nothing else is read.

        Raises:
            UsageError: the shard is gone or torn.
        """
        begin, end, _ = slice(start, stop).indices(self.frames())
        try:
            with safe_open(self.shard, framework="np") as tensors:
                rows: NDArray[Any] = tensors.get_slice(f"{self.key}/{name}")[self.core[0] + begin : self.core[0] + end]
                return rows
        except (SafetensorError, OSError) as error:
            raise UsageError(f"{self.shard}: gone or damaged; run the same command again") from error


class FeatureStore:
    """The features of one backbone, made in one way.

    Args:
        root: folder of all stores.
        backbone: the key of the backbone.
        trim: what silence is left out.
        faces: the key of the face detector.
        whole: whether frames before the first and after the last speech are included.

    A store with a damaged shard raises UsageError when it is asked for anything, unless `mend` was called.
    """

    def __init__(self, root: Path, backbone: str, trim: Trim, faces: str, *, whole: bool = False) -> None:
        self.root, self.backbone, self.trim, self.faces, self.whole = root, backbone, trim, faces, whole
        self._settings = {"format": FORMAT, "backbone": backbone, "trim": trim, "faces": faces, "whole": whole}
        self.folder = root / sha256(json.dumps(self._settings).encode()).hexdigest()[:16]
        self._files: dict[str, dict[str, Any]] = {}
        self._chunks: dict[str, tuple[Path, dict[str, Any]]] = {}
        self._damaged: list[Path] = []
        for shard in sorted(self.folder.glob("*.safetensors")):
            try:
                self._index(shard, read_header(shard))
            except Damaged:
                self._damaged.append(shard)
        # A shard that was deleted takes chunks with it.
        self._files = {key: file for key, file in self._files.items() if self._has_all_chunks(key, file)}

    def __len__(self) -> int:
        """The number of files it knows."""
        return len(self._known())

    def __contains__(self, key: str) -> bool:
        """Whether the store has the file's features, or the reason why there are none."""
        return key in self._known()

    def mend(self) -> None:
        """Remove damaged shards, so that what they held is made again."""
        for shard in self._damaged:
            _log.warning("%s: damaged; removed, and its features are made again", shard)
            shard.unlink(missing_ok=True)
        self._damaged = []

    def is_intact(self, key: str) -> bool:
        """Whether a file is known and all its features, if it has any, are what was written. Reads them (4 GB/s)."""
        if key not in self:
            return False
        try:
            return self.refusal(key) is not None or all(True for _ in self._read(key))
        except Damaged:
            return False

    def refusal(self, key: str) -> tuple[Reason, str] | None:
        """Why a file has no features; None if it has."""
        refused = self._known()[key].get("refused")
        return (Reason(refused[0]), refused[1]) if refused else None

    def activity(self, key: str) -> SpeechActivity | None:
        """Where somebody speaks in a file; None if that is not known."""
        found = self._known().get(key, {}).get("activity")
        return None if found is None else to_activity(found)

    def warnings(self, key: str) -> list[str]:
        """The damage that was met when a file was decoded."""
        return list(self._known().get(key, {}).get("warnings", ()))

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
            CannotJudge: the file was refused, or its features are damaged.
        """
        if refusal := self.refusal(key):
            raise CannotJudge(*refusal)
        try:
            yield from self._read(key)
        except Damaged as error:
            said = f"the features kept in {self.root} are damaged; run avsync extract again"
            raise CannotJudge(Reason.DAMAGED, said) from error

    def longest(self, record: ClipRecord, key: str) -> StoredClip:
        """The longest chunk of a file that was not refused."""
        name = max(_names(key, self._known()[key]), key=lambda n: int(np.diff(self._chunks[n][1]["core"])[0]))
        shard, header = self._chunks[name]
        return StoredClip(record, shard, name, tuple(header["core"]))

    def add(self, name: str, tensors: dict[str, Tensor], header: Header) -> None:
        """Write one shard, of `StoreWriter`, with its header."""
        path = self.folder / f"{name}.safetensors"
        write_whole(self.folder / "store.json", (json.dumps(self._settings, indent=2) + "\n").encode())
        write_whole(path, to_bytes(tensors, header))
        self._index(path, header)

    def _known(self) -> dict[str, dict[str, Any]]:
        if self._damaged:
            raise UsageError(f"{self._damaged[0]}: damaged; run avsync extract again, or delete the file")
        return self._files

    def _read(self, key: str) -> Iterator[Features]:
        for name in _names(key, self._known()[key]):
            shard, chunk = self._chunks[name]
            arrays = read_chunk(shard, name, chunk["crc32"])
            box = np.array(chunk["box"], np.float64)
            yield Features(track=chunk["track"], start=chunk["start"], box=box, core=slice(*chunk["core"]), **arrays)

    def _index(self, shard: Path, header: Header) -> None:
        self._files |= header["files"]
        self._chunks |= {name: (shard, chunk) for name, chunk in header["chunks"].items()}

    def _has_all_chunks(self, key: str, file: dict[str, Any]) -> bool:
        count = 0 if "refused" in file else file["chunks"]
        return count <= len(self._chunks) and all(name in self._chunks for name in _names(key, file))


def _names(key: str, file: dict[str, Any]) -> list[str]:
    """The names of a file's chunks."""
    return [] if "refused" in file else [f"{key}/{index}" for index in range(file["chunks"])]

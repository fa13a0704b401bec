"""Packed clips as trainings read them: rows of an array, from their place in a tar file, and nothing else.

A training draws the clips of a step by speaker and reads two seconds of each. The index says where they are, so that
every device reads only its own segments, in the same order as from a store (docs/scale.md says why it does not stream).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avsync.datasets.record import REAL_TYPE, ClipRecord
from avsync.errors import UsageError
from avsync.features.packed.index import INDEX, ArrayType, Entry, Index, Making, read_index, row_bytes
from avsync.media import FPS

_MAX_SHARDS = 100_000  # braces that name more are a mistake: 25 TB


@dataclass(frozen=True, slots=True)
class PackedClip:
    """The longest chunk of a file, packed; see `avsync.align.segments.ClipArrays`.

    Attributes:
        record: the clip's row; its path is the tar file.
        entry: where its arrays are.
        arrays: type of each array, by name.
    """

    record: ClipRecord
    entry: Entry
    arrays: dict[str, ArrayType]

    @property
    def key(self) -> str:
        """Identifies the content."""
        return self.entry.key

    @property
    def speaker(self) -> str:
        """Who speaks."""
        return self.record.speaker

    @property
    def seconds(self) -> float:
        """The length."""
        return self.entry.frames / FPS

    @property
    def speech_seconds(self) -> float:
        """The sum of its speech shares."""
        return self.entry.speech_seconds

    def frames(self) -> int:
        """T, the number of frames."""
        return self.entry.frames

    def read(self, name: str, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """Rows [start, stop) of one array; nothing else is read.

        Raises:
            UsageError: the tar file is gone or torn.
        """
        begin, end, _ = slice(start, stop).indices(self.entry.frames)
        array, place = self.arrays[name], list(self.arrays).index(name)
        offset, wanted = self.entry.offsets[place] + begin * row_bytes(array), max(0, end - begin)
        try:
            count = wanted * int(np.prod(array.shape))
            values: NDArray[Any] = np.fromfile(self.record.path, array.dtype, count, offset=offset)
            return values.reshape(wanted, *array.shape)
        except (OSError, ValueError) as error:
            raise UsageError(f"{self.record.path}: gone or torn; run avsync pack again") from error


@dataclass(frozen=True)
class Packed:
    """Packed clips.

    Attributes:
        making: how they were made.
        records: all clips of the tar files, and all that have no features, in the order of the data set.
        clips: those that have features.
    """

    making: Making
    records: list[ClipRecord]
    clips: list[PackedClip]


def is_packed(root: str) -> bool:
    """Whether a `data.root` names tar files, such as `shards/{000000..000041}.tar`."""
    return root.endswith(".tar")


def read_packed(root: str) -> Packed:
    """Find the clips of some tar files in the index beside them.

    Args:
        root: the files, with braces as in WebDataset. All lie in one folder.

    Raises:
        UsageError: a file is missing, torn or not in the index, the index is missing or damaged, or the package
            webdataset is not installed.
    """
    paths = list(_expanded(root))
    folder = paths[0].parent
    index = read_index(folder)
    for path in paths:
        _check(path, folder, index)
    chosen = {path.name for path in paths}
    entries = [entry for entry in index.entries if not entry.key or entry.shard in chosen]
    records = [_record(entry, folder) for entry in entries]
    clips = [
        PackedClip(record, entry, index.arrays) for record, entry in zip(records, entries, strict=True) if entry.key
    ]
    return Packed(index.making, records, clips)


def _expanded(root: str) -> Iterator[Path]:
    try:
        from braceexpand import braceexpand  # WebDataset's, without its variables and pipes
    except ModuleNotFoundError as error:
        raise UsageError(f"tar files need the package '{error.name}': pip install 'avsync[shards]'") from error
    try:
        found = list(islice(braceexpand(root), _MAX_SHARDS + 1))
    except ValueError as error:
        raise UsageError(f"{root}: a brace is missing; write shards/{{000000..000041}}.tar") from error
    if len(found) > _MAX_SHARDS:
        raise UsageError(f"{root}: more than {_MAX_SHARDS} files")
    yield from map(Path, found)


def _check(path: Path, folder: Path, index: Index) -> None:
    if path.parent != folder:
        raise UsageError(f"{path}: all tar files must lie in one folder, beside their {INDEX}")
    if path.name not in index.shards:
        raise UsageError(f"{path}: not in {folder / INDEX}")
    try:
        size = path.stat().st_size
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from error
    if size != index.shards[path.name]:
        raise UsageError(f"{path}: torn; run avsync pack again")


def _record(entry: Entry, folder: Path) -> ClipRecord:
    """The row of a clip. Only real recordings are packed."""
    return ClipRecord(
        path=folder / entry.shard if entry.shard else Path(entry.name),
        name=entry.name,
        label="real",
        type=REAL_TYPE,
        method="real",
        identity=entry.speaker,
        speaker=entry.speaker,
        split=entry.split,
    )

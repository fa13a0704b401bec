"""From a store of features to tar files in the format of WebDataset, with the same bytes whenever they are made.

A sample is a clip: a JSON file that says what it is, and an `.npy` file for each array that a training reads. The tar
files are planned from the sizes of the arrays before any is written, so that a run that was stopped goes on where it
was: a tar file that is there and holds what the plan says is kept.
"""

import json
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib.format import write_array
from numpy.typing import NDArray

from avsync.datasets.record import ClipRecord
from avsync.errors import UsageError
from avsync.features.packed.index import INDEX, ArrayType, Entry, Index, Making, write_index
from avsync.features.shard import ARRAYS
from avsync.features.store import FeatureStore, StoredClip
from avsync.files import unfinished
from avsync.media import FPS

_BLOCK = 512  # bytes of a header of a tar file; a member is filled up to a multiple of it
_MAX_SHARDS = 100_000  # as many as a training takes


@dataclass(frozen=True)
class _Sample:
    """A clip to pack: its name in the tar file, what is said of it, and its arrays."""

    name: str
    said: bytes
    clip: StoredClip


def pack(
    records: Sequence[ClipRecord],
    kept: Sequence[tuple[ClipRecord, str]],
    store: FeatureStore,
    folder: Path,
    making: Making,
    *,
    shard_bytes: int,
    on_progress: Callable[[int, int], None],
) -> Index:
    """Write the longest chunk of each clip into tar files of at most so many bytes, and the index beside them.

    Args:
        records: all clips of the data set, in its order; those without features are listed in the index.
        kept: those that have features, with their keys, as `avsync.features.extract` returns them.
        store: has the features.
        folder: of the tar files; it is made.
        making: what the index says of all clips.
        shard_bytes: of a tar file, at most, unless a single clip is larger.
        on_progress: called with the number of tar files done and of all.

    Raises:
        UsageError: no clip has features, the package webdataset is missing, or the store lost features meanwhile.
    """
    if not kept:
        raise UsageError("no clip has features; nothing to pack")
    types = _types(store.longest(*kept[0]))
    plan = list(_plan(_samples(kept, store, making), types, shard_bytes))
    if len(plan) > _MAX_SHARDS:
        raise UsageError(f"{len(plan)} tar files are too many; choose a larger --shard-mb")
    shards, entries = dict[str, int](), dict[str, Entry]()
    for number, samples in enumerate(plan):
        path = folder / f"{number:06d}.tar"
        found = _members(path, samples, types)
        if found is None:
            (folder / INDEX).unlink(missing_ok=True)  # it would speak of the file before
            _write(path, samples)
            found = _members(path, samples, types)
            assert found is not None
        entries |= {entry.name: entry for entry in found}
        shards[path.name] = path.stat().st_size
        on_progress(number + 1, len(plan))
    listed = [entries.get(record.name) or Entry(record.name, record.speaker, record.split) for record in records]
    index = Index(making, types, shards, listed)
    write_index(folder, index)
    return index


def _samples(kept: Sequence[tuple[ClipRecord, str]], store: FeatureStore, making: Making) -> Iterator[_Sample]:
    for number, (record, key) in enumerate(kept):
        clip = store.longest(record, key)
        said = {
            "name": record.name,
            "speaker": record.speaker,
            "split": record.split,
            "licence": making.licence,
            "content": key,
            "frames": clip.frames(),
            "fps": FPS,
            "speech_seconds": clip.speech_seconds,
        }
        yield _Sample(f"{number:08d}", json.dumps(said, sort_keys=True).encode(), clip)


def _types(clip: StoredClip) -> dict[str, ArrayType]:
    frames = {name: clip.read(name, 0, 1) for name in sorted(ARRAYS)}
    return {name: ArrayType(str(rows.dtype), rows.shape[1:]) for name, rows in frames.items()}


def _plan(samples: Iterator[_Sample], types: dict[str, ArrayType], shard_bytes: int) -> Iterator[list[_Sample]]:
    """The samples of each tar file."""
    waiting, size = list[_Sample](), 0
    for sample in samples:
        more = sum(_BLOCK + -(-length // _BLOCK) * _BLOCK for length in _lengths(sample, types).values())
        if waiting and size + more > shard_bytes:
            yield waiting
            waiting, size = [], 0
        waiting.append(sample)
        size += more
    yield waiting


def _lengths(sample: _Sample, types: dict[str, ArrayType]) -> dict[str, int]:
    """Bytes of each member of a sample, by its name."""
    arrays = {}
    for name, array in types.items():
        header = BytesIO()
        shape = (sample.clip.frames(), *array.shape)
        np.lib.format.write_array_header_1_0(
            header, {"descr": np.dtype(array.dtype).str, "fortran_order": False, "shape": shape}
        )
        arrays[f"{sample.name}.{name}.npy"] = (
            len(header.getvalue()) + int(np.prod(shape)) * np.dtype(array.dtype).itemsize
        )
    return {f"{sample.name}.json": len(sample.said), **arrays}


def _write(path: Path, samples: Sequence[_Sample]) -> None:
    with unfinished(path) as partial, partial.open("wb") as file:
        _write_samples(file, samples)


def _write_samples(file: IO[bytes], samples: Sequence[_Sample]) -> None:
    try:
        from webdataset import TarWriter
    except ModuleNotFoundError as error:
        raise UsageError(f"packing needs the package '{error.name}': pip install 'avsync[shards]'") from error
    with TarWriter(file, user="", group="", mtime=0, encoder=False) as writer:
        for sample in samples:
            arrays = {f"{name}.npy": _npy(sample.clip.read(name)) for name in sorted(ARRAYS)}
            writer.write({"__key__": sample.name, "json": sample.said, **arrays})


def _npy(array: NDArray[Any]) -> bytes:
    content = BytesIO()
    write_array(content, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
    return content.getvalue()


def _members(path: Path, samples: Sequence[_Sample], types: dict[str, ArrayType]) -> list[Entry] | None:
    """Where the arrays of the samples begin in a tar file; None if it is missing or holds something else."""
    wanted = {name: length for sample in samples for name, length in _lengths(sample, types).items()}
    try:
        with tarfile.open(path, "r:") as archive:
            members = {member.name: member for member in archive}
            if {name: member.size for name, member in members.items()} != wanted:
                return None
            for sample in samples:
                said = archive.extractfile(members[f"{sample.name}.json"])
                if said is None or said.read() != sample.said:
                    return None
    except (OSError, tarfile.TarError):
        return None
    return [_entry(path, sample, members, types) for sample in samples]


def _entry(path: Path, sample: _Sample, members: dict[str, tarfile.TarInfo], types: dict[str, ArrayType]) -> Entry:
    record, frames, offsets = sample.clip.record, sample.clip.frames(), []
    for name, array in types.items():
        member = members[f"{sample.name}.{name}.npy"]
        content = frames * int(np.prod(array.shape)) * np.dtype(array.dtype).itemsize
        offsets.append(member.offset_data + member.size - content)
    seconds = json.loads(sample.said)["speech_seconds"]
    names = (record.name, record.speaker, record.split, sample.clip.key, path.name, sample.name)
    return Entry(*names, frames, seconds, tuple(offsets))

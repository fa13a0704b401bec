"""The index beside the tar files: which clips they hold, whose they are, and where in a file their arrays begin.

A file of JSON lines: first how the clips were made, the type of each array and the size of each tar file, then a line
for each clip. A training reads it instead of the tar files to choose, split and shuffle clips.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from math import isfinite, prod
from pathlib import Path
from typing import Any

from avsync.errors import UsageError
from avsync.files import unfinished

FORMAT, INDEX = "avsync.shards/1", "index.jsonl"
SHARD = re.compile(r"\d{6}\.tar")
# Types of arrays that features have; none holds Python objects.
_TYPES = ("uint8", "float16", "float32")
_MAX_ROW = 1 << 20  # values of a frame
# Texts of the first line, and of the others.
_MAKING = ("name", "licence", "features", "faces", "trim")
_ENTRY = ("name", "speaker", "split", "key", "shard", "sample")
_WRONG = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)


@dataclass(frozen=True, slots=True)
class ArrayType:
    """Type and shape of one frame of an array."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Making:
    """What all clips of an index have in common.

    Attributes:
        name: of the data set's folder.
        licence: of the data, in the words of whoever packed it; empty if it was not said.
        features: key of the backbone.
        faces: key of the face detector.
        trim: what silence is left out.
        whole: whether frames before the first and after the last speech are included.
    """

    name: str
    licence: str
    features: str
    faces: str
    trim: str
    whole: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """A clip.

    Attributes:
        name: path below the data set's folder.
        speaker: who speaks.
        split: the part of the data set that its authors assign the clip to; empty if they define none.
        key: of its longest chunk in a store; empty for a clip without features, and so are the next ones.
        shard: name of the tar file.
        sample: its name in the tar file, before the dot.
        frames: T, at 25 per second.
        speech_seconds: sum of the speech shares.
        offsets: where each array begins in the tar file, in the order of `Index.arrays`.
    """

    name: str
    speaker: str
    split: str
    key: str = ""
    shard: str = ""
    sample: str = ""
    frames: int = 0
    speech_seconds: float = 0.0
    offsets: tuple[int, ...] = ()


@dataclass(frozen=True)
class Index:
    """All clips, in the order of the data set.

    Attributes:
        making: what they have in common.
        arrays: type of each array, by name.
        shards: size of each tar file in bytes, by name.
        entries: of the clips.
    """

    making: Making
    arrays: dict[str, ArrayType]
    shards: dict[str, int]
    entries: list[Entry]


def write_index(folder: Path, index: Index) -> None:
    """Write the index of the tar files in a folder; it appears when it is whole."""
    arrays = {name: asdict(array) for name, array in index.arrays.items()}
    head = {"schema": FORMAT, **asdict(index.making), "arrays": arrays, "shards": index.shards}
    with unfinished(folder / INDEX) as partial, partial.open("w", encoding="utf-8") as file:
        for line in (head, *map(_plain, index.entries)):
            file.write(json.dumps(line) + "\n")


def read_index(folder: Path) -> Index:
    """Read an index; every value is of the right kind, and every array lies inside its tar file.

    Raises:
        UsageError: there is none, or it is damaged.
    """
    path = folder / INDEX
    try:
        with path.open(encoding="utf-8") as file:
            head = json.loads(next(file))
            if head["schema"] != FORMAT:
                raise UsageError(f"{path}: not an index of this version of avsync; run avsync pack again")
            arrays = {_text(name): _array(said) for name, said in head["arrays"].items()}
            shards = {_shard(name): _count(size) for name, size in head["shards"].items()}
            name, licence, features, faces, trim = (_text(head[key]) for key in _MAKING)
            making = Making(name, licence, features, faces, trim, _flag(head["whole"]))
            entries = list(_entries(file, arrays, shards))
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be read ({error.strerror}); it lies beside the tar files of avsync pack"
        ) from error
    except (*_WRONG, StopIteration) as error:
        raise UsageError(f"{path}: damaged; run avsync pack again") from error
    return Index(making, arrays, shards, entries)


def row_bytes(array: ArrayType) -> int:
    """Bytes of one frame."""
    return int(array.dtype.removeprefix("uint").removeprefix("float")) // 8 * prod(array.shape)


def _plain(entry: Entry) -> dict[str, Any]:
    """Only what is set: millions of lines are read at the start of a training."""
    said = {name: getattr(entry, name) for name in Entry.__slots__}
    return {name: value for name, value in said.items() if value or name in ("name", "speaker")}


def _entries(lines: Iterator[str], arrays: Mapping[str, ArrayType], shards: Mapping[str, int]) -> Iterator[Entry]:
    bytes_of = [row_bytes(array) for array in arrays.values()]
    for line in lines:
        said = json.loads(line)
        name, speaker, split, key, shard, sample = (_text(said.get(text, "")) for text in _ENTRY)
        frames, speech = _count(said.get("frames", 0)), float(said.get("speech_seconds", 0.0))
        offsets = tuple(map(_count, said.get("offsets", ())))
        entry = Entry(name, speaker, split, key, shard, sample, frames, speech, offsets)
        if entry.key:
            ends = (begin + entry.frames * size for begin, size in zip(entry.offsets, bytes_of, strict=True))
            if not entry.frames or max(ends) > shards[entry.shard] or not isfinite(entry.speech_seconds):
                raise ValueError("outside")
        yield entry


def _array(said: Mapping[str, Any]) -> ArrayType:
    array = ArrayType(said["dtype"], tuple(map(_count, said["shape"])))
    if array.dtype not in _TYPES or not 0 < prod(array.shape) <= _MAX_ROW:
        raise ValueError("array")
    return array


def _shard(name: Any) -> str:
    if not SHARD.fullmatch(name):
        raise ValueError("shard")
    return str(name)


def _text(value: Any) -> str:
    if type(value) is not str:
        raise ValueError("text")
    return value


def _flag(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError("flag")
    return value


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("count")
    return value

"""Files on disk: written whole or not at all, known by what they hold."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from hashlib import file_digest
from pathlib import Path
from time import time
from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    from torch import Tensor

_UNFINISHED = re.compile(r"\.[0-9a-f]{32}\.partial")
# A killed process leaves its unfinished file behind. One that nobody has written to for an hour is removed.
_STALE = 3600.0


@contextmanager
def unfinished(path: Path) -> Iterator[Path]:
    """Yield the name of a file beside `path` to write to; it is renamed to `path` when the context ends well.

    Before, its content is on the disk, so that a power cut leaves the old file or the new one. The folder is made.
    Several processes may write the same file: each has an unfinished one of its own.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_stale(path.parent)
    partial = path.with_name(f".{uuid4().hex}.partial")
    try:
        yield partial
        _sync(partial, os.O_RDWR)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    sync_folder(path.parent)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that appears under its name only when it is whole, as in `unfinished`."""
    with unfinished(path) as partial:
        partial.write_bytes(content)


def write_pair(first: Path, content: bytes, second: Path, describes: bytes) -> None:
    """Write a file, and another that describes it.

    A kill at any moment leaves the old pair, the new pair, or the new first file beside `upcoming(second)`, which a
    reader then takes in place of `second`.
    """
    write_whole(upcoming(second), describes)
    write_whole(first, content)
    with suppress(FileNotFoundError):  # a reader may have done it
        upcoming(second).replace(second)
    sync_folder(second.parent)


def upcoming(path: Path) -> Path:
    """The name of a file that is whole, and takes the place of `path` when the file that it describes is there."""
    return path.with_name(f".{path.name}.next")


def sync_folder(folder: Path) -> None:
    """Put the names in a folder on the disk, where the system can do that."""
    with suppress(OSError):
        _sync(folder, os.O_RDONLY)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@cache  # once for each folder and process
def _remove_stale(folder: Path) -> None:
    """Remove unfinished files of processes that were killed; no other file has such a name."""
    with suppress(OSError):
        for path in folder.glob(".*.partial"):
            if _UNFINISHED.fullmatch(path.name) and path.lstat().st_mtime < time() - _STALE:
                path.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """The sha256 of a file's content, in hex."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def content_key(sha256: str, audio_sha256: str | None = None) -> str:
    """The key of a recording in caches, made of the hash of its file, and of its sound where that is a file too."""
    return sha256 if audio_sha256 is None else f"{sha256}-{audio_sha256}"


def all_finite(tensor: "Tensor") -> bool:
    """True if all values are finite. aminmax() propagates NaN, so two values suffice: ten times as fast as isfinite."""
    return not tensor.numel() or all(bool(bound.isfinite()) for bound in tensor.aminmax())

"""The sha256 of files, remembered on disk, so that a file is read for it once."""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from avsync.errors import unreadable
from avsync.files import sha256_of

_SHA256 = re.compile("[0-9a-f]{64}")


class FileHash(NamedTuple):
    """The sha256 of a file that had this size and was last changed at this time."""

    path: str
    size: int
    mtime_ns: int
    sha256: str


class HashCache:
    """Hashes of files by path, a JSON line for each. Several processes may append to the same file.

    Args:
        file: where the hashes are kept. Lines that cannot be read, such as one that a killed run did not finish, are
            ignored; of several lines for a path the last counts.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        lines = file.read_bytes().splitlines() if file.exists() else []
        self._hashes = {known.path: known for known in map(_parsed, lines) if known}

    def get(self, path: Path) -> FileHash | None:
        """The hash of a file, if it is known and the file still has its size and time of change."""
        known = self._hashes.get(str(path.absolute()))
        try:
            return known if known is not None and known[:3] == _state(path)[:3] else None
        except OSError:
            return None

    def add(self, hashes: Iterable[FileHash]) -> None:
        """Keep hashes."""
        new = {found.path: found for found in hashes}
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("a") as file:
            # A line break comes first, so that an unfinished last line does not spoil the next one.
            file.write("".join("\n" + json.dumps(found) for found in new.values()))
        self._hashes |= new


def hash_file(path: Path) -> FileHash:
    """Read a file for its hash.

    Raises:
        CannotJudge: `unreadable`.
    """
    try:
        return _state(path)._replace(sha256=sha256_of(path))
    except OSError as error:
        raise unreadable(path, error) from error


def _state(path: Path) -> FileHash:
    """A file's size and time of change, without its hash."""
    found = path.stat()
    return FileHash(str(path.absolute()), found.st_size, found.st_mtime_ns, "")


def _parsed(line: bytes) -> FileHash | None:
    try:
        path, size, mtime_ns, sha256 = json.loads(line)
        return FileHash(str(path), int(size), int(mtime_ns), sha256) if _SHA256.fullmatch(sha256) else None
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None

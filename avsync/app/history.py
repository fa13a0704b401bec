"""Verdicts that stay when the app ends: one table in an SQLite file, written only with `--keep`."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from avsync.errors import UsageError

if TYPE_CHECKING:
    from avsync.score.verdict import Verdict

# Marks the file as ours ("avsy"), and the layout of the table.
_APPLICATION, _LAYOUT = 0x61767379, 1
_TABLE = "CREATE TABLE verdicts (id TEXT PRIMARY KEY, name TEXT, finished REAL, verdict TEXT)"


@dataclass(frozen=True, slots=True)
class Kept:
    """A verdict of an earlier session; `finished` is in seconds since 1970."""

    id: str
    name: str
    finished: float
    verdict: "Verdict"


class History:
    """The verdicts of all sessions. Several threads may use it."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it.

        Raises:
            UsageError: it cannot be read or written, or is something else.
        """
        self._path, self._lock = path, Lock()
        try:
            # The file names people's recordings: nobody else may read it.
            path.touch(mode=0o600)
            self._base = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._open()
        except (OSError, sqlite3.Error) as error:
            raise UsageError(f"--keep {path}: cannot be used as a history ({error})") from error

    def add(self, kept: Kept) -> None:
        """Keep a verdict."""
        row = (kept.id, kept.name, kept.finished, json.dumps(kept.verdict.to_dict()))
        with self._lock:
            self._base.execute("INSERT INTO verdicts VALUES (?, ?, ?, ?)", row)

    def remove(self, id_: str) -> None:
        """Forget a verdict, if it is there."""
        with self._lock:
            self._base.execute("DELETE FROM verdicts WHERE id = ?", (id_,))

    def all(self) -> Iterator[Kept]:
        """Yield the verdicts in the order they were made; those of another version of avsync are left out."""
        from avsync.score.verdict import Verdict

        with self._lock:
            rows = self._base.execute("SELECT id, name, finished, verdict FROM verdicts ORDER BY finished").fetchall()
        for id_, name, finished, text in rows:
            try:
                yield Kept(id_, name, finished, Verdict.from_dict(json.loads(text)))
            except ValueError:
                continue

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._base.close()

    def _open(self) -> None:
        with closing(self._base.cursor()) as cursor:
            (application,) = cursor.execute("PRAGMA application_id").fetchone()
            (layout,) = cursor.execute("PRAGMA user_version").fetchone()
            (tables,) = cursor.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            if (application, layout, tables) == (0, 0, 0):
                cursor.execute("BEGIN IMMEDIATE")
                cursor.execute(_TABLE)
                cursor.execute(f"PRAGMA application_id = {_APPLICATION}")
                cursor.execute(f"PRAGMA user_version = {_LAYOUT}")
                cursor.execute("COMMIT")
            elif (application, layout) != (_APPLICATION, _LAYOUT):
                raise UsageError(f"--keep {self._path}: the file is no history of avsync app")
            # What is removed is overwritten, not only forgotten.
            cursor.execute("PRAGMA secure_delete = ON")

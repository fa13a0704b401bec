"""Reports that grow while files are judged, and go on after a stop.

Beside a report x.csv lies x.csv.resume, with a line of JSON for each file in it: the file, its size and time, and where
its rows end. What lies beyond the last such end was cut off by the stop, and is cut away.
"""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any

from avsync.errors import Reason, UsageError
from avsync.files import write_whole
from avsync.report.csv import csv_columns, csv_header, csv_rows
from avsync.report.jsonl import to_line
from avsync.score.verdict import Verdict

_SCHEMA = "avsync.resume/1"
SUFFIXES = (".jsonl", ".csv")
# Refusals that are not about the file alone: the next run may have more time or memory, or another avsync.
PASSING = (Reason.TIMED_OUT, Reason.OUT_OF_MEMORY, Reason.CRASHED)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A file in the report; `size` and `mtime_ns` tell whether it is still the same. Its rows end at byte `end`."""

    path: str
    size: int
    mtime_ns: int
    judged: bool
    again: bool  # whether the next run may be able to judge it
    end: int


class ReportStream:
    """A report of the name `path`, .csv or .jsonl. Use it in a `with` statement."""

    def __init__(
        self,
        path: Path,
        checks: Iterable[str],
        readings: Iterable[str],
        settings: Mapping[str, Any],
        *,
        resume: bool = False,
    ) -> None:
        """Begin the report, or with `resume` go on with it, if there is one.

        Args:
            path: of the report.
            checks, readings: their names, for the columns of a table.
            settings: what makes verdicts comparable, as plain data.
            resume: keep what the report has.

        Raises:
            UsageError: the report cannot be written, or cannot be resumed: it has other settings.
        """
        columns = csv_columns(checks, readings)
        is_csv = path.suffix.lower() == ".csv"
        self._head = csv_header(columns).encode() if is_csv else b""
        self._to_text: Callable[[Verdict], str] = (lambda verdict: csv_rows(verdict, columns)) if is_csv else to_line
        self._path, self._log_path = path, path.with_name(f"{path.name}.resume")
        self._settings = dict(settings)
        self._first = {"schema": _SCHEMA, "settings": self._settings, "columns": columns if is_csv else []}
        self._identities: dict[str, tuple[int, int]] = {}
        self._end = 0
        self._files: list[FileIO] = []
        self._entries = self._read() if resume and path.exists() else []

    def missing(self, paths: Iterable[Path]) -> list[Path]:
        """Return the files that are to be judged, and prepare the report for them.

        The rows of files that have changed, took too long or too much memory or crashed their worker are removed.

        Raises:
            UsageError: the report cannot be written.
        """
        self._identities = {str(path): identity(path) for path in paths}
        kept = [entry for entry in self._entries if self._stays(entry)]
        try:
            self._rewrite(kept)
            self._files = [FileIO(path, "ab") for path in (self._path, self._log_path)]
        except OSError as error:
            raise self._cannot_write(error) from error
        have = {entry.path for entry in kept}
        return [Path(path) for path in self._identities if path not in have]

    @property
    def all_judged(self) -> bool:
        """Whether every file that was asked for and is in the report could be judged."""
        return all(entry.judged for entry in self._entries if entry.path in self._identities)

    def add(self, verdict: Verdict) -> None:
        """Write a verdict, and hand it to the operating system at once.

        Raises:
            UsageError: it cannot be written. What was written before stays whole.
        """
        # File names of other systems may hold bytes that are no text.
        text = self._to_text(verdict).encode(errors="backslashreplace")
        size, mtime_ns = self._identities.get(verdict.path, (-1, 0))
        report, log = self._files
        end = self._end + len(text)
        judged, again = verdict.verdict != "cannot_judge", verdict.reason in PASSING
        entry = _Entry(verdict.path, size, mtime_ns, judged, again, end)
        try:
            append(report, text)
            append(log, _line(asdict(entry)))
        except OSError as error:
            raise self._cannot_write(error) from error
        self._end = end
        self._entries.append(entry)

    def __enter__(self) -> "ReportStream":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._files:
            file.close()

    def _stays(self, entry: _Entry) -> bool:
        """Whether the rows of a file stay in the report: those of files that were not asked for do."""
        if entry.path not in self._identities:
            return True
        return not entry.again and self._identities[entry.path] == (entry.size, entry.mtime_ns)

    def _read(self) -> list[_Entry]:
        """The files of the report as it is, up to the first that is not whole."""
        try:
            first, *lines = self._log_path.read_bytes().splitlines(keepends=True)
            given = json.loads(first)
            before = given["settings"]
            changed = [name for name, value in self._settings.items() if before.get(name) != value]
            if given != self._first and not changed:
                changed = ["columns"]
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise UsageError(
                f"{self._path}: cannot be resumed without {self._log_path.name}, which is written beside it; leave out "
                "--resume to begin anew"
            ) from error
        if changed:
            raise UsageError(
                f"{self._path}: was written with other settings (changed: {', '.join(changed)}); choose another file, "
                "or leave out --resume to begin anew"
            )
        entries, size = list[_Entry](), self._path.stat().st_size
        with suppress(ValueError, TypeError):
            for line in lines:
                entry = _Entry(**json.loads(line))
                if entry.end > size or not line.endswith(b"\n"):
                    break
                entries.append(entry)
        return entries

    def _rewrite(self, kept: list[_Entry]) -> None:
        """Write the report anew with the rows of the files `kept` only."""
        old = self._path.read_bytes() if kept else b""
        begins = [len(self._head), *(entry.end for entry in self._entries)]
        starts = {entry.path: begin for entry, begin in zip(self._entries, begins, strict=False)}
        if len(kept) < len(self._entries):
            self._log_path.unlink()  # it does not describe the new report; stopped here, a run cannot be resumed
        content, self._entries = self._head, []
        for entry in kept:
            content += old[starts[entry.path] : entry.end]
            self._entries.append(replace(entry, end=len(content)))
        lines = [_line(self._first), *(_line(asdict(entry)) for entry in self._entries)]
        self._end = len(content)
        for path, whole in ((self._path, content), (self._log_path, b"".join(lines))):
            write_whole(path, whole)

    def _cannot_write(self, error: OSError) -> UsageError:
        return UsageError(f"{self._path}: cannot be written ({error.strerror})")


def append(file: FileIO, content: bytes) -> None:
    """Append to a file; if that fails or is interrupted, the file stays as it was."""
    before = file.seek(0, os.SEEK_END)
    rest = memoryview(content)
    try:
        while rest:
            rest = rest[file.write(rest) :]
    except BaseException:
        with suppress(OSError):
            file.truncate(before)
        raise


def _line(data: dict[str, Any]) -> bytes:
    return json.dumps(data).encode() + b"\n"


def identity(path: Path) -> tuple[int, int]:
    """Return the size (bytes) and the time of change (ns) of a file; (-1, 0) if it cannot be looked at."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return -1, 0
    return status.st_size, status.st_mtime_ns

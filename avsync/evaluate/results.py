"""The results of single clips: rows of a CSV file that may be cut off at any time and taken up again."""

import csv
import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from avsync.errors import UsageError
from avsync.files import write_whole


@dataclass(frozen=True, slots=True)
class Settings:
    """What makes verdicts comparable: rows of other settings never mix."""

    model: str
    weights_sha256: str
    trim: str
    level: float


@dataclass(frozen=True, slots=True)
class ClipResult:
    """One row of `clips.csv`.

    `bytes` is the size of the file, -1 when it is missing. `oddness` ranks clips: high is fake.
    `leading_silence` and `duration` are in seconds. NaN is an empty cell.
    """

    path: str
    label: str
    type: str
    method: str
    identity: str
    bytes: int
    verdict: str
    reason: str
    detail: str
    p_value: float
    oddness: float
    leading_silence: float
    duration: float

    @property
    def judged(self) -> bool:
        """Whether there is a score."""
        return not math.isnan(self.oddness)

    @property
    def fake(self) -> bool:
        """Whether the data set says that the clip is fake."""
        return self.label == "fake"

    def to_row(self) -> list[str]:
        """The cells, floats to the last digit."""
        values = (getattr(self, field.name) for field in fields(self))
        return ["" if isinstance(value, float) and math.isnan(value) else str(value) for value in values]

    @classmethod
    def from_row(cls, cells: list[str]) -> Self:
        """Read what `to_row` gave.

        Raises:
            ValueError: a cell is missing or no number.
        """
        parse: dict[Any, Any] = {str: str, int: int, float: lambda cell: float(cell or "nan")}
        return cls(*(parse[field.type](cell) for field, cell in zip(fields(cls), cells, strict=True)))


_HEADER = [field.name for field in fields(ClipResult)]


class ResultsFile:
    """`clips.csv` and `settings.json` in a folder."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        """Open or begin the folder.

        Raises:
            UsageError: it holds results of other settings, or something else, or cannot be written.
        """
        self._folder, self._settings = folder, settings
        self._table = folder / "clips.csv"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if self._table.exists():
                self._check_settings()
                _drop_torn_line(self._table)
            else:
                write_json(folder / "settings.json", asdict(settings))
        except OSError as error:
            raise UsageError(f"{folder}: cannot be written ({error.strerror})") from error

    def read(self) -> dict[str, ClipResult]:
        """The rows so far by path; the last row of a path counts.

        Raises:
            UsageError: the table was not written by this version.
        """
        if not self._table.exists():
            return {}
        with self._table.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            try:
                header, *rows = list(csv.reader(file)) or [_HEADER]
                results = [ClipResult.from_row(row) for row in rows]
            except (ValueError, csv.Error) as error:
                raise self._foreign("holds a table that cannot be read") from error
        if header != _HEADER:
            raise self._foreign("holds a table of another version")
        return {result.path: result for result in results}

    @contextmanager
    def appending(self) -> Iterator[Callable[[ClipResult], None]]:
        """Yields what adds a row; the row is handed to the system at once."""
        with self._table.open("a", newline="", encoding="utf-8", errors="surrogateescape") as file:
            writer = csv.writer(file, lineterminator="\n")
            if file.tell() == 0:
                writer.writerow(_HEADER)

            def add(result: ClipResult) -> None:
                writer.writerow(result.to_row())
                file.flush()

            yield add

    def _check_settings(self) -> None:
        path = self._folder / "settings.json"
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise self._foreign("holds results of unknown settings") from error
        now = asdict(self._settings)
        changed = [name for name in now if not isinstance(before, dict) or before.get(name) != now[name]]
        if changed:
            raise self._foreign(f"holds results of other settings ({', '.join(changed)} changed)")

    def _foreign(self, what: str) -> UsageError:
        return UsageError(f"{self._folder} {what}; give another folder, or remove this one")


def write_json(path: Path, data: Any) -> None:
    """Write a JSON file that appears under its name only when it is whole."""
    write_whole(path, (json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())


def _drop_torn_line(table: Path) -> None:
    """A process killed while it wrote leaves a last line without an end: take it away."""
    with table.open("r+b") as file:
        file.truncate(file.read().rfind(b"\n") + 1)

"""A report as a folder of Parquet parts, which grows while files are judged, and goes on after a stop.

A part appears whole. Verdicts that are in no part yet lie in a journal, a line of JSON each: a run that is killed loses
none, and the next one makes a part of what it left. The rows are the index: path, size and time of change tell whether
a file was judged, and the sha256 whether its content was. Parts of several runs or machines may lie in one folder.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from io import FileIO
from pathlib import Path
from time import monotonic, time_ns
from types import TracebackType
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from avsync.errors import CannotJudge, UsageError
from avsync.files import unfinished
from avsync.report.parquet import row, schema, to_part
from avsync.report.stream import PASSING, append, identity
from avsync.score.verdict import Verdict

if TYPE_CHECKING:
    import pyarrow

SUFFIX = ".parquet"
_SETTINGS = b"avsync"  # in the metadata of each part
# A part is written with so many rows, or after so many seconds.
_ROWS, _SECONDS = 1000, 60.0
_FOREIGN = "no part of a report of avsync, or damaged; remove it, or choose another name"
_KEY = ("path", "size", "mtime_ns", "sha256", "verdict", "reason")


@dataclass(frozen=True, slots=True)
class _Row:
    """What the row of a file tells of it, and the part that it is in."""

    part: Path
    size: int
    mtime_ns: int
    sha256: str
    judged: bool
    again: bool  # whether the next run may be able to judge it


class PartsStream:
    """A report in the folder `folder`, whose name ends in .parquet. Use it in a `with` statement."""

    def __init__(
        self, folder: Path, checks: Iterable[str], settings: Mapping[str, Any], *, resume: bool = False
    ) -> None:
        """Begin the report, or with `resume` go on with it, if there is one.

        Args:
            folder: of the parts; it is made if there is none.
            checks: their names, for the columns.
            settings: what makes verdicts comparable, as plain data.
            resume: keep what the report has.

        Raises:
            UsageError: pyarrow is missing, the folder cannot be written, or it holds a report of other settings, or one
                that is not to be resumed.
        """
        self._folder = folder
        told = json.dumps(dict(settings), sort_keys=True).encode()
        self._schema = schema(checks).with_metadata({_SETTINGS: told})
        self._verdicts: list[tuple[Verdict, int, int]] = []
        self._begun = monotonic()
        self._identities: dict[str, tuple[int, int]] = {}
        self._rows: dict[str, _Row] = {}
        self._journal: FileIO | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not resume and (any(folder.glob(f"*{SUFFIX}")) or any(folder.glob(".*.journal"))):
                raise UsageError(f"{folder}: holds a report; --resume goes on with it, or choose another name")
            self._read()
            self._recover()
        except OSError as error:
            raise self._cannot_write(error) from error

    def missing(self, paths: Iterable[Path]) -> list[Path]:
        """Return the files that are to be judged, and prepare the report for them.

        The rows of files that have changed, took too long or too much memory or crashed their worker are removed. A
        file whose content has a row under another name gets a row of its own, and is not judged.

        Raises:
            UsageError: the report cannot be written.
        """
        asked = {_spelt(str(path)): path for path in paths}
        self._identities = {name: identity(path) for name, path in asked.items()}
        try:
            self._remove([path for path in self._identities if path in self._rows and not self._stays(path)])
            self._open_journal()
        except OSError as error:
            raise self._cannot_write(error) from error
        return [path for name, path in asked.items() if name not in self._rows and not self._copied(path)]

    @property
    def all_judged(self) -> bool:
        """Whether every file that was asked for and is in the report could be judged."""
        return all(row.judged for path, row in self._rows.items() if path in self._identities)

    def add(self, verdict: Verdict) -> None:
        """Keep a verdict: it is in the journal when this returns, and in a part later.

        Raises:
            UsageError: it cannot be written. What was written before stays.
        """
        assert self._journal is not None
        size, mtime_ns = self._identities.get(_spelt(verdict.path), (-1, 0))
        line = json.dumps({"size": size, "mtime_ns": mtime_ns, "verdict": verdict.to_dict()}) + "\n"
        try:
            append(self._journal, line.encode())
            self._verdicts.append((verdict, size, mtime_ns))
            self._note(verdict, size, mtime_ns, self._folder)
            if len(self._verdicts) >= _ROWS or monotonic() - self._begun >= _SECONDS:
                self._flush()
        except OSError as error:
            raise self._cannot_write(error) from error

    def __enter__(self) -> "PartsStream":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._journal is not None:
            try:
                self._flush()
            except OSError as problem:
                if error is None:
                    raise self._cannot_write(problem) from problem
            else:
                Path(str(self._journal.name)).unlink(missing_ok=True)
            self._journal.close()

    def _read(self) -> None:
        """Note the rows of all parts."""
        import pyarrow.parquet as pq
        from pyarrow import ArrowInvalid

        for part in sorted(self._folder.glob(f"*{SUFFIX}")):
            try:
                file = pq.ParquetFile(part)
                told = (file.schema_arrow.metadata or {}).get(_SETTINGS)
                columns = file.read(list(_KEY)).to_pydict()
            except (ArrowInvalid, KeyError) as error:
                raise UsageError(f"{part}: {_FOREIGN}") from error
            if told is None:
                raise UsageError(f"{part}: {_FOREIGN}")
            if told != self._schema.metadata[_SETTINGS]:
                changed = _changed(told, self._schema.metadata[_SETTINGS])
                raise UsageError(f"{part}: was written with other settings ({changed}); choose another name")
            for path, size, mtime_ns, sha256, verdict, reason in zip(*(columns[key] for key in _KEY), strict=True):
                judged, again = verdict != "cannot_judge", reason in PASSING
                self._rows[path] = _Row(part, size, mtime_ns, sha256, judged, again)

    def _recover(self) -> None:
        """Make a part of what killed runs left. The journal of a run that goes on is locked."""
        for path in self._folder.glob(".*.journal"):
            with path.open("rb") as file:
                if not _locked(file.fileno()):
                    continue
                for verdict, size, mtime_ns in _lines(file):
                    known = self._rows.get(_spelt(verdict.path))
                    if known is None or (known.size, known.mtime_ns) != (size, mtime_ns):
                        self._verdicts.append((verdict, size, mtime_ns))
                        self._note(verdict, size, mtime_ns, self._folder)
                self._flush()
                path.unlink()

    def _note(self, verdict: Verdict, size: int, mtime_ns: int, part: Path) -> None:
        judged, again = verdict.verdict != "cannot_judge", verdict.reason in PASSING
        self._rows[_spelt(verdict.path)] = _Row(part, size, mtime_ns, verdict.sha256, judged, again)

    def _stays(self, path: str) -> bool:
        known = self._rows[path]
        return not known.again and self._identities[path] == (known.size, known.mtime_ns)

    def _remove(self, paths: list[str]) -> None:
        """Write the parts that hold rows of these files without them."""
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        for part in {self._rows.pop(path).part for path in paths}:
            table = pq.read_table(part)
            self._write(table.filter(pc.invert(pc.is_in(table["path"], value_set=_strings(paths)))), part)

    def _copied(self, path: Path) -> bool:
        """Whether the content of a file has a row already; then it gets one of its own."""
        if not self._rows:
            return False
        from avsync.features.hashes import hash_file  # imports PyTorch

        try:
            sha256 = hash_file(path).sha256
        except CannotJudge:
            return False
        known = next((one for one in self._rows.values() if one.sha256 == sha256 and not one.again), None)
        verdict = None if known is None else self._stored(known)
        if verdict is not None:
            self.add(replace(verdict, path=str(path)))
        return verdict is not None

    def _stored(self, known: _Row) -> Verdict | None:
        import pyarrow.parquet as pq

        if known.part == self._folder:  # of this run: it is in no part yet
            return next((verdict for verdict, *_ in self._verdicts if verdict.sha256 == known.sha256), None)
        found = pq.read_table(known.part, columns=["json"], filters=[("sha256", "=", known.sha256)])
        with suppress(ValueError, IndexError):
            return Verdict.from_dict(json.loads(found["json"][0].as_py()))
        return None

    def _open_journal(self) -> None:
        path = self._folder / f".{uuid4().hex}.journal"
        self._journal = FileIO(path, "ab")
        _locked(self._journal.fileno())

    def _flush(self) -> None:
        """Make a part of the verdicts that are in none, and empty the journal."""
        if self._verdicts:
            table = to_part([row(*one) for one in self._verdicts], self._schema)
            part = self._folder / f"part-{time_ns()}-{uuid4().hex[:8]}{SUFFIX}"
            self._write(table, part)
            for verdict, size, mtime_ns in self._verdicts:
                self._note(verdict, size, mtime_ns, part)
            self._verdicts = []
            if self._journal is not None:
                self._journal.truncate(0)
        self._begun = monotonic()

    def _write(self, table: "pyarrow.Table", part: Path) -> None:
        import pyarrow.parquet as pq

        if not len(table):
            part.unlink()
            return
        with unfinished(part) as partial:
            pq.write_table(table, partial, compression="zstd")

    def _cannot_write(self, error: OSError) -> UsageError:
        return UsageError(f"{self._folder}: cannot be written ({error.strerror})")


def _lines(lines: Iterable[bytes]) -> Iterator[tuple[Verdict, int, int]]:
    """The verdicts of a journal, up to the first line that is not whole."""
    with suppress(ValueError, LookupError, TypeError):
        for line in lines:
            said = json.loads(line)
            yield Verdict.from_dict(said["verdict"]), int(said["size"]), int(said["mtime_ns"])


def _locked(descriptor: int) -> bool:
    """Lock a file until it is closed, if nobody else has; return whether it is ours."""
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _strings(values: list[str]) -> Any:
    import pyarrow as pa

    return pa.array(values, pa.string())


def _spelt(path: str) -> str:
    """A path as its row has it."""
    return path.encode(errors="backslashreplace").decode()


def _changed(before: bytes, now: bytes) -> str:
    theirs, ours = json.loads(before), json.loads(now)
    return "changed: " + ", ".join(name for name in ours if theirs.get(name) != ours[name])

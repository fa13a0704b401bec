"""The CSV table."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from io import StringIO
from typing import Any

from avsync.score.verdict import CheckResult, CheckScore, Segment, Standout, TrackVerdict, Verdict

_NESTED = ("checks", "tracks", "artefacts", "figures", "standout", "box", "segments")
FILE_COLUMNS = ("schema", *(field.name for field in fields(Verdict) if field.name not in _NESTED))
BOX = ("box_left", "box_top", "box_right", "box_bottom")
# A field of the face that the file has too is prefixed.
FACE_COLUMNS = {
    field.name: f"track_{field.name}" if field.name in FILE_COLUMNS else field.name
    for field in fields(TrackVerdict)
    if field.name not in _NESTED
}
STANDOUT = ("standout", "standout_check", "standout_p_value")
_FIRST_COLUMNS = (*FILE_COLUMNS, *STANDOUT, *FACE_COLUMNS.values(), *BOX, "segments", "recording_segments")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

DOCS = """\
One row for each face of each file; a file without faces has one row with empty face columns.
Columns are named as the fields of the JSON document: first those of the file ("warnings" joined with "; "), then those
of the face, with "track_" before a name that the file has too, such as track_p_value. Nested fields become columns:
standout, "start-end" in seconds of the stretch that stands out most, with standout_check and standout_p_value;
box_left, box_top, box_right, box_bottom; segments, those of the face, "start-end" in seconds joined with "; ";
recording_segments, those of checks of the recording as a whole, such as the voice; for each check
check_<name>_anomaly_score, check_<name>_p_value and check_<name>_reason (why it has no answer); for each reading
reading_<name>_value, reading_<name>_percentile and reading_<name>_p_value. Windows are in the JSON document only.
Text that a spreadsheet would take for a formula begins with an apostrophe.
"""


def to_csv(verdicts: Sequence[Verdict]) -> str:
    """Return one CSV table (RFC 4180) with a header, as `DOCS` describes it."""
    rows, columns = table(verdicts)
    return csv_header(columns) + _written(rows, columns)


def table(verdicts: Sequence[Verdict]) -> tuple[list[dict[str, Any]], list[str]]:
    """Return a row of cells by column for each face of each file, and all columns; a cell may be missing."""
    rows = [row for verdict in verdicts for row in _rows(verdict)]
    nested = [dict.fromkeys(name for row in rows for name in row if name.startswith(p)) for p in ("check_", "reading_")]
    return rows, [*_FIRST_COLUMNS, *nested[0], *nested[1]]


def csv_columns(checks: Iterable[str], readings: Iterable[str]) -> list[str]:
    """Return the columns of a table that is written before all its verdicts are known."""
    of_checks = [f"check_{name}_{what}" for name in checks for what in ("anomaly_score", "p_value", "reason")]
    of_readings = [f"reading_{name}_{what}" for name in readings for what in ("value", "percentile", "p_value")]
    return [*_FIRST_COLUMNS, *of_checks, *of_readings]


def csv_header(columns: Sequence[str]) -> str:
    """Return the first line of a table with these columns."""
    return _written([dict(zip(columns, columns, strict=True))], columns)


def csv_rows(verdict: Verdict, columns: Sequence[str]) -> str:
    """Return the rows of one verdict in a table with these columns."""
    return _written(_rows(verdict), columns)


def _written(rows: Iterable[dict[str, Any]], columns: Sequence[str]) -> str:
    text = StringIO()
    csv.DictWriter(text, columns).writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def _rows(verdict: Verdict) -> Iterator[dict[str, Any]]:
    cells = {name: value for name, value in verdict.to_dict().items() if name in FILE_COLUMNS}
    if (found := verdict.standout) is not None:
        cells |= dict(zip(STANDOUT, (_spans([found]), found.check, found.p_value), strict=True))
    cells["warnings"] = "; ".join(verdict.warnings)
    cells["recording_segments"] = _spans([s for check in verdict.checks.values() for s in check.segments])
    if not verdict.tracks:
        yield {**cells, **_checks(verdict.checks, verdict)}
    for track in verdict.tracks:
        yield {**cells, **_track(track), **_checks(track.checks, verdict)}


def _track(track: TrackVerdict) -> dict[str, Any]:
    cells = {column: getattr(track, name) for name, column in FACE_COLUMNS.items()}
    cells.update(zip(BOX, track.box, strict=True))
    cells["segments"] = _spans(track.segments)
    return cells


def _spans(segments: Sequence[Segment | Standout]) -> str:
    return "; ".join(f"{segment.start:.2f}-{segment.end:.2f}" for segment in segments)


def _checks(scores: Mapping[str, CheckScore | CheckResult], verdict: Verdict) -> dict[str, Any]:
    """Return the cells of every check and reading: of the face, else of the recording as a whole."""
    cells: dict[str, Any] = {}
    of_faces = {name for track in verdict.tracks for name in track.checks}
    of_file = {name: check for name, check in verdict.checks.items() if name not in of_faces}
    for name, score in {**of_file, **scores}.items():
        cells[f"check_{name}_anomaly_score"] = score.anomaly_score
        cells[f"check_{name}_p_value"] = score.p_value
        reason = verdict.checks[name].reason if name in verdict.checks else None
        cells[f"check_{name}_reason"] = reason
        for reading, taken in score.readings.items():
            # Two checks may take the same reading, of the face and of the whole recording: that of the face counts.
            cells.setdefault(f"reading_{reading}_value", taken.value)
            cells.setdefault(f"reading_{reading}_percentile", taken.percentile)
            cells.setdefault(f"reading_{reading}_p_value", taken.p_value)
    return cells


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value

"""The CSV table."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import fields
from io import StringIO
from typing import Any

from avsync.score.verdict import TrackVerdict, Verdict

_FILE_COLUMNS = ("schema", *(field.name for field in fields(Verdict) if field.name != "tracks"))
_NESTED = ("box", "readings", "aspects", "segments")
_BOX = ("box_left", "box_top", "box_right", "box_bottom")
# The face's own column where the file has one of that name too.
_FACE_COLUMNS = {
    field.name: f"track_{field.name}" if field.name in _FILE_COLUMNS else field.name
    for field in fields(TrackVerdict)
    if field.name not in _NESTED
}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

DOCS = """\
One row for each face of each file; a file without faces has one row, its face columns empty.
Columns are named as the fields of the JSON document: first those of the file ("warnings" joined with "; "), then
those of the face, with "track_" before a name that the file has too, such as track_p_value. The rest is flattened:
box_left, box_top, box_right, box_bottom; segments, "start-end" in seconds joined with "; "; for each aspect
aspect_<name>_p_value; and for each reading reading_<name>_value, reading_<name>_percentile, reading_<name>_p_value.
Text that a spreadsheet would take for a formula begins with an apostrophe.
"""


def to_csv(verdicts: Sequence[Verdict]) -> str:
    """One CSV table (RFC 4180) with a header, as `DOCS` describes it."""
    rows = [row for verdict in verdicts for row in _rows(verdict)]
    readings = dict.fromkeys(name for row in rows for name in row if name.startswith(("aspect_", "reading_")))
    text = StringIO()
    writer = csv.DictWriter(text, [*_FILE_COLUMNS, *_FACE_COLUMNS.values(), *_BOX, "segments", *readings])
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def _rows(verdict: Verdict) -> Iterator[dict[str, Any]]:
    cells = {name: value for name, value in verdict.to_dict().items() if name != "tracks"}
    cells["warnings"] = "; ".join(verdict.warnings)
    if not verdict.tracks:
        yield cells
    for track in verdict.tracks:
        yield {**cells, **_track(track)}


def _track(track: TrackVerdict) -> dict[str, Any]:
    cells = {column: getattr(track, name) for name, column in _FACE_COLUMNS.items()}
    cells.update(zip(_BOX, track.box, strict=True))
    cells["segments"] = "; ".join(f"{segment.start:.2f}-{segment.end:.2f}" for segment in track.segments)
    cells.update({f"aspect_{name}_p_value": p_value for name, p_value in track.aspects.items()})
    for name, reading in track.readings.items():
        cells[f"reading_{name}_value"] = reading.value
        cells[f"reading_{name}_percentile"] = reading.percentile
        cells[f"reading_{name}_p_value"] = reading.p_value
    return cells


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value

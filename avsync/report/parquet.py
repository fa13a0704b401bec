"""Verdicts as rows of Parquet: one for each file, with its facts, the score of each check and the JSON document."""

from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, get_args

from avsync.errors import UsageError
from avsync.report.jsonl import to_line
from avsync.score.verdict import Verdict

if TYPE_CHECKING:
    import pyarrow

# What nested fields become. `size` and `mtime_ns` are those of the file when it was judged.
_NESTED = ("checks", "tracks", "artefacts", "figures", "standout", "warnings")
_OF_FILE = ("path", "size", "mtime_ns")
_OF_CHECK = (("anomaly_score", float), ("p_value", float), ("reason", str))

DOCS = """\
A folder of Parquet parts with one row for each file. `path`, `size` (bytes) and `mtime_ns` tell which file, `sha256`
its content; the other fields of the file are named as in the JSON document. `warnings` is a list, `faces` the number of
faces; `standout_check`, `standout_start` and `standout_end` tell the stretch that stands out most. Of each check there
are check_<name>_anomaly_score, check_<name>_p_value and check_<name>_reason (why it has no score). `json` is the whole
document of the file.
"""


def schema(checks: Iterable[str]) -> "pyarrow.Schema":
    """Return the columns of a part.

    Raises:
        UsageError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa
    except ModuleNotFoundError as error:
        raise UsageError("a .parquet report needs pyarrow: pip install 'avsync[scale]'") from error

    of_kind = {str: pa.string(), float: pa.float64(), int: pa.int64(), bool: pa.bool_()}
    plain = {field.name: _kind(field.type) for field in fields(Verdict) if field.name not in (*_NESTED, "path")}
    kinds: dict[str, type] = {"path": str, "size": int, "mtime_ns": int, **plain}
    kinds |= {"standout_check": str, "standout_start": float, "standout_end": float, "faces": int}
    kinds |= {f"check_{name}_{what}": kind for name in checks for what, kind in _OF_CHECK}
    columns = [(name, of_kind[kind]) for name, kind in kinds.items()]
    return pa.schema([*columns, ("warnings", pa.list_(pa.string())), ("json", pa.string())])


def row(verdict: Verdict, size: int, mtime_ns: int) -> dict[str, Any]:
    """Return the cells of a verdict by column; text is valid Unicode, with \\udc80 and the like spelt out."""
    cells = {name: value for name, value in verdict.to_dict().items() if name not in _NESTED}
    cells |= {"size": size, "mtime_ns": mtime_ns, "warnings": verdict.warnings, "faces": len(verdict.tracks)}
    if (found := verdict.standout) is not None:
        cells |= {"standout_check": found.check, "standout_start": found.start, "standout_end": found.end}
    for name, check in verdict.checks.items():
        cells |= {f"check_{name}_{what}": getattr(check, what) for what, _ in _OF_CHECK}
    cells["json"] = to_line(verdict).strip()
    return {name: _clean(value) for name, value in cells.items()}


def to_part(rows: Sequence[dict[str, Any]], columns: "pyarrow.Schema") -> "pyarrow.Table":
    """Return rows as a table; cells of other columns are left out."""
    import pyarrow as pa

    return pa.Table.from_pylist(list(rows), columns)


def _kind(given: Any) -> type:
    """The type of cells of a field, without None."""
    for kind in (bool, int, float):
        if given is kind or kind in get_args(given):
            return kind
    return str


def _clean(value: Any) -> Any:
    if isinstance(value, list):
        return [_clean(one) for one in value]
    return value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value

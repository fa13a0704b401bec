"""Verdicts as a table of pandas."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from avsync.report.csv import BOX, FACE_COLUMNS, FILE_COLUMNS, table
from avsync.score.verdict import TrackVerdict, Verdict

if TYPE_CHECKING:
    from pandas import DataFrame

# By type of Python: what is missing is NaN in a column of floats, and NA elsewhere.
_DTYPES = {float: "float64", int: "Int64", bool: "boolean", str: "string"}


def to_pandas(verdicts: Sequence[Verdict]) -> "DataFrame":
    """Return a row for each face of each file, with the columns of the CSV table (docs/output.md).

    A column has the same type whatever is in it: float64, Int64, boolean or string.

    Raises:
        ImportError: pandas is not installed.
    """
    try:
        from pandas import DataFrame, Series
    except ImportError as error:
        raise ImportError(f"to_pandas needs pandas ({error}): pip install 'avsync[pandas]'") from error

    rows, columns = table(verdicts)
    types = _types()
    return DataFrame({name: Series([row.get(name) for row in rows], dtype=_dtype(name, types)) for name in columns})


def _types() -> dict[str, Any]:
    """The annotations of the columns that are fields."""
    of_file, of_face = get_type_hints(Verdict), get_type_hints(TrackVerdict)
    return {
        **{name: of_file[name] for name in FILE_COLUMNS if name in of_file},
        **{column: of_face[name] for name, column in FACE_COLUMNS.items()},
        **dict.fromkeys(BOX, int),
    }


def _dtype(column: str, types: dict[str, Any]) -> str:
    """Numbers of checks and readings are floats; what is no number, such as a reason or a list of segments, is text."""
    if column.startswith(("check_", "reading_")) and not column.endswith("_reason"):
        return _DTYPES[float]
    hint = types.get(column)
    return next((dtype for kind, dtype in _DTYPES.items() if kind is hint or kind in get_args(hint)), _DTYPES[str])

"""The tables in which data sets list their clips: read row by row, every mistake a UsageError that names the line."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path, PureWindowsPath

from avsync.errors import UsageError

_FIRST_LINE = 4096  # bytes; no header is longer


def header(table: Path) -> tuple[str, ...]:
    """Return the column names of a CSV file, in lower case; none if it cannot be read."""
    try:
        with table.open("rb") as file:
            line = file.readline(_FIRST_LINE)
        names = next(csv.reader([line.decode("utf-8-sig")]), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        return ()
    return tuple(name.strip().lower() for name in names)


def named_rows(table: Path, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the rows of a CSV file with a header: the place, for messages, and the stripped cells by column name.

    Args:
        table: the file, in UTF-8.
        columns: those that it must have, in any order and letter case; others may follow.

    Raises:
        UsageError: a column is missing, a row is too short, or it is no such file.
    """
    names = header(table)
    if missing := [column for column in columns if column not in names]:
        found = ",".join(names) or "no header"
        raise UsageError(f"{table}: its first line must name {','.join(missing)}; found {found}")
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            next(reader, None)
            for row in reader:
                cells = [cell.strip() for cell in row]
                if not any(cells):
                    continue
                where = f"{table.name} line {reader.line_num}"
                if len(cells) < len(names):
                    raise UsageError(f"{where}: {len(cells)} columns instead of {len(names)}")
                yield where, dict(zip(names, cells, strict=False))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{table}: cannot be read as a CSV file in UTF-8 ({error})") from error


def spaced_rows(table: Path, width: int) -> Iterator[tuple[str, list[str]]]:
    """Yield the lines of a text file whose columns are separated by spaces: the place, for messages, and the cells.

    Args:
        table: the file, in UTF-8.
        width: how many columns there are at least.

    Raises:
        UsageError: a line is too short, or it is no such file.
    """
    try:
        with table.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                cells = line.split()
                if not cells:
                    continue
                where = f"{table.name} line {number}"
                if len(cells) < width:
                    raise UsageError(f"{where}: {len(cells)} columns instead of {width}")
                yield where, cells
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{table}: cannot be read as text in UTF-8 ({error})") from error


def inside(where: str, text: str) -> tuple[str, ...]:
    """Return the folders and the file name of a path that a table names.

    Raises:
        UsageError: the path is absolute or leaves the folder of the data set.
    """
    path = PureWindowsPath(text)  # understands both slashes and drive letters
    if path.anchor or ".." in path.parts or not path.parts:
        raise UsageError(f"{where}: {text!r} is not a path below the data set's folder")
    return path.parts
